"""What the default cut leaves of questions, of those that nothing answers and of those that something does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

import mmsearch
from ingredients import questions, rows
from ingredients.questions import CHOSEN, Part
from ingredients.world import World
from mmsearch import Index, Query, Record
from mmsearch.demo import corpus
from mmsearch.types import Modality

# A question, and the ids of what answers it.
Answered: TypeAlias = tuple[str | Query, set[str]]

HEAD = (
    "| direction | asked with | gibberish answered (≤ 5 %) | absent answered (≤ 20 %) | true kept, of those found "
    "in the top 10 (≥ 90 %) | confidence that 3 in 4 of these reach |"
)
ALONE = 4  # clips of each class that are made the only ones of it


def by_text(index: Index, world: World, part: Part) -> Iterator[str]:
    """Rows for what texts ask for."""
    nonsense, asked = part.gibberish(), part.about(world.photos)
    for target, records in (("image", world.pictures), ("text", world.texts)):
        refused = left(index, nonsense, target)
        for kind, (there, absent) in asked.items():
            answered = [(question, {records[n].id for n in where}) for question, where in there]
            name = f"text→{target} | {kind}, {part.name}"
            yield row(index, name, target, answered, refused, left(index, absent, target))
    named = [(question, world.of_class[label]) for question, label in part.named(world.labels)]
    refused, lost = (left(index, some, "audio") for some in (nonsense, part.absent("sounds")))
    yield row(index, f"text→audio | names, {part.name}", "audio", named, refused, lost)


def by_media(index: Index, world: World, place: Path) -> Iterator[str]:
    """Rows for what pictures and sounds ask for, and for the only clip of a class."""
    refused = left(index, [Query.image(one) for one in questions.patterns(60)], "text")
    pairs = zip(world.pictures[:400], world.texts, strict=False)
    yield row(index, "image→text | pictures", "text", [(Query.item(a.id), {b.id}) for a, b in pairs], refused, [])
    refused = left(index, [Query.audio(one) for one in questions.noises(60)], "audio")
    missing = one_class_less(index, world, place)
    mates = [(Query.item(clip["audio"]), world.mates(clip)) for clip in world.clips]
    yield row(index, "audio→audio | sounds", "audio", mates, refused, missing.by_sound)
    yield f"| text→audio | names, the only one | – | {share(missing.by_name)} | {share(missing.only)} | |"


def only_picture(index: Index, place: Path) -> str:
    """A row for pictures of things that nothing else shows, those of `mmsearch demo`; they are added to the index."""
    made = corpus.build(place)
    told = [one for one in json.loads(made.manifest.read_text("utf-8")) if "image" in one]
    index.add_items([Record(id=one["image"], image=made.folder / one["image"]) for one in told])
    asked = [(caption, {one["image"]}) for one in told for caption in one["captions"]]
    return row(index, "text→image | captions, the only one", "image", asked, [], [])


def row(
    index: Index, name: str, target: str, asked: Sequence[Answered], nonsense: Sequence[bool], missing: Sequence[bool]
) -> str:
    """A row of the table: what is left of nonsense, of what is missing, and of what is there and found."""
    queries = [question for question, _ in asked]
    nearest = index.search_many(queries, target=target, k=10, min_confidence=0)
    kept = left(index, queries, target)
    found = [
        (is_kept, max(hit.confidence for hit in hits))
        for (_, right), hits, is_kept in zip(asked, nearest, kept, strict=True)
        if right & {hit.id for hit in hits}
    ]
    quartile = sorted(confidence for _, confidence in found)[len(found) // 4]
    true = share([is_kept for is_kept, _ in found])
    made = f"| {name} | {share(nonsense)} | {share(missing)} | {true} | {quartile:.2f} |"
    print(made, flush=True)
    return made


def left(index: Index, queries: Sequence[str | Query], target: str) -> list[bool]:
    """Of each question, whether the default cut leaves anything; rerankers do not change it."""
    return [len(hits) > 0 for hits in index.search_many(queries, target=target, k=10, rerank="none")]


def share(flags: Sequence[bool]) -> str:
    """Of how many it is true."""
    return f"{100 * sum(flags) / len(flags):.1f} % of {len(flags)}" if flags else "–"


class Missing(NamedTuple):
    """What the default cut leaves where a class of sounds is missing, or all of it but one clip.

    Attributes:
        by_sound: of each sound of the class, which asks for sounds without any of the class.
        by_name: of the names of the class, likewise.
        only: of its names, where they found the one clip.
    """

    by_sound: list[bool]
    by_name: list[bool]
    only: list[bool]


def one_class_less(index: Index, world: World, place: Path) -> Missing:
    """For each class an index of the other sounds, and then of these and one clip of it."""
    ids, vectors = heard(index)
    found = Missing([], [], [])
    for label, members in world.of_class.items():
        others = [n for n, id_ in enumerate(ids) if id_ not in members]
        names = [name for name, _ in CHOSEN.named([label])]
        with mmsearch.open(place / label, model="lite") as other:
            other.add_vectors(vectors[others], modality="audio", ids=[ids[n] for n in others])
            asking = [Query.audio(one.audio) for one in world.sounds if one.id in members]
            found.by_sound.extend(left(other, asking, "audio"))
            found.by_name.extend(left(other, names, "audio"))
            for clip in sorted(members)[:ALONE]:
                other.add_vectors(vectors[[ids.index(clip)]], modality="audio", ids=["one"])
                other.optimize()  # compares everything anew
                nearest = other.search_many(names, target="audio", k=10, rerank="none", min_confidence=0)
                kept = zip(left(other, names, "audio"), nearest, strict=True)
                found.only.extend(one for one, hits in kept if "one" in {hit.id for hit in hits})
    return found


def heard(index: Index) -> tuple[list[str], np.ndarray]:
    """The sounds of an index: their ids, and their vectors `(n, d)`."""
    (space,) = index.model.spaces
    with index.hold() as view:
        (shard,) = view.snapshot().of("vectors", space.name, space.version, Modality.AUDIO)
        return rows.ids(view, shard), shard.matrix.copy()
