"""Bringing the backgrounds of an index up to date, at the end of a change.

Made questions are compared with the rows that are new, exactly, at some 10 µs a row, and some 0.1 s for their classes
where these count; what was compared before is not again, so that deleted rows leave a background a little too high
until all is compared anew. Items held out are a sample compared with a sample, which takes the same time however large
the index is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mmsearch.search import exact
from mmsearch.search.calibrate import bank as made_of
from mmsearch.search.calibrate.bank import banks
from mmsearch.search.calibrate.yardstick import FIRST_ROWS, Yardstick
from mmsearch.search.lanes import mean_of
from mmsearch.search.route import route
from mmsearch.store.backgrounds import Background, bank
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.store.backgrounds import Bank
    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.store.statistics import Extent
    from mmsearch.store.store import Store
    from mmsearch.store.writer import Writer
    from mmsearch.types import FloatArray, Space

    _Place: TypeAlias = tuple[str, str, str]  # space, version and modality
    _Rows: TypeAlias = Mapping[int, int]  # by shard

LEAST = 20  # rows of some modality, or items to hold out; with fewer nothing can be told
STALE = 0.02  # a background with a larger share of new rows is brought up to date
HELD_OUT = "held-out-1"
QUESTIONS = 256  # items that are held out
SAMPLE = 2_000  # rows that they are compared with
RELATED = 0.15  # of the rows, which are set aside: as large a share of an index can be about the same thing


def update(store: Store, writer: Writer, model: Model, *, anew: bool = False) -> None:
    """Compare what is new with the questions of each direction that has enough rows, and keep what was found.

    Args:
        store: of the writer.
        writer: holds the lock.
        model: of the index, with the fits that are in use.
        anew: compare all rows again.

    Raises:
        StoreError: the disk is full or cannot be written; the backgrounds are as they were.
    """
    rows, live = _counted(writer.extents())
    known = {} if anew else {(one.asked, one.target, one.space, one.version): one for one in writer.backgrounds()}
    ways = {way: _compared(rows, *way) for way in _ways(model, live)}
    stale = [way for way, compared in ways.items() if _is_stale(known.get(_key(*way)), compared, way[0])]
    if not stale:
        return
    snapshot = store.snapshot()
    spaces = {space for asked, _, space in stale if asked is Modality.TEXT}
    held = {space: bank(store.query, space.name, space.version) for space in spaces}
    there = {space: one for space, one in held.items() if one is not None and _is_whole(one, space)}
    made = banks(model, [space for space in spaces if space not in there]) if spaces - set(there) else []
    by_space = {(one.space, one.version): one for one in (*there.values(), *made)}
    found = []
    for way in stale:
        asked, target, space = way
        before = known.get(_key(*way))
        if asked is Modality.TEXT:
            exemplars = None if model.tagger is None else model.tagger.exemplars(space, target)
            questions = by_space[space.name, space.version]
            found.append(_made(snapshot, target, space, questions, exemplars, before, ways[way]))
        else:
            found.append(_held_out(snapshot, asked, target, space, ways[way]))
    writer.keep_backgrounds(made, found)


def _counted(extents: Iterable[Extent]) -> tuple[Mapping[_Place, _Rows], Counter[_Place]]:
    """How many vectors there are in each shard, and how many in all can be found."""
    rows: dict[_Place, dict[int, int]] = defaultdict(dict)
    live: Counter[_Place] = Counter()
    for space, version, modality, shard_id, count, dead in extents:
        rows[space, version, modality][shard_id] = count
        live[space, version, modality] += count - dead
    return rows, live


def _ways(model: Model, live: Counter[_Place]) -> list[tuple[Modality, Modality, Space]]:
    """Directions, with the space of the answers, that can be calibrated; none in a very small index."""
    found = []
    if max(live.values(), default=0) < LEAST:
        return []
    for asked, target in product(Modality, Modality):
        way = route(model, (asked,), target, lambda source, target: None)
        if way is None or not live[_place(way.space, target)]:
            continue
        if asked is Modality.TEXT or live[_place(way.space, asked)] >= LEAST:
            found.append((asked, target, way.space))
    return found


def _compared(rows: Mapping[_Place, _Rows], asked: Modality, target: Modality, space: Space) -> _Rows:
    """What a background depends on."""
    own = {} if asked is Modality.TEXT else rows[_place(space, asked)]
    return {**rows[_place(space, target)], **own}


def _is_stale(before: Background | None, compared: _Rows, asked: Modality) -> bool:
    if before is None or before.bank != (_name() if asked is Modality.TEXT else HELD_OUT):
        return True
    if asked is Modality.TEXT and len(before.best) != made_of.QUESTIONS:
        return True
    then = sum(before.covered.values())
    return not _is_there(before.covered, compared) or sum(compared.values()) - then > STALE * then


def _made(
    snapshot: Snapshot, target: Modality, space: Space, made: Bank, exemplars: FloatArray | None,
    before: Background | None, compared: _Rows,
) -> Background:  # fmt: skip
    """The best cosine of each made question; where there are classes, the best ones, and what these rows share."""
    shards = _shards(snapshot, space, target)
    questions, words = np.split(made.vectors.astype(np.float32), 2)
    yardstick = Yardstick(exemplars, words) if exemplars is not None and len(exemplars) else None
    covered: Mapping[int, int] = {}
    best = shared = np.empty((len(questions), 0), np.float32)
    if before is not None and _goes_on(before, made, compared, has_classes=yardstick is not None):
        covered, best = before.covered, before.best
        shared = shared if before.shared is None else before.shared
    new = [shard.part(covered.get(shard.id, 0), shard.rows) for shard in shards]
    new = [part for part in new if part.live]
    if new:
        firsts = np.cumsum([0] + [part.rows for part in new]).tolist()
        dead = np.concatenate([first + part.dead for part, first in zip(new, firsts, strict=False)])
        wanted = min(sum(part.live for part in new), 1 if yardstick is None else FIRST_ROWS)
        places, cosines = exact.block([part.matrix for part in new], questions, wanted, dead)
        best = np.concatenate([best, cosines], axis=1)
        order = np.argsort(-best, axis=1, kind="stable")[:, : 1 if yardstick is None else FIRST_ROWS]
        best = np.take_along_axis(best, order, axis=1)
        if yardstick is not None:
            owners = np.repeat(np.arange(len(questions)), wanted)
            found = yardstick.shared(questions, _rows(new, firsts, places.ravel()), owners)
            shared = np.concatenate([shared, found.reshape(places.shape)], axis=1)
            shared = np.take_along_axis(shared, order, axis=1)
    return Background(
        Modality.TEXT, target, space.name, space.version, made.name, compared, best.astype(np.float32),
        None if yardstick is None else shared,
    )  # fmt: skip


@cache
def _name() -> str:
    """Of the bank: a hash of all that its questions are made of, which takes longer than the rest of a look."""
    return made_of.name()


def _is_whole(found: Bank, space: Space) -> bool:
    return found.name == _name() and found.vectors.shape == (2 * made_of.QUESTIONS, space.dim)


def _goes_on(before: Background, made: Bank, compared: _Rows, *, has_classes: bool) -> bool:
    """Whether only what is new has to be compared."""
    is_same = before.bank == made.name and 2 * len(before.best) == len(made.vectors)
    return is_same and (before.shared is not None) == has_classes and _is_there(before.covered, compared)


def _rows(parts: Sequence[Shard], firsts: Sequence[int], places: NDArray[np.int64]) -> FloatArray:
    """The rows at places `(n,)` among those of all parts, one behind the other: `(n, dim)`."""
    owner = np.searchsorted(firsts, places, side="right") - 1
    found = np.empty((len(places), parts[0].matrix.shape[1]), np.float32)
    for number, part in enumerate(parts):
        here = owner == number
        found[here] = part.matrix[places[here] - firsts[number]]
    return found


def _held_out(snapshot: Snapshot, asked: Modality, target: Modality, space: Space, compared: _Rows) -> Background:
    """For each item held out its best centred cosine, when the rows that are likest to it are set aside.

    Without that, items of the same kind would count as unrelated.
    """
    random = np.random.default_rng(0)
    shards = _shards(snapshot, space, target)
    answers = _drawn(shards, SAMPLE, random)
    asking = _drawn(_shards(snapshot, space, asked), QUESTIONS, random)
    cosines = asking @ answers.T
    if asked is target:
        cosines[cosines > 1 - 1e-5] = -1  # itself, and its copies
    aside = min(max(1, round(RELATED * len(answers))), len(answers) - 1)
    levels = -np.partition(-cosines, aside, axis=1)[:, aside] - asking @ mean_of(shards, space.dim)
    best = levels[:, None].astype(np.float32)
    return Background(asked, target, space.name, space.version, HELD_OUT, compared, best)


def _drawn(shards: Sequence[Shard], count: int, random: np.random.Generator) -> FloatArray:
    """Up to so many live rows `(n, d)`."""
    live = np.array([shard.live for shard in shards], np.int64)
    wanted = np.minimum(live, random.multivariate_hypergeometric(live, min(count, int(live.sum()))))
    drawn = []
    for shard, number in zip(shards, wanted.tolist(), strict=True):
        alive = np.ones(shard.rows, bool)
        alive[shard.dead] = False
        drawn.append(shard.scattered[np.sort(random.choice(np.flatnonzero(alive), number, replace=False))])
    return np.concatenate(drawn).astype(np.float32)


def _key(asked: Modality, target: Modality, space: Space) -> tuple[str, str, str, str]:
    return asked, target, space.name, space.version


def _place(space: Space, modality: Modality) -> _Place:
    return space.name, space.version, str(modality)


def _shards(snapshot: Snapshot, space: Space, modality: Modality) -> tuple[Shard, ...]:
    return snapshot.of("vectors", space.name, space.version, modality)


def _is_there(covered: _Rows, rows: _Rows) -> bool:
    """Whether rows that were compared are still where they were; a compaction moves them."""
    return all(count <= rows.get(shard, -1) for shard, count in covered.items())
