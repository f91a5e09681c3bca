"""Measure plain matrices: for those who embed for themselves and only want the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import DatasetError
from mmsearch.evaluation.judging import Ints, Qrels, join, judge
from mmsearch.evaluation.measures import MEASURES, Estimate, Measure, measure
from mmsearch.search import exact

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEPTH = 1_000
_BATCH = 1_024


def evaluate_vectors(
    queries: NDArray[Any],
    items: NDArray[Any],
    qrels: Sequence[Mapping[int, int]],
    *,
    depth: int = DEPTH,
    groups: Ints | None = None,
    measures: Sequence[Measure] = MEASURES,
    seed: int = 0,
) -> Mapping[str, Estimate]:
    """Rank items by their inner products with each query, exactly, and measure the lists.

    Equal scores stand in the order of the rows. Scores of all queries with all items are never held at once: a million
    items are fine. Vectors are taken as they are; make them unit norm for cosines.

    Args:
        queries: `(q, d)` of a floating type.
        items: `(n, d)` of the same space.
        qrels: for each query the grades, at least 1, by row of the items that answer it.
        depth: where lists are cut.
        groups: `(q,)`, the same number for queries that are no independent observations, such as the captions of one
            picture; None: each is by itself.
        measures: what to compute.
        seed: of the bootstrap.

    Returns:
        Estimates by name of the measure.

    Raises:
        DatasetError: shapes do not go together, a vector is not finite, or a query has no relevant item or one that is
            not there.
    """
    asking, answering = np.asarray(queries, np.float32), np.asarray(items, np.float32)
    if asking.ndim != 2 or answering.ndim != 2 or asking.shape[1:] != answering.shape[1:] or not len(answering):
        raise DatasetError(f"queries {asking.shape} and items {answering.shape} are no rows of the same space")
    if len(qrels) != len(asking) or not len(asking):
        raise DatasetError(f"there are {len(asking):,} queries and {len(qrels):,} of them have judgements")
    for name, matrix in (("query", asking), ("item", answering)):
        if len(wrong := np.flatnonzero(~np.isfinite(matrix).all(axis=1))):
            raise DatasetError(f"{len(wrong):,} {name} vectors are not finite, the first in row {wrong[0]}")
    truth = _truth(qrels, len(answering))
    judged = []
    for start in range(0, len(asking), _BATCH):
        batch = asking[start : start + _BATCH]
        lists, _ = exact.block([answering], batch, depth)
        judged.append(judge(lists, truth.part(start, start + len(batch))))
    return measure(join(judged, truth), groups=groups, measures=measures, seed=seed)


def _truth(qrels: Sequence[Mapping[int, int]], items: int) -> Qrels:
    try:
        truth = Qrels.of(qrels)
    except ValueError as error:
        empty = next((number for number, query in enumerate(qrels) if not query), None)
        raise DatasetError(f"query {empty}: {error}" if empty is not None else str(error)) from error
    if truth.items.min() < 0 or truth.items.max() >= items:
        wrong = int(truth.items[(truth.items < 0) | (truth.items >= items)][0])
        raise DatasetError(f"item {wrong} is said to be relevant, and there are {items:,} items, counted from 0")
    return truth
