"""What is measured, one definition at a time.

Everything is computed from two facts per query: the sorted ranks at which its relevant items stand in the run, and how
many relevant items it has. A run is cut at some depth; a relevant item below it has no rank and counts as not found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.evaluation.bootstrap import Average, Interval, intervals, mean, median

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Judged:
    """One ranked list against the truth.

    Attributes:
        ranks: where its relevant items stand, ascending, 1 for the best.
        relevant: how many relevant items there are, found or not; at least 1.
    """

    ranks: tuple[int, ...]
    relevant: int


def judge(ranked_ids: Sequence[str], relevant: Collection[str]) -> Judged:
    """Find the relevant ids in a ranked list, in which no id stands twice.

    Raises:
        ValueError: nothing is relevant: no measure is defined for such a query.
    """
    if not relevant:
        raise ValueError("a query without relevant items cannot be judged")
    truth = relevant if isinstance(relevant, frozenset | set) else frozenset(relevant)
    return Judged(tuple(rank for rank, id in enumerate(ranked_ids, 1) if id in truth), len(truth))


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """All judged queries of one direction as arrays; q queries, f found relevant items.

    Attributes:
        relevant: `(q,)` how many relevant items each query has.
        first: `(q,)` rank of its first relevant item, infinite where none was found.
        ranks: `(f,)` ranks of the found relevant items, query after query.
        owner: `(f,)` the query that each belongs to.
        place: `(f,)` 1 for a query's first found item, 2 for its second, and so on.
    """

    relevant: Ints
    first: Floats
    ranks: Ints
    owner: Ints
    place: Ints

    @classmethod
    def of(cls, judged: Iterable[Judged]) -> JudgedRun:
        """Lay judged queries side by side."""
        rows = list(judged)
        found = np.array([len(row.ranks) for row in rows], dtype=np.int64)
        ranks = np.array([rank for row in rows for rank in row.ranks], dtype=np.int64)
        owner = np.repeat(np.arange(len(rows)), found)
        starts = np.cumsum(found) - found
        first = np.full(len(rows), np.inf)
        first[found > 0] = ranks[starts[found > 0]]
        relevant = np.array([row.relevant for row in rows], dtype=np.int64)
        return cls(relevant, first, ranks, owner, np.arange(len(ranks)) - starts[owner] + 1)

    def __len__(self) -> int:
        return len(self.relevant)


def hit(run: JudgedRun, k: int) -> Floats:
    """hit@K: 1 if at least one relevant item is among the first K, else 0.

    Source: Hodosh, Young, Hockenmaier, "Framing Image Description as a Ranking Task", JAIR 2013. TREC calls it
    Success@K; the papers of CLIP (Radford et al., ICML 2021) and CLAP, and all image-caption tables, call it Recall@K.

    Trap: with five captions per picture, image→text has five chances and text→image has one; the two are not
    comparable. With a label that has hundreds of clips it says almost nothing: look at MAP.
    """
    return (run.first <= k).astype(np.float64)


def recall(run: JudgedRun, k: int) -> Floats:
    """recall@K: the share of a query's relevant items that is among the first K.

    Source: Manning, Raghavan, Schütze, "Introduction to Information Retrieval", 2008, chapter 8.

    Trap: this is not what CLIP papers call Recall@K (see `hit`). It cannot pass K / relevant: with five captions per
    picture it is .2 at most at K=1.
    """
    inside = np.bincount(run.owner[run.ranks <= k], minlength=len(run))
    return np.asarray(inside / run.relevant, dtype=np.float64)


def reciprocal_rank(run: JudgedRun) -> Floats:
    """MRR: the mean of 1 / rank of the first relevant item; 0 where none was found.

    Source: Voorhees, "The TREC-8 Question Answering Track Report", 1999.

    Trap: rank 1 against 2 weighs as much as 2 against never. The cut of the run lowers it, by 1 / depth at most.
    """
    return 1.0 / run.first


def average_precision(run: JudgedRun) -> Floats:
    """MAP: the mean of average precision, which is the sum of precision at each relevant item, divided by `relevant`.

    Source: Buckley and Voorhees, "Evaluating Evaluation Measure Stability", SIGIR 2000; as in trec_eval.

    Trap: the divisor is the number of relevant items, found or not, not min(relevant, K) as in the mAP@K of recommender
    and audio-caption challenges. Items below the depth of the run count as never found.
    """
    total = np.bincount(run.owner, weights=run.place / run.ranks, minlength=len(run))
    return np.asarray(total / run.relevant, dtype=np.float64)


def first_rank(run: JudgedRun) -> Floats:
    """Median rank: the median over queries of the rank of the first relevant item; "Med r", lower is better.

    Source: Hodosh, Young, Hockenmaier, JAIR 2013.

    Trap: it grows with the number of items, so that it cannot be compared between data sets. It is infinite when half
    of the queries found nothing within the depth of the run. An even number of queries gives the middle of two ranks.
    """
    return run.first


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure per query, and how queries are taken together."""

    name: str
    per_query: Callable[[JudgedRun], Floats]
    average: Average = mean


MEASURES: tuple[Measure, ...] = (
    Measure("hit@1", partial(hit, k=1)),
    Measure("hit@5", partial(hit, k=5)),
    Measure("hit@10", partial(hit, k=10)),
    Measure("recall@1", partial(recall, k=1)),
    Measure("recall@5", partial(recall, k=5)),
    Measure("recall@10", partial(recall, k=10)),
    Measure("mrr", reciprocal_rank),
    Measure("map", average_precision),
    Measure("median_rank", first_rank, median),
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure over all queries, and the 95 % bootstrap interval of it."""

    value: float
    interval: Interval


def measure(
    judged: Iterable[Judged], *, measures: Sequence[Measure] = MEASURES, seed: int = 0
) -> Mapping[str, Estimate]:
    """Compute measures and their intervals over the queries of one direction.

    Raises:
        ValueError: there are no queries.
    """
    run = JudgedRun.of(judged)
    if not len(run):
        raise ValueError("there are no queries to measure")
    columns = [(m.per_query(run), m.average) for m in measures]
    everyone = np.ones((1, len(run)))
    values = [float(average(column, everyone)[0]) for column, average in columns]
    bounds = intervals(columns, seed=seed)
    return {m.name: Estimate(value, bound) for m, value, bound in zip(measures, values, bounds, strict=True)}
