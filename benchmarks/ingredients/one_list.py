"""Ways to put pictures, sounds and texts into one list, and how good the lists are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ingredients import rows
from ingredients.measures import DEPTH, interval, ndcg
from ingredients.questions import CHOSEN, Photo
from ingredients.world import World
from mmsearch import Index, Query, Record
from mmsearch.search.lanes import mean_of
from mmsearch.types import Modality

HEAD = (
    "| asked with | questions | raw cosines | centred cosines | z-scores | reciprocal ranks | ours | "
    "ours − centred | image / text / audio in ours, % |"
)
SHARE = 160  # of each modality in the index
SEEN = 500  # pictures that are not in it: with some of them the way to make one list was chosen
FIRST = 61  # what the first rank counts as, in reciprocal rank fusion


class Question(NamedTuple):
    """A question, the ids of what answers it, and that of the item that asks; empty where none does."""

    query: Query
    right: set[str]
    own: str = ""


class Column(NamedTuple):
    """The n items of one modality.

    Attributes:
        ids: of them.
        cosines: of q questions to them `(q, n)`.
        centre: the product of each question and their mean `(q, 1)`.
    """

    ids: list[str]
    cosines: np.ndarray
    centre: np.ndarray


def mixed(index: Index, world: World) -> list[str]:
    """Rows for what asks an index of as many pictures as texts and sounds."""
    photos, pictures = (some[SEEN : SEEN + SHARE] for some in (world.photos, world.pictures))
    described = photos[: SHARE - len(world.labels)]
    texts = [Record(id=f"caption {n}", text=one["captions"][0]) for n, one in enumerate(described)]
    names = [Record(id=label, text=label) for label in world.labels]
    index.add_items([*pictures, *texts, *names, *world.sounds])
    asked = asked_of_all(world, described, pictures, texts)
    return [line(index, name, some) for name, some in asked.items()]


def asked_of_all(
    world: World, described: Sequence[Photo], pictures: Sequence[Record], texts: Sequence[Record]
) -> dict[str, list[Question]]:
    """By what asks; right are a caption's picture and its other caption, the clips of a class and its name."""
    pairs = list(zip(pictures, texts, described, strict=False))
    return {
        "captions": [
            Question(Query.text(caption), {picture.id, text.id})
            for picture, text, photo in pairs
            for caption in photo["captions"][1:]
        ],
        "names of sounds": [
            Question(Query.text(wording.format(label)), {*clips, label})
            for wording in CHOSEN.wordings[:5]
            for label, clips in world.of_class.items()
        ],
        "pictures": [Question(Query.image(picture.image), {text.id}, picture.id) for picture, text, _ in pairs],
        "sounds": [
            Question(Query.audio(sound.audio), {*world.mates(clip), clip["label"]}, sound.id)
            for sound, clip in zip(world.sounds, world.clips, strict=True)
        ],
    }


def line(index: Index, name: str, questions: Sequence[Question]) -> str:
    """nDCG@10 of each way, and what stands in our lists."""
    columns = _columns(index, [one.query for one in questions])
    gains = {way: _gains(lists, questions) for way, lists in _lists(columns, questions).items()}
    found = index.search_many([one.query for one in questions], k=DEPTH + 1, min_confidence=0, rerank="none")
    ours = [_without([hit.id for hit in hits], one.own) for hits, one in zip(found, questions, strict=True)]
    gains["ours"] = _gains(ours, questions)
    cells = []
    for values in gains.values():
        low, high = interval(values)
        cells.append(f"{values.mean():.3f} ({low:.3f}–{high:.3f})")
    ahead = gains["ours"] - gains["centred cosines"]
    low, high = interval(ahead)
    kinds = {id_: target for target, column in columns.items() for id_ in column.ids}
    shown = [kinds[id_] for some in ours for id_ in some]
    shares = " / ".join(f"{100 * shown.count(target) / len(shown):.0f}" for target in Modality)
    return (
        f"| {name} | {len(questions)} | {' | '.join(cells)} | "
        f"{ahead.mean():+.3f} ({low:+.3f} to {high:+.3f}) | {shares} |"
    )


def _columns(index: Index, queries: Sequence[Query]) -> dict[Modality, Column]:
    found = {}
    with index.hold() as view:
        for target in Modality:
            space, vectors = index.searcher.vectors(queries, target)
            (shard,) = view.snapshot().of("vectors", space.name, space.version, target)
            centre = (vectors @ mean_of([shard], space.dim))[:, None]
            found[target] = Column(rows.ids(view, shard), vectors @ shard.matrix.T, centre)
    return found


def _lists(columns: Mapping[Modality, Column], questions: Sequence[Question]) -> dict[str, list[list[str]]]:
    """The ids that each way puts first, question by question."""
    every = columns.values()
    flat = [id_ for column in every for id_ in column.ids]
    ranks = [np.argsort(np.argsort(-column.cosines, axis=1), axis=1) for column in every]
    ways = {
        "raw cosines": [column.cosines for column in every],
        "centred cosines": [column.cosines - column.centre for column in every],
        "z-scores": [(c - c.mean(1, keepdims=True)) / c.std(1, keepdims=True) for _, c, _ in every],
        "reciprocal ranks": [1 / (FIRST + some) for some in ranks],
    }
    found = {}
    for way, scores in ways.items():
        orders = np.argsort(-np.hstack(scores), axis=1, kind="stable")[:, : DEPTH + 1].tolist()
        found[way] = [_without([flat[n] for n in order], one.own) for order, one in zip(orders, questions, strict=True)]
    return found


def _without(ids: Sequence[str], own: str) -> list[str]:
    return [id_ for id_ in ids if id_ != own][:DEPTH]


def _gains(lists: Sequence[Sequence[str]], questions: Sequence[Question]) -> np.ndarray:
    return np.array(
        [ndcg([id_ in one.right for id_ in some], len(one.right)) for some, one in zip(lists, questions, strict=True)]
    )
