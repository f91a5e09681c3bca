"""Where the answers of one modality are, at one version of an index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmsearch.search.tables import Tables
    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray, Modality, Space

PRIOR = 100  # rows of mean zero that a modality's mean is mixed with, so that a tiny index is not centred on itself


@dataclass(frozen=True, slots=True)
class Lane:
    """The rows of one modality in one space.

    Attributes:
        space: its name.
        modality: of the answers.
        shards: that hold them.
        live: how many rows can be found.
        mean: of these rows `(dim,)`, see `mean_of`.
    """

    space: str
    modality: Modality
    shards: tuple[Shard, ...]
    live: int
    mean: FloatArray


class Lanes:
    """Makes each lane once for each version."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._lanes: WeakKeyDictionary[Snapshot, dict[tuple[str, Modality], Lane]] = WeakKeyDictionary()
        self._items: WeakKeyDictionary[Snapshot, dict[tuple[str, Modality], NDArray[np.int64] | None]]
        self._items = WeakKeyDictionary()

    def of(self, snapshot: Snapshot, space: Space, modality: Modality) -> Lane:
        """The lane of a modality in a space."""
        lanes = self._lanes.setdefault(snapshot, {})
        found = lanes.get((space.name, modality))
        if found is None:
            shards = snapshot.of("vectors", space.name, space.version, modality)
            live = sum(shard.live for shard in shards)
            found = lanes[space.name, modality] = Lane(space.name, modality, shards, live, mean_of(shards, space.dim))
        return found

    def centre(self, snapshot: Snapshot, space: Space, modality: Modality) -> FloatArray | None:
        """The mean `(dim,)` of a modality's vectors; None where they are too few to know it."""
        lane = self.of(snapshot, space, modality)
        return mean_of(lane.shards, space.dim, prior=0) if lane.live >= PRIOR else None

    def items(self, view: View, lane: Lane) -> NDArray[np.int64] | None:
        """The item of each row of a lane `(rows,)`, -1 for a dead row; None if an item has several rows."""
        known, key = self._items.setdefault(view.snapshot(), {}), (lane.space, lane.modality)
        if key not in known:
            parts = [self._tables.items(view, shard) for shard in lane.shards]
            for part, shard in zip(parts, lane.shards, strict=True):
                part[shard.dead] = -1  # one may have been alive when its table was read
            numbers = np.concatenate(parts) if parts else np.empty(0, np.int64)
            known[key] = numbers if len(np.unique(numbers[numbers >= 0])) == lane.live else None
        return known[key]


def mean_of(shards: Sequence[Shard], dim: int, prior: int = PRIOR) -> FloatArray:
    """Mean vector `(dim,)` of the live rows, shrunk to zero where they are few.

    A question's inner product with it is the mean score of a modality: subtracted, it makes scores of different
    modalities comparable (the modality gap, Liang et al., NeurIPS 2022) and changes no order within one.
    """
    total = np.zeros(dim)
    for shard in shards:
        total += shard.total
    return (total / (prior + sum(shard.live for shard in shards))).astype(np.float32)
