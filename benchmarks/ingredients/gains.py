"""What rerankers gain where several answers are right, or what asks and answers is long.

The clips of ESC-10 have one class each, so that sixteen answer to its name: average precision tells more than the rank
of the first. A class is asked for in fifteen wordings, of which each is one question, or one text to be found. What is
long are recordings of two classes, and texts of the captions of twenty pictures: each asks for the other one that was
made of the same classes or pictures, but of other clips or captions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np

import mmsearch
from ingredients.questions import CHOSEN, HELD_OUT
from mmsearch import Index, Query, Record
from mmsearch.types import Modality

RATE, CLIP, HALF = 16_000, 5, 4  # Hz; seconds of a clip; clips of each of the two sounds of a recording
PICTURES = 20  # whose captions make a text
NAMED, LONG = ("tags", "nnn", "qbnorm", "tags,nnn", "tags,qbnorm"), ("maxsim",)
HEAD = "| what asks for what | questions | rerankers | mAP | first | gain in mAP | p | gain in first | p |"


class Task(NamedTuple):
    """Questions about one index.

    Attributes:
        name: what asks for what.
        asks: modality of the questions.
        target: that of the answers.
        asked: the questions.
        answers: the ids that answer each.
        groups: of questions that are not independent `(q,)`.
        chains: that are compared with none.
    """

    name: str
    asks: Modality
    target: Modality
    asked: Sequence[Query]
    answers: Sequence[set[str]]
    groups: Sequence[Any]
    chains: Sequence[str]


def gains(sounds: Path, captioned: Path, place: Path) -> Iterator[str]:
    """Lines of a table.

    Args:
        sounds: the folder of ESC-10.
        captioned: that of Flickr8k.
        place: where indexes are made.
    """
    entries = json.loads((sounds / "items.json").read_text("utf-8"))
    photos = json.loads((captioned / "captions.json").read_text("utf-8"))
    yield HEAD
    yield "|---" * HEAD.count(" | ") + "|---|"
    worlds = {"named": _named(sounds, entries), "recordings": _recordings(sounds, entries), "texts": _texts(photos)}
    for name, (records, tasks) in worlds.items():
        with mmsearch.open(place / name, model="lite") as index:
            index.add_items(records)
            for task in tasks:
                yield from _compared(index, task)


def _named(folder: Path, entries: Sequence[Any]) -> tuple[list[Record], list[Task]]:

    label = {f"clip {number}": entry["label"].replace("_", " ") for number, entry in enumerate(entries)}
    labels = sorted(set(label.values()))
    texts = {f"text {n}": one for n, one in enumerate([*CHOSEN.named(labels), *HELD_OUT.named(labels)])}
    records = [Record(id=key, audio=folder / entry["audio"]) for key, entry in zip(label, entries, strict=True)]
    records += [Record(id=key, text=text) for key, (text, _) in texts.items()]
    clips = {name: {key for key, own in label.items() if own == name} for name in labels}
    said = {name: {key for key, (_, own) in texts.items() if own == name} for name in labels}
    by_name = [(Query.text(text), clips[name], name) for text, name in texts.values()]
    by_clip = [(Query.item(key), said[name], name) for key, name in label.items()]
    return records, [
        Task("a class in words → clips of it", Modality.TEXT, Modality.AUDIO, *zip(*by_name, strict=True), NAMED),
        Task("a clip → its class in words", Modality.AUDIO, Modality.TEXT, *zip(*by_clip, strict=True), NAMED),
    ]


def _recordings(folder: Path, entries: Sequence[Any]) -> tuple[list[Record], list[Task]]:
    """Two recordings of each two classes, one sound behind the other, of other clips: each asks for its like."""
    import soundfile
    import soxr

    by_class: dict[str, list[Any]] = {}
    for entry in entries:
        samples, rate = soundfile.read(folder / entry["audio"], dtype="float32", always_2d=True)
        mono = soxr.resample(samples.mean(axis=1), rate, RATE)[: CLIP * RATE]
        by_class.setdefault(entry["label"], []).append(np.pad(mono, (0, CLIP * RATE - len(mono))))
    draw, records = Random(0), []
    pairs = list(combinations(sorted(by_class), 2))
    for pair in pairs:
        clips = {name: draw.sample(by_class[name], 2 * HALF) for name in pair}
        for number in range(2):
            order = draw.sample(pair, 2)
            parts = [clip for name in order for clip in clips[name][number * HALF : (number + 1) * HALF]]
            records.append(Record(id=f"{'+'.join(pair)} {number}", audio=(np.concatenate(parts), RATE)))
    asked = [(Query.item(record.id), {_other(record.id)}, record.id[:-2]) for record in records]
    name = f"a recording of {2 * HALF * CLIP} s → one of the same two classes"
    return records, [Task(name, Modality.AUDIO, Modality.AUDIO, *zip(*asked, strict=True), LONG)]


def _texts(photos: Sequence[Any]) -> tuple[list[Record], list[Task]]:
    """Two texts of the same pictures each, a caption of every picture, in an order of their own."""
    draw, records = Random(1), []
    for start in range(0, len(photos) - PICTURES + 1, PICTURES):
        for number in range(2):
            some = draw.sample(photos[start : start + PICTURES], PICTURES)
            said = " ".join(f"{photo['captions'][number].rstrip(' .')}." for photo in some)
            records.append(Record(id=f"{start} {number}", text=said))
    asked = [(Query.item(record.id), {_other(record.id)}, record.id[:-2]) for record in records]
    name = f"a text of {PICTURES} captions → one of the same pictures"
    return records, [Task(name, Modality.TEXT, Modality.TEXT, *zip(*asked, strict=True), LONG)]


def _other(key: str) -> str:
    """The id of what was made of the same."""
    return f"{key[:-1]}{1 - int(key[-1])}"


def _compared(index: Index, task: Task) -> Iterator[str]:
    from mmsearch.evaluation.bootstrap import intervals, mean
    from mmsearch.evaluation.significance import randomisation

    default = ",".join(index.searcher.chain(task.asks, Modality(task.target)))
    plain = _measured(index, task, "none")
    groups = np.unique([str(group) for group in task.groups], return_inverse=True)[1]
    for chain in ("none", *task.chains):
        values = plain if chain == "none" else _measured(index, task, chain)
        gained = values - plain
        spans, luck = (
            intervals([(column, mean) for column in gained.T], groups=groups),
            randomisation(gained, groups=groups),
        )
        cells = [task.name, str(len(values)), f"{chain} (default)" if chain == (default or "none") else chain]
        cells += [f"{100 * value:.1f}" for value in values.mean(axis=0)]
        for value, (low, high), p in zip(gained.mean(axis=0), spans, luck, strict=True):
            span = f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
            cells += ["", ""] if chain == "none" else [span, f"{p:.3f}"]
        yield f"| {' | '.join(cells)} |"


def _measured(index: Index, task: Task, chain: str) -> np.ndarray[Any, Any]:
    """Average precision of all answers, and whether the first hit is one `(q, 2)`."""
    found = index.search_many(
        task.asked, target=task.target, k=len(index), rerank=chain, lexical="off", min_confidence=0
    )  # fmt: skip
    values = []
    for hits, answers in zip(found, task.answers, strict=True):
        right = np.array([hit.id in answers for hit in hits])
        precision = np.cumsum(right) / np.arange(1, len(right) + 1)
        values.append((precision[right].sum() / len(answers), right[0]))
    return np.array(values, np.float64)
