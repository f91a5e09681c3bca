"""Centroids of many inverted lists: k-means in two levels, as its cost grows with rows times centroids.

Rows are divided among about as many groups as the root of the number of lists; each group gets lists by its size, from
a k-means of its own. Then all rows go to their nearest centroid, whatever group it came from, and move it: that takes
away the borders of the groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.ann.library import faiss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.types import FloatArray

ITERATIONS = 8
GROUP_SAMPLED = 256  # rows for each group's centre
MOVES = 2  # of all centroids, at the end
LINKS, QUEUE = 32, 24  # of the graph that finds the nearest centroid of a row
TOGETHER = 65_536  # rows assigned at once


def centroids(rows: FloatArray, lists: int, seed: int = 0) -> FloatArray:
    """Unit vectors `(lists, d)` for inverted lists that are chosen by inner product.

    Args:
        rows: `(n, d)` float32, at least as many as `lists`, in any order.
        lists: how many.
        seed: of the k-means.
    """
    random = np.random.default_rng(seed)
    groups = max(1, round(lists**0.5))
    some = np.sort(random.permutation(len(rows))[: groups * GROUP_SAMPLED])
    centres = _kmeans(rows[some], groups, seed)
    order, edges = _grouped(_nearest(rows, centres), groups)
    made = []
    for group, count in enumerate(_shared(np.diff(edges), lists).tolist()):
        members = np.ascontiguousarray(rows[order[edges[group] : edges[group + 1]]])
        if count:
            made.append(members if count == len(members) else _kmeans(members, count, seed))
    found = np.ascontiguousarray(np.concatenate(made))
    for _ in range(MOVES):
        found = _moved(rows, found)
    return found


def _kmeans(rows: FloatArray, count: int, seed: int) -> FloatArray:
    """Centroids `(count, d)` of unit norm."""
    library, dim = faiss(), rows.shape[1]
    given = library.ClusteringParameters()
    given.niter, given.seed, given.spherical = ITERATIONS, seed, True
    given.min_points_per_centroid, given.max_points_per_centroid = 1, len(rows)  # it would warn on standard error
    clustering = library.Clustering(dim, count, given)
    clustering.train(np.ascontiguousarray(rows), library.IndexFlatIP(dim))
    return np.array(library.vector_to_array(clustering.centroids), np.float32).reshape(count, dim)


def _nearest(rows: FloatArray, centres: FloatArray) -> NDArray[np.int64]:
    """For each row the centre with the largest inner product, `(n,)`."""
    library = faiss()
    if len(centres) < LINKS**2:
        index = library.IndexFlatIP(rows.shape[1])
    else:
        index = library.IndexHNSWFlat(rows.shape[1], LINKS, library.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction, index.hnsw.efSearch = 2 * LINKS, QUEUE
    index.add(centres)
    own = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), TOGETHER):
        own[start : start + TOGETHER] = index.search(rows[start : start + TOGETHER], 1)[1][:, 0]
    return own


def _grouped(own: NDArray[np.int64], groups: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows in the order of their groups, and where each group begins and the last ends."""
    sizes = np.bincount(own, minlength=groups)
    edges = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return np.argsort(own, kind="stable"), edges


def _shared(sizes: NDArray[np.int64], lists: int) -> NDArray[np.int64]:
    """How many lists each group gets: in proportion to its rows, never more than it has."""
    exact = sizes * (lists / sizes.sum())
    shares: NDArray[np.int64] = np.minimum(np.floor(exact).astype(np.int64), sizes)
    while missing := lists - int(shares.sum()):
        wanting = np.where(shares < sizes, exact - shares, -np.inf)
        shares[np.argsort(-wanting, kind="stable")[: min(missing, int((shares < sizes).sum()))]] += 1
    return shares


def _moved(rows: FloatArray, centres: FloatArray) -> FloatArray:
    """Each centre in the middle of the rows that are nearest to it; one that has none takes a row of a large list."""
    order, edges = _grouped(_nearest(rows, centres), len(centres))
    moved = np.empty_like(centres)
    for centre in range(len(centres)):
        members = order[edges[centre] : edges[centre + 1]]
        moved[centre] = rows[members].sum(axis=0) if len(members) else 0.0
    sizes = np.diff(edges)
    empty, largest = np.flatnonzero(sizes == 0), np.argsort(-sizes, kind="stable")[: int((sizes > 1).sum())]
    for centre, full in zip(empty.tolist(), largest.tolist(), strict=False):
        moved[centre] = rows[order[edges[full]]]
    norms = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.ascontiguousarray(np.where(norms > 0, moved / np.maximum(norms, 1e-12), centres))
