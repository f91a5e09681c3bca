"""Exact search: every live row of the shards is compared with the question.

What an approximate structure proposes gets the same scores, see `nearest`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mmsearch.search.best import Best, best
from mmsearch.threads import THREADS, pool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.store.snapshot import Shard
    from mmsearch.types import FloatArray

SCORES = 2**21  # held at once (8 MB): they stay in the cache until the best of them are selected
LEAST = 2**10  # rows that questions are compared with at once, at least
TIMES = 4  # as many rows at once as are wanted, at least: lists are brought together once for each piece
PART_BYTES = 2**21  # a smaller part is not worth another thread
FEW = 0.2  # a filter that leaves fewer rows than this share has them gathered instead of all scored
GATHERED = 512  # rows gathered at once: they are still in the cache when they are compared


class Found(NamedTuple):
    """The best rows, best first: `shards` and `offsets` `(n,)` int64, `cosines` `(n,)` float32."""

    shards: NDArray[np.int64]
    offsets: NDArray[np.int64]
    cosines: FloatArray


def top(
    shards: Sequence[Shard], queries: FloatArray, k: int, allowed: Mapping[int, NDArray[np.int64]] | None = None
) -> list[Found]:
    """For each query `(q, d)`, the up to k live rows with the largest inner products.

    Args:
        shards: of one group.
        queries: float32.
        k: at least 1.
        allowed: sorted offsets by shard id, the only rows that may be found; None for all.
    """
    if not len(queries):
        return []
    results: list[list[Found]] = [[] for _ in queries]
    for shard in shards:
        rows = None if allowed is None else allowed.get(shard.id, np.empty(0, np.int64))
        if rows is not None and len(rows) == 0:
            continue
        for result, found in zip(results, _shard(shard, queries, k, rows), strict=True):
            result.append(found)
    return [merge(parts, k) for parts in results]


def _shard(shard: Shard, queries: FloatArray, k: int, rows: NDArray[np.int64] | None) -> list[Found]:
    if rows is not None and len(rows) <= max(k, FEW * shard.rows):
        scores = _product(shard.matrix, queries, rows)
        return [_found(shard, rows[places], row[places]) for row, places in zip(scores, best(scores, k), strict=True)]
    closed = shard.dead
    if rows is not None:
        others = np.ones(shard.rows, bool)
        others[rows] = False
        closed = np.flatnonzero(others)
    if len(queries) == 1:
        scores = _scan(shard.matrix, queries[0], None)
        scores[closed] = -np.inf
        places = best(scores[None], k)[0]
        lists = [(places, scores[places])]
    else:
        lists = [*zip(*block([shard.matrix], queries, k, closed), strict=True)]
    return [_found(shard, places[cosines > -np.inf], cosines[cosines > -np.inf]) for places, cosines in lists]


def block(
    matrices: Sequence[NDArray[Any]], queries: FloatArray, k: int, dead: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], FloatArray]:
    """The same as `top`, for many questions and without an object for each: places and cosines, `(q, min(k, n))`.

    A place is that of a row among the rows of all matrices, one behind the other, n in all. Where fewer rows than k can
    be found, places are -1 and cosines -inf at the end.

    Args:
        matrices: each `(rows, d)`, with at least one row in all.
        queries: `(q, d)` float32, at least one.
        k: at least 1.
        dead: places of rows that cannot be found, rising.
    """
    k = min(k, sum(len(matrix) for matrix in matrices))
    least = max(LEAST, TIMES * k)
    together = max(1, SCORES // least)
    parts = [queries[start : start + together] for start in range(0, len(queries), together)]
    gone = np.empty(0, np.int64) if dead is None else dead
    found = [_block(matrices, part, k, gone, least) for part in parts]
    return np.concatenate([places for places, _ in found]), np.concatenate([cosines for _, cosines in found])


def _block(
    matrices: Sequence[NDArray[Any]], queries: FloatArray, k: int, dead: NDArray[np.int64], least: int
) -> tuple[NDArray[np.int64], FloatArray]:
    """The same, a piece at a time, as many rows as were before: few of these are better than the best of those."""
    found, first, most = Best(len(queries), k), 0, max(least, SCORES // len(queries))
    memory = np.empty(len(queries) * most, np.float32)
    for matrix in matrices:
        left = matrix
        while len(left):
            rows = left[: min(most, max(least, first))]
            scores = memory[: len(queries) * len(rows)].reshape(len(queries), len(rows))
            np.matmul(queries, rows.T, out=scores)
            here = dead[slice(*dead.searchsorted([first, first + len(rows)]))]
            scores[:, here - first] = -np.inf
            found.add(scores, first)
            first, left = first + len(rows), left[len(rows) :]
    return found.found()


def _product(matrix: NDArray[Any], queries: FloatArray, rows: NDArray[np.int64]) -> FloatArray:
    """Inner products `(q, n)` with some rows."""
    return _scan(matrix, queries[0], rows)[None] if len(queries) == 1 else queries @ matrix[rows].T


def _scan(matrix: NDArray[Any], query: FloatArray, rows: NDArray[np.int64] | None) -> FloatArray:
    """Inner products `(n,)` with one query: bound by memory, so each core reads a part.

    `vecdot` goes row by row at twice the speed of OpenBLAS's matrix-vector product, and gives the same bits however the
    rows are divided.
    """
    count = len(matrix) if rows is None else len(rows)
    scores = np.empty(count, np.float32)
    parts = max(1, min(THREADS, count * matrix.itemsize * matrix.shape[1] // PART_BYTES))
    edges = [count * part // parts for part in range(parts + 1)]

    def scan(part: int) -> None:
        start, end = edges[part], edges[part + 1]
        if rows is None:
            np.vecdot(matrix[start:end], query, out=scores[start:end])
            return
        for first in range(start, end, GATHERED):
            some = slice(first, min(first + GATHERED, end))
            np.vecdot(matrix.take(rows[some], axis=0), query, out=scores[some])

    others = [pool().submit(scan, part) for part in range(1, parts)]
    scan(0)
    for other in others:
        other.result()
    return scores


def _found(shard: Shard, offsets: NDArray[np.int64], cosines: FloatArray) -> Found:
    return Found(np.full(len(offsets), shard.id, np.int64), offsets, cosines)


def merge(parts: Sequence[Found], k: int, *, ordered: bool = True) -> Found:
    """The best k of several lists; equal ones in order of shard and offset. One that is `ordered` stays as it is."""
    if len(parts) == 1 and ordered and len(parts[0].offsets) <= k:
        return parts[0]
    if not parts:
        empty = np.empty(0, np.int64)
        return Found(empty, empty, np.empty(0, np.float32))
    shards, offsets, cosines = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("shards", "offsets", "cosines")
    )
    order = np.lexsort((offsets, shards, -cosines))[:k]
    return Found(shards[order], offsets[order], cosines[order])
