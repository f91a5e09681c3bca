"""Rows of several shards under the labels of a structure, scored with the stored vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.ann.library import faiss
from mmsearch.search.exact import Found
from mmsearch.threads import THREADS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.store.covers import Cover
    from mmsearch.store.snapshot import Shard
    from mmsearch.store.structures import Standing
    from mmsearch.types import FloatArray

ROUNDING = 1e-4  # by less, products of unit vectors differ with the order of their sums


@dataclass(frozen=True, slots=True)
class _Moves:
    """Places of rows that compactions have moved.

    Attributes:
        firsts: the first label of each cover, rising.
        shifts: for each, what a label grows by to be a place, the gone ones before it not counted.
        gone: all labels that stand for no row any more, rising.
    """

    firsts: NDArray[np.int64]
    shifts: NDArray[np.int64]
    gone: NDArray[np.int64]

    @classmethod
    def of(cls, covers: Sequence[Cover], begins: Mapping[int, int]) -> _Moves:
        """Moves to shards that begin at these places, by their ids."""
        gone = np.concatenate([cover.first + cover.gone for cover in covers])
        firsts = np.array([cover.first for cover in covers], np.int64)
        shifts = [begins[cover.shard_id] + cover.start - cover.first for cover in covers]
        return cls(firsts, np.array(shifts, np.int64) + gone.searchsorted(firsts), gone)

    def places(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of labels of any shape; -1 of -1."""
        shifts = self.shifts[self.firsts.searchsorted(labels, "right") - 1]
        return np.where(labels < 0, -1, labels + shifts - self.gone.searchsorted(labels))


@dataclass(frozen=True, slots=True)
class Gathered:
    """Shards one behind the other: a label is a place among all their rows, or is turned into one.

    Attributes:
        firsts: the place of each one's first row, rising.
        ids: of the shards, -1 for one that is gone.
        matrices: of the shards, each `(rows, d)`.
        moves: turn labels into places; None if they are places.
    """

    firsts: NDArray[np.int64]
    ids: NDArray[np.int64]
    matrices: tuple[NDArray[Any], ...]
    moves: _Moves | None = None

    @classmethod
    def of(cls, standing: Standing, shards: Mapping[int, Shard]) -> Gathered:
        """What a structure covers. Labels that it does not cover, or that are gone, must not be asked for."""
        there = [cover for cover in standing.covers if cover.shard_id in shards]
        ids = [cover.shard_id for cover in there]
        if any(cover.moved for cover in there) or any(id_ >= other for id_, other in zip(ids, ids[1:], strict=False)):
            return cls._moved(there, [shards[id_] for id_ in sorted(set(ids))])
        covers = [(cover, shards.get(cover.shard_id)) for cover in standing.covers]
        return cls(
            np.array([cover.first for cover, _ in covers], np.int64),
            np.array([-1 if shard is None else shard.id for _, shard in covers], np.int64),
            tuple(np.empty((0, 0)) if shard is None else shard.scattered for _, shard in covers),
        )

    @classmethod
    def _moved(cls, covers: Sequence[Cover], shards: Sequence[Shard]) -> Gathered:
        firsts = np.cumsum([0] + [shard.rows for shard in shards[:-1]])
        ids = np.array([shard.id for shard in shards], np.int64)
        moves = _Moves.of(covers, dict(zip(ids.tolist(), firsts.tolist(), strict=True)))
        return cls(firsts, ids, tuple(shard.scattered for shard in shards), moves)

    def best(self, labels: NDArray[np.int64], queries: FloatArray, k: int) -> list[Found]:
        """For each query `(q, d)`, the best k of the rows with its labels `(q, n)`; equal ones in order of place.

        A label of -1 stands for none.
        """
        if self.moves is not None:
            labels = self.moves.places(labels)
        if len(queries) == 1:
            return [self._one(labels[0], queries[0], k)]
        return self._some(np.sort(labels, axis=1), np.ascontiguousarray(queries, np.float32), k)

    def at(self, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Shard ids, -1 for one that is gone, and offsets there, of labels `(n,)`."""
        shards, offsets = self._places(labels if self.moves is None else self.moves.places(labels))
        return self.ids[shards], offsets

    def _one(self, labels: NDArray[np.int64], query: FloatArray, k: int) -> Found:
        if labels.min(initial=0) < 0:
            labels = labels[labels >= 0]
        if len(self.matrices) == 1 and self.ids[0] >= 0:
            offsets = labels - self.firsts[0]
            cosines = np.vecdot(self.matrices[0].take(offsets, axis=0), query)
            order = np.lexsort((offsets, -cosines))[:k]
            return Found(np.full(len(order), self.ids[0]), offsets[order], cosines[order])
        labels = np.sort(labels)
        shards, offsets = self._places(labels)
        present = np.flatnonzero(np.bincount(shards, minlength=len(self.ids)))
        edges = shards.searchsorted(present).tolist() + [len(shards)]
        cosines = np.full(len(labels), -np.inf, np.float32)
        for shard, start, end in zip(present.tolist(), edges, edges[1:], strict=False):
            if self.ids[shard] >= 0:
                np.vecdot(self.matrices[shard].take(offsets[start:end], axis=0), query, out=cosines[start:end])
        order = (-cosines).argsort(kind="stable")[:k]
        return _found(self.ids[shards[order]], offsets[order], cosines[order])

    def _some(self, labels: NDArray[np.int64], queries: FloatArray, k: int) -> list[Found]:
        """Of rising labels `(q, n)`. FAISS compares rows where they are; what may be among the best is gathered."""
        shards, offsets = self._places(labels)
        cosines = np.full(labels.shape, -np.inf, np.float32)
        present = [one for one in np.unique(shards).tolist() if one >= 0 and self.ids[one] >= 0]
        for shard in present:
            there = np.where(shards == shard, offsets, -1)
            np.maximum(cosines, _products(queries, self.matrices[shard], there), out=cosines)
        best = np.partition(cosines, -min(k, labels.shape[1]), axis=1)[:, -min(k, labels.shape[1]), None]
        kept = (cosines >= best - ROUNDING) & (cosines > -np.inf)
        cosines[~kept] = -np.inf
        for shard in present:
            asking, places = np.nonzero(kept & (shards == shard))
            rows = self.matrices[shard].take(offsets[asking, places], axis=0)
            cosines[asking, places] = np.vecdot(rows, queries[asking])
        order = (-cosines).argsort(axis=1, kind="stable")[:, :k]
        columns = (self.ids[shards], offsets, cosines)
        return [*map(_found, *(np.take_along_axis(column, order, 1) for column in columns))]

    def _places(self, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Number of the shard, -1 for a label of -1, and offset there, of labels `(n,)`."""
        shards = self.firsts.searchsorted(labels, "right") - 1
        return shards, labels - self.firsts[shards]


def _products(queries: FloatArray, rows: NDArray[Any], numbers: NDArray[np.int64]) -> FloatArray:
    """Inner products `(q, n)` of each query `(q, d)` with the rows of its numbers `(q, n)`; -inf for a number of -1.

    They differ from NumPy's by rounding.
    """
    library, found = faiss(), np.empty(numbers.shape, np.float32)
    library.omp_set_num_threads(THREADS)
    pointers = map(library.swig_ptr, (found, queries, np.asarray(rows), np.ascontiguousarray(numbers)))
    library.fvec_inner_products_by_idx(*pointers, queries.shape[1], *numbers.shape)
    return found


def _found(shards: NDArray[np.int64], offsets: NDArray[np.int64], cosines: FloatArray) -> Found:
    """Rows, best first, without those of -inf at the end, which are none."""
    there = len(cosines)
    if there and cosines[-1] == -np.inf:
        there = int((cosines > -np.inf).sum())
    return Found(shards[:there], offsets[:there], cosines[:there])
