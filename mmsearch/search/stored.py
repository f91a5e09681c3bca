"""Questions that are items of the index already: their stored rows ask, and nothing is encoded again."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search.embedded import Embedded, EmbeddedPart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from mmsearch.store.shard import Group
    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.types import FloatArray, Modality


def stored(
    snapshot: Snapshot, items_of: Callable[[Shard], NDArray[np.int64]], items: NDArray[np.int64], modality: Modality
) -> list[Embedded]:
    """The rows of items, as if they were asked with their medium of one modality; of several, the mean.

    Args:
        snapshot: of the index.
        items_of: the number of the item that each row of a shard belongs to `(rows,)`, -1 for the dead.
        items: numbers `(q,)`, each of an item that has a segment of that modality.
        modality: of the medium.
    """
    groups: dict[Group, list[Shard]] = defaultdict(list)
    for shard in snapshot.shards:
        if shard.group.modality == modality:
            groups[shard.group].append(shard)
    distinct, places = np.unique(items, return_inverse=True)
    rows = {group: _rows(group, shards, items_of, distinct) for group, shards in groups.items()}
    parts = [
        EmbeddedPart(
            modality,
            {group: means[place] for group, (means, _) in rows.items()},
            segments={group: each[place] for group, (_, each) in rows.items() if each and len(each[place]) > 1},
        )
        for place in range(len(distinct))
    ]
    return [Embedded((modality,), (parts[place],)) for place in places.tolist()]


def _rows(
    group: Group,
    shards: Sequence[Shard],
    items_of: Callable[[Shard], NDArray[np.int64]],
    items: NDArray[np.int64],
) -> tuple[FloatArray, list[FloatArray]]:
    """Mean rows `(q, d)` of distinct items, vectors of unit norm, zeros for one that has none; and all their vectors.

    These are `(s, d)` for each item, and none at all where every item has one, or the rows are features.
    """
    place_of = np.full(int(items.max(initial=0)) + 2, -1, np.int64)  # by item; the last one is that of -1
    place_of[items] = np.arange(len(items))
    sums, owners, parts = np.zeros((len(items), group.dim), np.float32), [], []
    for shard in shards:
        places = place_of[np.minimum(items_of(shard), len(place_of) - 1)]
        rows = np.flatnonzero(places >= 0)
        owners.append(places[rows])
        parts.append(shard.matrix[rows].astype(np.float32))
        np.add.at(sums, owners[-1], parts[-1])
    owner = np.concatenate(owners)
    counts = np.bincount(owner, minlength=len(items))
    sums /= np.maximum(counts, 1)[:, None]
    if group.kind != "vectors":
        return sums, []
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    if counts.max(initial=0) < 2:
        return sums, []
    return sums, np.split(np.concatenate(parts)[np.argsort(owner, kind="stable")], np.cumsum(counts)[:-1])
