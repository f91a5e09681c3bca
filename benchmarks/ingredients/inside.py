"""Whether there is anything in a recording, or in a long text, that is asked for: questions of which this is known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

from ingredients.questions import CHOSEN
from mmsearch import Record

FEW, MANY = 5, 20  # questions about one recording or text, of each kind
PICTURES, TEXTS = 20, 40  # whose captions make a text, and how many of these
README = Path(__file__).parents[2] / "README.md"
ABOUT = (  # the README
    "search by confidence", "hubness correction by NNN", "zero-shot classification of pictures",
    "approximate nearest neighbours", "sound windows of ten seconds", "crash recovery", "teach the index with captions",
    "HEIC pictures", "the sound of video", "Apache licence", "latency of Chroma", "BLIP image-text matching",
    "subtitles with times", "sums of questions with negative parts", "a snapshot while others write",
)  # fmt: skip


class Question(NamedTuple):
    """What is asked within an item, and of what kind that is."""

    item: str
    asked: str
    kind: str


def of_recordings(
    draw: Random, clips: Mapping[str, Counter[str]], classes: list[str], seconds: float
) -> Iterator[Question]:
    """About recordings, of which the clips of each class are known: names of classes, other sounds, gibberish."""
    for key, counts in clips.items():
        for name in classes:
            known = {0: "a class that does not sound", 1: f"a class that sounds for {seconds:g} s"}
            yield Question(key, name, known.get(counts[name], "a class that sounds for longer"))
        yield from _nothing(draw, key, "sounds", "a sound of no class", "gibberish", FEW)


def texts(draw: Random, captioned: Path) -> tuple[list[Record], list[Question]]:
    """Texts of captions of twenty pictures each, of which other captions ask; and the README, as a text of facts."""
    photos = json.loads((captioned / "captions.json").read_text("utf-8"))
    draw.shuffle(photos)
    records, asked = [], []
    for number in range(TEXTS):
        some, key = photos[number * PICTURES : (number + 1) * PICTURES], f"text {number}"
        records.append(Record(id=key, text=" ".join(f"{one['captions'][0].rstrip(' .')}." for one in some)))
        asked += [Question(key, one["captions"][1], "captions: of a picture") for one in draw.sample(some, FEW)]
        others = draw.sample(photos[TEXTS * PICTURES :], FEW)
        asked += [Question(key, one["captions"][1], "captions: of no picture") for one in others]
        asked += _nothing(draw, key, "things", "captions: an absent thing", "captions: gibberish", FEW)
    records.append(Record(id="README", text=README.read_text("utf-8")))
    asked += [Question("README", one, "README: what it tells") for one in ABOUT]
    asked += _nothing(draw, "README", "things", "README: an absent thing", "README: gibberish", MANY * FEW)
    return records, asked


def _nothing(draw: Random, key: str, what: str, absent: str, gibberish: str, count: int) -> Iterator[Question]:
    for one in draw.sample(CHOSEN.absent(what), count):
        yield Question(key, one, absent)
    for one in draw.sample(CHOSEN.gibberish(), count):
        yield Question(key, one, gibberish)
