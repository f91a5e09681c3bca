"""Measures against hand-computed values and against a reading of their definitions, one query at a time."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.evaluation.bootstrap import intervals, mean, median, resamples
from mmsearch.evaluation.measures import MEASURES, Judged, JudgedRun, judge, measure

ITEMS = [f"i{n}" for n in range(30)]


def naive(ranked, relevant):
    """Every measure of one query, read off its definition."""
    places = {id: rank for rank, id in enumerate(ranked, 1)}
    found = [places[id] for id in relevant if id in places]
    first = min(found, default=math.inf)
    figures = {"mrr": 1 / first, "median_rank": first}
    for k in (1, 5, 10):
        top = set(ranked[:k])
        figures[f"hit@{k}"] = 1.0 if top & relevant else 0.0
        figures[f"recall@{k}"] = len(top & relevant) / len(relevant)
    precisions = [len(set(ranked[:rank]) & relevant) / rank for rank in found]
    figures["map"] = sum(precisions) / len(relevant)
    return figures


queries = st.tuples(
    st.lists(st.sampled_from(ITEMS), unique=True),
    st.frozensets(st.sampled_from(ITEMS), min_size=1, max_size=8),
)


@given(st.lists(queries, min_size=1, max_size=25))
@settings(deadline=None)
def test_measures_agree_with_their_definitions(run):
    estimates = measure(judge(ranked, relevant) for ranked, relevant in run)
    expected = [naive(ranked, relevant) for ranked, relevant in run]
    assert list(estimates) == [m.name for m in MEASURES]
    for name, estimate in estimates.items():
        average = statistics.median if name == "median_rank" else statistics.fmean
        assert estimate.value == pytest.approx(average(one[name] for one in expected), rel=1e-12, abs=1e-12)
        assert estimate.interval.low <= estimate.interval.high


def test_measures_of_a_run_computed_by_hand():
    run = [
        Judged(ranks=(1, 3, 12), relevant=4),  # AP = (1/1 + 2/3 + 3/12) / 4
        Judged(ranks=(6,), relevant=1),
        Judged(ranks=(), relevant=2),
        Judged(ranks=(2, 4), relevant=2),  # AP = (1/2 + 2/4) / 2
    ]
    value = {name: estimate.value for name, estimate in measure(run).items()}
    assert value == pytest.approx(
        {
            "hit@1": 1 / 4,
            "hit@5": 2 / 4,
            "hit@10": 3 / 4,
            "recall@1": (1 / 4) / 4,
            "recall@5": (2 / 4 + 1) / 4,
            "recall@10": (2 / 4 + 1 + 1) / 4,
            "mrr": (1 + 1 / 6 + 0 + 1 / 2) / 4,
            "map": ((1 + 2 / 3 + 3 / 12) / 4 + 1 / 6 + 0 + 1 / 2) / 4,
            "median_rank": (2 + 6) / 2,
        },
        abs=1e-15,
    )


def test_recall_at_1_of_five_captions_is_a_fifth_at_most():
    value = measure([judge(["a", "b", "c", "d", "e"], {"a", "b", "c", "d", "e"})])
    assert value["hit@1"].value == 1
    assert value["recall@1"].value == pytest.approx(0.2)


def test_nothing_found_gives_an_infinite_median_rank_and_zeros():
    value = measure([judge(["a"], {"b"}), judge([], {"b"})])
    assert value["median_rank"].value == value["median_rank"].interval.high == math.inf
    assert {estimate.value for name, estimate in value.items() if name != "median_rank"} == {0.0}


def test_a_query_without_relevant_items_is_refused():
    with pytest.raises(ValueError, match="without relevant items"):
        judge(["a"], frozenset())


def test_a_direction_without_queries_is_refused():
    with pytest.raises(ValueError, match="no queries"):
        measure([])


def test_judge_keeps_ranks_and_counts_what_was_not_found():
    assert judge(["c", "a", "x", "b"], ["a", "b", "missing"]) == Judged((2, 4), 3)


def test_judged_run_places_found_items_within_their_query():
    run = JudgedRun.of([Judged((2, 5), 3), Judged((), 1), Judged((1, 4, 9), 3)])
    assert run.owner.tolist() == [0, 0, 2, 2, 2]
    assert run.place.tolist() == [1, 2, 1, 2, 3]
    assert run.first.tolist() == [2, math.inf, 1]


@given(st.lists(st.integers(1, 9) | st.just(math.inf), min_size=1, max_size=12), st.integers(0, 5))
@settings(deadline=None)
def test_weighted_averages_are_those_of_the_drawn_queries(values, seed):
    column = np.array(values, dtype=float)
    weights = next(resamples(len(values), times=20, seed=seed))
    drawn = [np.repeat(column, row.astype(int)) for row in weights]
    assert median(column, weights).tolist() == [statistics.median(one.tolist()) for one in drawn]
    finite = np.where(np.isinf(column), 0.0, column)
    expected = [np.repeat(finite, row.astype(int)).mean() for row in weights]
    assert mean(finite, weights) == pytest.approx(expected, rel=1e-12)


def test_resamples_come_in_bounded_blocks_that_draw_every_query_n_times():
    n = 300_000
    blocks = list(resamples(n, times=20))
    assert len(blocks) > 1
    assert sum(len(block) for block in blocks) == 20
    assert all(block.nbytes <= 1 << 24 for block in blocks)
    assert all(row.sum() == n for block in blocks for row in block)


def test_intervals_repeat_with_their_seed_and_change_with_it():
    column = (np.random.default_rng(1).random(100), mean)
    assert intervals([column], seed=3) == intervals([column], seed=3)
    assert intervals([column], seed=3) != intervals([column], seed=4)


def test_intervals_of_a_mean_are_as_wide_as_its_standard_error_says():
    values = np.random.default_rng(2).random(2_000)
    (interval,) = intervals([(values, mean)])
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert interval.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(200):
        (interval,) = intervals([((rng.random(150) < 0.3).astype(float), mean)], times=400, seed=seed)
        covered += interval.low <= 0.3 <= interval.high
    assert 0.90 <= covered / 200 <= 0.98


def test_a_single_query_has_an_interval_of_no_width():
    estimate = measure([Judged((3,), 1)])["mrr"]
    assert estimate.interval == (estimate.value, estimate.value)
