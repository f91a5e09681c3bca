"""All rows by codes of 8 bits a number: a quarter of the bytes to read, and it is known how far off a code can be.

A scan is bound by what it reads, so that it takes a share of the time of comparing with the vectors themselves. Which
rows must be compared with these to be sure of the answer follows from a bound of the error, as in the VA-file (Weber,
Schek & Blott, VLDB 1998): see `mmsearch.search.proven`.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.ann.library import faiss
from mmsearch.ann.structure import THREADS, Allowed, Structure
from mmsearch.threads import pool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from mmsearch.types import FloatArray

PART_ROWS = 50_000  # a smaller part is not worth another thread
LEVELS = 255  # of a code, between the least and the greatest number of its place


class Scan(Structure):
    """Codes of `rows` vectors with labels from 0, of which a question is compared with every one."""

    @property
    def widest(self) -> int:
        """There is one way to ask."""
        return 1

    def propose(
        self, queries: FloatArray, fetch: int, effort: int, allowed: Allowed | None = None
    ) -> NDArray[np.int64]:
        """Labels `(q, fetch)` in the order of their codes; see `Structure.propose`. Any effort is the same."""
        return self.scored(queries, fetch, allowed)[1]

    def scored(
        self, queries: FloatArray, fetch: int, allowed: Allowed | None = None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """Inner products with codes, falling, and labels, both `(q, fetch)`; -inf and -1 where there are no more."""
        fetch, wanted = min(fetch, self.rows), np.ascontiguousarray(queries, np.float32)
        parts = min(THREADS, self.rows // PART_ROWS) if len(wanted) == 1 else 1
        if parts < 2:
            return self._scored(wanted, fetch, allowed, None)
        edges = [self.rows * part // parts for part in range(parts + 1)]
        scored = pool().map(lambda ends: self._scored(wanted, fetch, allowed, ends), pairwise(edges))
        scores, labels = (np.concatenate(some, axis=1) for some in zip(*scored, strict=True))
        order = np.argsort(-scores, axis=1, kind="stable")[:, :fetch]
        return np.take_along_axis(scores, order, 1), np.take_along_axis(labels, order, 1)

    def _scored(
        self, queries: FloatArray, fetch: int, allowed: Allowed | None, ends: tuple[int, int] | None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        library = self._faiss
        library.omp_set_num_threads(1 if len(queries) == 1 else THREADS)  # of this thread's calls
        left = [] if allowed is None else [library.IDSelectorBitmap(allowed.packed)]
        left += [] if ends is None else [library.IDSelectorRange(*ends)]
        only = left[0] if len(left) == 1 else library.IDSelectorAnd(*left) if left else None
        parameters = None if only is None else library.SearchParameters(sel=only)
        scores, labels = self.index.search(queries, fetch, params=parameters)
        return np.where(labels < 0, np.float32(-np.inf), scores), labels

    def errors(self, queries: FloatArray) -> FloatArray:
        """By how much the inner product of each query `(q, d)` with a code can be off, at most `(q,)`.

        A number of a vector is off by half a step of its place, and rounding in float32 adds less than its unit for
        each of the d products.
        """
        rounding = queries.shape[1] * np.finfo(np.float32).eps * np.linalg.norm(queries, axis=1)
        return np.asarray(np.abs(queries) @ self._half_steps + 2 * rounding, np.float32)

    def allow(self, mask: NDArray[np.bool_]) -> Allowed:
        """What may be found, of a mask `(rows,)` by label."""
        return Allowed(np.packbits(mask, bitorder="little"), None)

    @cached_property
    def _half_steps(self) -> FloatArray:
        """`(d,)` float32."""
        _, width = np.split(self._faiss.vector_to_array(self.index.sq.trained), 2)
        return np.asarray(width / (2 * LEVELS), np.float32)


def empty(dim: int, parts: Iterable[FloatArray]) -> Any:  # noqa: ANN401  (faiss.Index)
    """Codes of nothing yet, whose steps hold all vectors of some parts `(n, dim)`: only so the error is bounded."""
    least, most = np.full(dim, np.inf, np.float32), np.full(dim, -np.inf, np.float32)
    for rows in parts:
        least, most = np.minimum(least, rows.min(axis=0)), np.maximum(most, rows.max(axis=0))
    library = faiss()
    index = library.IndexScalarQuantizer(dim, library.ScalarQuantizer.QT_8bit, library.METRIC_INNER_PRODUCT)
    library.copy_array_to_vector(np.concatenate([least, most - least]), index.sq.trained)
    index.is_trained = True
    return index
