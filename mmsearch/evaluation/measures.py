"""What is measured, one definition at a time.

Everything is computed per query from the ranks at which its relevant items stand in the run, from their grades, and
from how many relevant items it has. A run is cut at some depth; a relevant item below it has no rank and counts as not
found. Where a measure knows relevant and not relevant only, every grade of at least 1 is relevant.

Ties. Items with equal scores stand in the order of their ids, rows of matrices in theirs; whoever ranks decides that,
and the measures only see ranks. Other tools differ: trec_eval sorts equal scores by falling document id. A model that
gives all items the same score is measured by an order that has nothing to do with it, and not, as by optimistic tie
breaking, as perfect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mmsearch.evaluation.bootstrap import Average, Interval, intervals, mean, median
from mmsearch.evaluation.judging import Floats, Ints, JudgedRun


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
    return _inside(run, k) / run.relevant


def precision(run: JudgedRun, k: int) -> Floats:
    """precision@K: the share of the first K that is relevant.

    Source: Manning, Raghavan, Schütze, 2008, chapter 8; as in trec_eval, a list shorter than K is filled up with items
    that are not relevant.

    Trap: with one relevant item it cannot pass 1 / K: text→image of captions has .1 at most at K=10.
    """
    return _inside(run, k) / k


def r_precision(run: JudgedRun) -> Floats:
    """R-precision: precision, and so recall too, at K = the number of the query's relevant items.

    Source: Manning, Raghavan, Schütze, 2008, chapter 8; it is called Rprec in trec_eval, and is what ECCV Caption (Chun
    et al., ECCV 2022) reports.

    Trap: with one relevant item it is hit@1. Relevant items below the depth of the run count as not found.
    """
    inside = run.ranks <= run.relevant[run.owner]
    return np.asarray(np.bincount(run.owner[inside], minlength=len(run)) / run.relevant, np.float64)


def ndcg(run: JudgedRun, k: int) -> Floats:
    """nDCG@K: the sum of grade / log2(rank + 1) over the first K, divided by that of the best possible list.

    Source: Järvelin and Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", TOIS 2002, with the discount of
    Burges et al., ICML 2005. The gain is the grade itself, as in the original and in trec_eval.

    Trap: many libraries take 2^grade - 1 for the gain (Burges et al.), which is the same for grades of 0 and 1 only;
    others discount by log2(rank) from rank 2 on, as the original does. The figures differ, and papers seldom say.
    """
    gained = _discounted(run.ranks, run.grades, run.owner, k, len(run))
    return gained / _discounted(run.qrels.place, run.qrels.grades, run.qrels.owner, k, len(run))


def _inside(run: JudgedRun, k: int) -> Ints:
    """How many relevant items each query has among the first k."""
    return np.asarray(np.bincount(run.owner[run.ranks <= k], minlength=len(run)), np.int64)


def _discounted(ranks: Ints, gains: Ints, owner: Ints, k: int, queries: int) -> Floats:
    kept = ranks <= k
    discounted = gains[kept] / np.log2(ranks[kept] + 1)
    return np.asarray(np.bincount(owner[kept], weights=discounted, minlength=queries), np.float64)


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
    return total / run.relevant


def first_rank(run: JudgedRun) -> Floats:
    """Median and mean rank: of the first relevant item, over queries; "MedR" and "MnR", lower is better.

    Source: Hodosh, Young, Hockenmaier, JAIR 2013, for the median; the mean is common for text→video (Yu, Kim, Kim,
    ECCV 2018).

    Trap: both grow with the number of items, so that they cannot be compared between data sets. The median is infinite
    when half of the queries found nothing within the depth of the run, the mean when one has found nothing: it says
    more about the worst queries than about the others. An even number of queries has the middle of two ranks for its
    median.
    """
    return run.first


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure per query, and how queries are taken together.

    Attributes:
        name: its key in results.
        per_query: figures `(q,)` of the queries of a run.
        average: over queries.
        label: for people, where papers disagree on the name.
        is_rank: lower is better, and it is no share of one.
    """

    name: str
    per_query: Callable[[JudgedRun], Floats]
    average: Average = mean
    label: str = ""
    is_rank: bool = False


MEASURES: tuple[Measure, ...] = (
    *(Measure(f"hit@{k}", partial(hit, k=k), label=f"hit@{k} (CLIP's R@{k})") for k in (1, 5, 10)),
    *(Measure(f"recall@{k}", partial(recall, k=k), label=f"recall@{k} (fractional)") for k in (1, 5, 10)),
    *(Measure(f"precision@{k}", partial(precision, k=k)) for k in (5, 10)),
    Measure("ndcg@10", partial(ndcg, k=10), label="nDCG@10 (linear gain)"),
    Measure("r_precision", r_precision, label="R-precision"),
    Measure("mrr", reciprocal_rank, label="MRR"),
    Measure("map", average_precision, label="mAP"),
    Measure("median_rank", first_rank, median, label="median rank", is_rank=True),
    Measure("mean_rank", first_rank, mean, label="mean rank", is_rank=True),
)
NAMED: Mapping[str, Measure] = {measure.name: measure for measure in MEASURES}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure over all queries, and the 95 % bootstrap interval of it."""

    value: float
    interval: Interval


def measure(
    run: JudgedRun, *, groups: Ints | None = None, measures: Sequence[Measure] = MEASURES, seed: int = 0
) -> Mapping[str, Estimate]:
    """Compute measures and their intervals over the queries of one direction.

    Args:
        run: of the direction.
        groups: `(q,)`, the same number for queries that are drawn together, see `bootstrap`; None: each for itself.
        measures: what to compute.
        seed: of the bootstrap.

    Raises:
        ValueError: there are no queries.
    """
    if not len(run):
        raise ValueError("there are no queries to measure")
    columns = [(m.per_query(run), m.average) for m in measures]
    bounds = intervals(columns, groups=groups, seed=seed)
    return {
        m.name: Estimate(average_of(column, m.average), bound)
        for m, (column, _), bound in zip(measures, columns, bounds, strict=True)
    }


def average_of(column: Floats, average: Average) -> float:
    """One figure of figures `(q,)` per query."""
    together = np.zeros(len(column), np.int64)
    return float(average(column[:, None], together, np.ones((1, 1), np.float32))[0, 0])
