import json
import os

import numpy as np
import pytest

from mmsearch.errors import FitError
from mmsearch.fitting.adapter import Adapter
from mmsearch.fitting.choose import Settings
from mmsearch.fitting.files import MARK, read, write
from mmsearch.fitting.fit import Fit
from mmsearch.types import Modality

MATRIX = np.arange(12, dtype=np.float32).reshape(3, 4)
FIT = Fit(
    "fake", "1", Modality.IMAGE, {"text": ("fake", "1"), "image": ("fake", "1")}, Settings(1.0, 1.0, 1.0, 4, 0.5),
    Adapter(1.0, MATRIX[:, 0], MATRIX), Adapter(1.0, MATRIX[:, 1], MATRIX),
)  # fmt: skip
CARD = {"data": "holiday \N{SNOWMAN} \ud800", "media": 3}


@pytest.fixture
def written(tmp_path):
    write(tmp_path / "fit", "mine", CARD, FIT)
    return tmp_path / "fit"


def test_what_is_written_is_read(written):
    name, card, fit = read(written)
    assert (name, card, fit.content) == ("mine", CARD, FIT.content)


def test_nothing_is_written_over(written):
    before = written.read_bytes()
    with pytest.raises(FitError, match=r"cannot write the fit to .*fit: File exists"):
        write(written, "other", {}, FIT)
    assert written.read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="the limit of the size of a file, in place of a full disk, is POSIX's")
def test_a_full_disk_leaves_nothing(tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(FitError, match="cannot write the fit"):
            write(tmp_path / "fit", "mine", CARD, FIT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [0.4, 0.7, 0.99])
def test_a_byte_that_changed_is_noticed(written, place):
    data = bytearray(written.read_bytes())
    at = len(data) - len(FIT.content) + int(place * len(FIT.content))
    data[at] ^= 1
    written.write_bytes(data)
    with pytest.raises(FitError, match=r"fit is damaged: its content is not what was written"):
        read(written)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no fit of mmsearch; `mmsearch fit --export` writes one"),
        (b"PK\x03\x04", "is no fit of mmsearch"),
        (MARK, "its card cannot be read"),
        (MARK + b"[1]\n", "its card cannot be read"),
        (MARK + b'{"name": "a"}\n', "its card cannot be read"),
        (MARK + b'{"name": "a", "card": 3, "version": ""}\n', "its card cannot be read"),
        (MARK + b'{"name": "a", "card": {}, "version": "x"}\n' + FIT.content, "is not what was written"),
    ],
)
def test_what_is_no_such_file(tmp_path, content, said):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(FitError, match=said):
        read(tmp_path / "x")


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(FitError, match="cannot read the fit"):
            read(path)
    with pytest.raises(FitError, match="cannot write the fit"):
        write(tmp_path / "missing" / "fit", "mine", CARD, FIT)


def test_its_card_can_be_read_by_anybody(written):
    mark, head, _ = written.read_bytes().split(b"\n", 2)
    assert mark + b"\n" == MARK and json.loads(head) == {"name": "mine", "version": FIT.version, "card": CARD}
