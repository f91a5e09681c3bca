"""Fixtures that all tests share."""

import pytest
import soundfile
from made import RATE, picture, tone

import mmsearch


@pytest.fixture
def media(tmp_path):
    """A folder of four pictures, two sounds, two texts."""
    folder = tmp_path / "media"
    (folder / "sounds").mkdir(parents=True)
    for colour in ("red", "green", "blue", "yellow"):
        picture(colour).save(folder / f"{colour}.png")
    for pitch in ("low", "whistle"):
        soundfile.write(folder / "sounds" / f"{pitch}.wav", tone(pitch), RATE)
    (folder / "fire.txt").write_text("a red fire engine")
    (folder / "sea.md").write_text("the blue sea")
    return folder


@pytest.fixture
def index(tmp_path):
    """An empty index of the fake model."""
    with mmsearch.open(tmp_path / "index", model="fake") as opened:
        yield opened


@pytest.fixture
def full(index, media):
    """An index of the folder `media`."""
    index.add([media])
    return index
