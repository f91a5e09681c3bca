"""Items that words were found in, by modality, with their places in the shards: what can be fused with vectors."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.search.lanes import Lane
    from mmsearch.search.lexical.bm25 import Match
    from mmsearch.store.reading import Reading
    from mmsearch.types import FloatArray

    Allowed = Mapping[int, NDArray[np.int64]]

FIRST = 256  # segments of an item at most that are compared with the question where none of them has the words

# CROSS JOIN: from left to right. SQLite may well begin with all rows of the shards otherwise, for each of all items.
_NEAR = (
    'SELECT s.item_id, s.id, r.shard_id, r."offset" FROM json_each(?1) j CROSS JOIN segments s ON s.id IN '
    f"(SELECT id FROM segments WHERE item_id = j.value LIMIT {FIRST}) CROSS JOIN rows r ON r.segment_id = s.id "
    "WHERE r.shard_id IN (SELECT value FROM json_each(?2))"
)
_THESE = (
    'SELECT s.item_id, s.id, r.shard_id, r."offset" FROM json_each(?1) j CROSS JOIN segments s ON s.id = j.value '
    "CROSS JOIN rows r ON r.segment_id = s.id WHERE r.shard_id IN (SELECT value FROM json_each(?2))"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """Items of one modality, those first whose words match best.

    Attributes:
        matches: n of them.
        segments: of the modality, `(n,)` int64: the one whose text matches, or else the nearest to the question.
        cosines: of question and segment `(n,)` float32.
    """

    matches: tuple[Match, ...]
    segments: NDArray[np.int64]
    cosines: FloatArray


class Reach:
    """Which items have rows that may be found, of some modalities.

    Args:
        store: sees the lanes' version.
        lanes: of the modalities.
        allowed: for each lane, sorted offsets by shard id, the only rows that may be found; None for all.
    """

    def __init__(self, store: Reading, lanes: Sequence[Lane], allowed: Sequence[Allowed | None]) -> None:
        self._store, self._lanes, self._allowed = store, lanes, allowed

    def __call__(self, items: Sequence[int]) -> set[int]:
        """Those of these items that have one."""
        return {
            item
            for lane, allowed in zip(self._lanes, self._allowed, strict=True)
            for item, _, _, _ in _rows(self._store, _NEAR, items, lane, allowed)
        }


def listed(store: Reading, lane: Lane, allowed: Allowed | None, matches: Sequence[Match], vector: FloatArray) -> Listed:
    """The matches that have a segment of a lane's modality which may be found.

    Args:
        store: sees the lane's version.
        lane: of the modality.
        allowed: sorted offsets by shard id, the only rows that may be found; None for all.
        matches: best first.
        vector: the question `(d,)` in the lane's space.
    """
    matching = [match.segment for match in matches if match.segment is not None]
    exact = {item: row for item, *row in _rows(store, _THESE, matching, lane, allowed)}
    others = [match.item for match in matches if match.item not in exact]
    near: dict[int, list[list[int]]] = defaultdict(list)
    for item, *row in _rows(store, _NEAR, others, lane, allowed):
        near[item].append(row)
    found, segments, cosines = [], [], []
    by_id = {shard.id: shard for shard in lane.shards}
    for match in matches:
        rows = [exact[match.item]] if match.item in exact else near.get(match.item, [])
        if not rows:
            continue
        of_rows = [float(by_id[shard].matrix[offset] @ vector) for _, shard, offset in rows]
        best = int(np.argmax(of_rows))
        found.append(match)
        segments.append(rows[best][0])
        cosines.append(of_rows[best])
    return Listed(tuple(found), np.array(segments, np.int64), np.array(cosines, np.float32))


def _rows(
    store: Reading, select: str, ids: Iterable[int], lane: Lane, allowed: Allowed | None
) -> list[tuple[int, int, int, int]]:
    """(item, segment, shard, offset) of rows of a lane that may be found."""
    ends = {shard.id: shard.rows for shard in lane.shards if shard.live}
    numbers = list(ids)
    if not ends or not numbers:
        return []
    found = [row for row in store.query(select, (json.dumps(numbers), json.dumps(list(ends)))) if row[3] < ends[row[2]]]
    if allowed is None:
        return found
    return [row for row in found if _contains(allowed.get(row[2]), row[3])]


def _contains(offsets: NDArray[np.int64] | None, offset: int) -> bool:
    if offsets is None:
        return False
    place = int(offsets.searchsorted(offset))
    return place < len(offsets) and int(offsets[place]) == offset
