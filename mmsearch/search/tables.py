"""Which segment and item each row of a shard belongs to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.store.view import View

TABLE_SHARE = 0.02  # from this share of a shard's rows on, reading all its ids at once is faster than asking for some
TABLE_AFTER = 8  # questions to a shard; a process that asks more often is a service, and reads its ids once
NO_IDS = np.empty((0, 2), np.int64)


class Tables:
    """Remembers ids by shard.

    A few are asked for; when many are wanted, or some again and again, all ids of the shard are read and kept (16 bytes
    a row). Rows are only ever added, so what was read stays true of the rows that are live. One that had died when they
    were read, and lives in a view that is older, is asked for.
    """

    def __init__(self) -> None:
        self._tables: dict[int, NDArray[np.int64]] = {}
        self._asked: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._tables)

    def ids(self, view: View, shard: Shard, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Segment and item ids `(n, 2)` of rows; -1 for rows that the catalog does not know."""
        table = self._tables.get(shard.id, NO_IDS)
        if len(table) == 0 and len(offsets) < TABLE_SHARE * shard.rows:
            self._asked[shard.id] += 1
            if self._asked[shard.id] <= TABLE_AFTER:
                return _located(view, shard, offsets)
        if len(table) < shard.rows:
            table = np.concatenate([table, view.ids(shard.id, len(table), shard.rows)])
            self._tables[shard.id] = table
        found: NDArray[np.int64] = table.take(offsets, axis=0)
        if found.min(initial=0) < 0:
            unknown = np.flatnonzero(found[:, 0] < 0)
            found[unknown] = _located(view, shard, offsets[unknown])
        return found

    def items(self, view: View, shard: Shard) -> NDArray[np.int64]:
        """The item of each row `(rows,)`; -1 for the dead."""
        return self.ids(view, shard, np.arange(shard.rows))[:, 1]

    def forget(self, snapshot: Snapshot) -> None:
        """Drop those of shards that are gone; an older view that still asks reads them again."""
        for shard_id in [id_ for id_ in list(self._tables) if id_ not in snapshot.by_id]:
            self._tables.pop(shard_id, None)
            self._asked.pop(shard_id, None)


def _located(view: View, shard: Shard, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    found = view.locate(shard.id, offsets.tolist())
    return np.array([found.get(offset, (-1, -1)) for offset in offsets.tolist()], np.int64).reshape(-1, 2)
