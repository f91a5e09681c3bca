"""Indexes of paintings: one that has learnt what their captions mean, and one that has not. Tests get copies."""

import shutil
from contextlib import ExitStack

import pytest
from fitted_rows import sound
from made import RATE, tone
from made_pairs import paintings

import mmsearch
from mmsearch import Record

COUNT = 60


@pytest.fixture(scope="session")
def kit(tmp_path_factory):
    """The folders of both, and the fit."""
    folder = tmp_path_factory.mktemp("fitted")
    with mmsearch.open(folder / "plain", model="fake") as index:
        index.add_items(paintings(COUNT))
        index.add_items(Record(id=pitch, audio=(tone(pitch), RATE)) for pitch in ("low", "whistle"))
        index.add_items([Record(id="rot", text="rot und blau"), Record(id="sea", text="the blue sea is low")])
    shutil.copytree(folder / "plain", folder / "taught")
    with mmsearch.open(folder / "taught") as index:
        (outcome,) = index.fits.learn(name="colours")
        assert outcome.installed
        return folder, index.fits.get("colours"), outcome


@pytest.fixture
def opened(kit, tmp_path):
    """Opens a copy of one of the two, in a folder of its own; it is closed in the end, and sound."""
    folder, count = kit[0], iter(range(100))
    with ExitStack() as stack:

        def open_copy(which):
            index = stack.enter_context(
                mmsearch.open(shutil.copytree(folder / which, tmp_path / f"{which}{next(count)}"))
            )
            stack.callback(lambda: sound(index))
            return index

        yield open_copy


@pytest.fixture
def plain(opened):
    return opened("plain")


@pytest.fixture
def taught(opened):
    return opened("taught")
