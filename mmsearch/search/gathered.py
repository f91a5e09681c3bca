"""Rows of several shards under the labels of a structure, scored with the stored vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.search.exact import Found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mmsearch.store.snapshot import Shard
    from mmsearch.store.structures import Standing
    from mmsearch.types import FloatArray


@dataclass(frozen=True, slots=True)
class Gathered:
    """Shards one behind the other: a label is a place among all their rows.

    Attributes:
        firsts: the label of each one's first row, rising.
        ids: of the shards, -1 for one that is gone.
        matrices: of the shards, each `(rows, d)`.
    """

    firsts: NDArray[np.int64]
    ids: NDArray[np.int64]
    matrices: tuple[NDArray[Any], ...]

    @classmethod
    def of(cls, standing: Standing, shards: Mapping[int, Shard]) -> Gathered:
        """What a structure covers."""
        covers = [(cover, shards.get(cover.shard_id)) for cover in standing.covers]
        return cls(
            np.array([cover.first for cover, _ in covers], np.int64),
            np.array([-1 if shard is None else shard.id for _, shard in covers], np.int64),
            tuple(np.empty((0, 0)) if shard is None else np.asarray(shard.matrix) for _, shard in covers),
        )

    def best(self, labels: NDArray[np.int64], query: FloatArray, k: int) -> Found:
        """The best k of the rows with these labels; -1 at the end stands for none. Equal ones in order of label."""
        if len(labels) and labels[-1] < 0:
            labels = labels[labels >= 0]
        if len(self.matrices) == 1 and self.ids[0] >= 0:
            offsets = labels - self.firsts[0]
            cosines = np.vecdot(self.matrices[0].take(offsets, axis=0), query)
            order = np.lexsort((offsets, -cosines))[:k]
            return Found(np.full(len(order), self.ids[0]), offsets[order], cosines[order])
        labels = np.sort(labels)
        places = self.firsts.searchsorted(labels, "right") - 1
        offsets = labels - self.firsts[places]
        present = np.flatnonzero(np.bincount(places, minlength=len(self.ids)))
        edges = places.searchsorted(present).tolist() + [len(places)]
        cosines = np.full(len(labels), -np.inf, np.float32)
        for number, start, end in zip(present.tolist(), edges, edges[1:], strict=False):
            if self.ids[number] >= 0:
                rows = self.matrices[number].take(offsets[start:end], axis=0)
                np.vecdot(rows, query, out=cosines[start:end])
        order = (-cosines).argsort(kind="stable")[:k]
        order = order[cosines[order] > -np.inf]
        return Found(self.ids[places[order]], offsets[order], cosines[order])
