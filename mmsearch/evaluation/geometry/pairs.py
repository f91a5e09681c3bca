"""Pairs of question and item, right and wrong ones, as the search scores them before anything is reranked."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.store.reading import Reading
    from mmsearch.store.snapshot import Shard
    from mmsearch.types import FloatArray

_TOGETHER = 256  # items; each may have thousands of segments

_ROWS = (
    'SELECT i.key, r.shard_id, r."offset" FROM items i JOIN segments s ON s.item_id = i.id '
    "JOIN rows r ON r.segment_id = s.id WHERE i.key IN ({keys}) AND s.modality = ? AND r.shard_id IN ({shards}) "
    'ORDER BY i.id, r.shard_id, r."offset"'
)


def cosines(view: Reading, shards: Sequence[Shard], vectors: FloatArray, ids: Sequence[str]) -> FloatArray:
    """The cosine of each question `(q, d)` with the best segment of each item: `(q, n)`, NaN where it has none.

    Args:
        view: of the index.
        shards: of one space and modality.
        vectors: of unit norm, in that space.
        ids: of n items.
    """
    found = np.full((len(vectors), len(ids)), np.nan, np.float32)
    places = {id: place for place, id in enumerate(ids)}
    for id, matrix in rows(view, shards, ids):
        found[:, places[id]] = (vectors @ matrix.T).max(axis=1)
    return found


def rows(view: Reading, shards: Sequence[Shard], ids: Sequence[str]) -> Iterator[tuple[str, FloatArray]]:
    """The vectors `(s, d)` of the segments of each item that has any in these shards, in the order of `ids`."""
    by_id = {shard.id: shard for shard in shards}
    for start in range(0, len(ids) if shards else 0, _TOGETHER):
        some = ids[start : start + _TOGETHER]
        marks = {"keys": ", ".join("?" * len(some)), "shards": ", ".join("?" * len(by_id))}
        read = view.query(_ROWS.format(**marks), (*some, shards[0].group.modality, *by_id))
        of_item = {str(key): list(mine) for key, mine in groupby(read, key=lambda row: row[0])}
        for id in some:
            if id in of_item:
                yield id, _read(by_id, [(shard_id, offset) for _, shard_id, offset in of_item[id]])


def _read(by_id: Mapping[int, Shard], places: Sequence[tuple[int, int]]) -> FloatArray:
    parts = [
        by_id[shard_id].scattered[[offset for _, offset in inside]]
        for shard_id, inside in groupby(places, key=lambda place: place[0])
    ]
    return np.concatenate(parts).astype(np.float32)


def split(
    table: FloatArray,
    ids: Sequence[str],
    right: Sequence[Collection[str]],
    own: Sequence[str | None],
    drawn: Collection[str],
) -> tuple[FloatArray, FloatArray]:
    """The scores `(n,)` and `(m,)` of right and of wrong pairs.

    Args:
        table: `(q, n)` from `cosines`.
        ids: of the n items.
        right: for each question the ids of its right answers.
        own: for each question the item that it is itself, which is neither.
        drawn: ids of the items that stand for all others: right answers to other questions are no fair sample.
    """
    places = {id: place for place, id in enumerate(ids)}
    is_right, is_other = np.zeros(table.shape, bool), ~np.isnan(table)
    is_drawn = np.array([id in drawn for id in ids], bool)
    for row, (answers, itself) in enumerate(zip(right, own, strict=True)):
        inside: NDArray[np.int64] = np.array([places[id] for id in answers if id in places], np.int64)
        is_right[row, inside] = is_other[row, inside]
        is_other[row, inside] = False
        if itself in places:
            is_other[row, places[itself]] = False
    return table[is_right], table[is_other & is_drawn]
