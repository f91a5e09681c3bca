"""The installed command, as a user runs it, in this process."""

import gc
import sys

import pytest

from mmsearch import cli


@pytest.fixture
def typed(monkeypatch, capsys):
    """Runs `mmsearch` with arguments: exit status, standard output, standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["mmsearch", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return left.value.code or 0, said.out, said.err

    before = gc.get_threshold()
    yield call
    gc.set_threshold(*before)  # the command makes collecting rare, and keeps what there is for good
    gc.unfreeze()
