"""A structure that is loaded: it proposes rows for questions, all of them or only those that a filter leaves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.ann.library import faiss
from mmsearch.ann.recipe import GRAPH_LISTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.ann.recipe import Recipe
    from mmsearch.types import FloatArray

THREADS = os.cpu_count() or 1
NEAR = 0.1  # a share of the lists, up to which the graph finds them in less time than comparing with all


@dataclass(frozen=True)
class Allowed:
    """Rows that may be found.

    Attributes:
        packed: a bit for each label, as FAISS wants them.
        counts: for inverted lists, how many of them are in each `(lists,)`; None for others.
    """

    packed: NDArray[np.uint8]
    counts: NDArray[np.int64] | None


class Structure:
    """A structure over `rows` vectors with labels from 0. Several threads may ask."""

    def __init__(self, index: Any, recipe: Recipe) -> None:  # noqa: ANN401  (faiss.Index)
        self.recipe, self.rows = recipe, int(index.ntotal)
        self.failed = ""  # a GPU can fail
        self.index = index
        self._faiss = faiss()
        self._ivf = self._faiss.extract_index_ivf(index) if recipe.lists else None
        self._parameters: dict[int, Any] = {}  # by effort: making them takes longer than a short search

    @property
    def widest(self) -> int:
        """The largest effort that makes a difference."""
        return self.rows if self._ivf is None else int(self._ivf.nlist)

    def propose(
        self, queries: FloatArray, fetch: int, effort: int, allowed: Allowed | None = None
    ) -> NDArray[np.int64]:
        """Labels `(q, fetch)` that are probably the nearest, in the order of their codes; -1 where there are no more.

        Args:
            queries: `(q, d)` float32.
            fetch: how many to propose.
            effort: lists to probe, or the length of HNSW's queue. With `allowed`, as many lists are probed as hold the
                rows that `effort` lists hold on average, beginning with the nearest that hold any.
            allowed: from `allow`.
        """
        self._faiss.omp_set_num_threads(1 if len(queries) == 1 else THREADS)
        fetch = min(fetch, self.rows)
        if self._ivf is None:
            more = {} if allowed is None else {"sel": self._faiss.IDSelectorBitmap(allowed.packed)}
            parameters = self._faiss.SearchParametersHNSW(efSearch=max(effort, fetch), **more)
            return self._search(queries, fetch, parameters)
        if allowed is not None:
            return self._among(queries, fetch, effort, allowed)
        effort = min(effort, self.widest)
        return self._search(queries, fetch, self._probing(effort))

    def _search(self, queries: FloatArray, fetch: int, parameters: Any) -> NDArray[np.int64]:  # noqa: ANN401
        return self.index.search(queries, fetch, params=parameters)[1]  # type: ignore[no-any-return]

    def _probing(self, effort: int) -> Any:  # noqa: ANN401  (faiss.SearchParametersIVF)
        if effort not in self._parameters:
            more = {}
            if self.recipe.lists >= GRAPH_LISTS:
                more["quantizer_params"] = self._faiss.SearchParametersHNSW(efSearch=max(48, effort + effort // 4))
            self._parameters[effort] = self._faiss.SearchParametersIVF(nprobe=effort, **more)
        return self._parameters[effort]

    def _among(self, queries: FloatArray, fetch: int, effort: int, allowed: Allowed) -> NDArray[np.int64]:
        """Probe the nearest lists that hold allowed rows, until enough of these were looked at."""
        assert allowed.counts is not None
        ivf, swig = self._ivf, self._faiss.swig_ptr
        assert ivf is not None
        enough = max(4 * fetch, effort * self.rows // self.widest)
        labels = np.full((len(queries), fetch), -1, np.int64)
        if not allowed.counts.any():
            return labels
        nearness, order = self._ranked(queries, effort, enough, allowed)
        seen = np.cumsum(allowed.counts[order], axis=1)
        needed = 1 + (seen < enough).sum(axis=1)
        probes = int(min(needed.max(), order.shape[1]))
        order, nearness = order[:, :probes], nearness[:, :probes]
        wanted = (np.arange(probes) < needed[:, None]) & (allowed.counts[order] > 0)
        lists = np.where(wanted, order, -1).astype(np.int64)
        distances = np.ascontiguousarray(nearness, np.float32)
        queries, scores = np.ascontiguousarray(queries, np.float32), np.empty(labels.shape, np.float32)
        parameters = self._faiss.SearchParametersIVF(nprobe=probes, sel=self._faiss.IDSelectorBitmap(allowed.packed))
        ivf.search_preassigned_c(
            len(queries), swig(queries), fetch, swig(lists), swig(distances), swig(scores), swig(labels), False,
            parameters,
        )  # fmt: skip
        return labels

    def _ranked(
        self, queries: FloatArray, effort: int, enough: int, allowed: Allowed
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """Inner products with centroids, falling, and their lists `(q, n)`: so many that they hold enough, or all."""
        assert allowed.counts is not None and self._ivf is not None
        most = int(1.5 * effort * self.rows / allowed.counts.sum())
        if self.recipe.lists >= GRAPH_LISTS and most <= NEAR * self.widest:
            parameters = self._faiss.SearchParametersHNSW(efSearch=max(48, most + most // 4))
            nearness, order = self._ivf.quantizer.search(queries, most, params=parameters)
            if order.min() >= 0 and (allowed.counts[order].sum(axis=1) >= enough).all():
                return nearness, order
        holding = np.flatnonzero(allowed.counts)
        nearness = queries @ self._centroids[holding].T
        order = np.argsort(-nearness, axis=1, kind="stable")
        return np.take_along_axis(nearness, order, axis=1), holding[order]

    def allow(self, mask: NDArray[np.bool_]) -> Allowed:
        """What `propose` needs to find only the rows of a mask `(rows,)` by label."""
        counts = None if self._ivf is None else np.bincount(self._list_of[mask], minlength=self.widest)
        return Allowed(np.packbits(mask, bitorder="little"), counts)

    @cached_property
    def _list_of(self) -> NDArray[np.int32]:
        """The list that each label is in `(rows,)`."""
        found = np.zeros(self.rows, np.int32)
        lists = self._ivf.invlists  # type: ignore[union-attr]
        for number in range(self.widest):
            size = lists.list_size(number)
            if size:
                ids = lists.get_ids(number)
                found[self._faiss.rev_swig_ptr(ids, size)] = number
                lists.release_ids(number, ids)
        return found

    @cached_property
    def _centroids(self) -> FloatArray:
        """Of the lists `(lists, d)`."""
        return np.asarray(self._ivf.quantizer.reconstruct_n(0, self.widest), np.float32)  # type: ignore[union-attr]
