"""Bootstrap intervals: the draws, the averages over them, and what they promise."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.evaluation import bootstrap
from mmsearch.evaluation.bootstrap import intervals, mean, median, resamples


@given(st.lists(st.integers(1, 9) | st.just(math.inf), min_size=1, max_size=12), st.integers(0, 5), st.booleans())
@settings(deadline=None)
def test_averages_are_those_of_the_drawn_queries(values, seed, grouped):
    column = np.array(values, dtype=float)
    unit = np.arange(len(values)) // 3 if grouped else np.arange(len(values))[::-1].copy()
    weights = next(resamples(unit.max() + 1, times=20, seed=seed))
    drawn = [np.repeat(column, row.astype(int)[unit]) for row in weights]
    assert median(column[:, None], unit, weights)[:, 0].tolist() == [statistics.median(one.tolist()) for one in drawn]
    assert mean(column[:, None], unit, weights)[:, 0] == pytest.approx([one.mean() for one in drawn], rel=1e-12)


def test_medians_of_many_units_are_put_together(monkeypatch):
    random = np.random.default_rng(0)
    column, unit = random.integers(0, 40, 500).astype(float), random.integers(0, 90, 500)
    weights = next(resamples(90, times=30))
    whole = median(column[:, None], unit, weights)
    monkeypatch.setattr(bootstrap, "_CELLS", 200)
    assert median(column[:, None], unit, weights).tolist() == whole.tolist()


def test_resamples_come_in_bounded_blocks_that_draw_n_of_n():
    n = 300_000
    blocks = list(resamples(n, times=20))
    assert len(blocks) > 1
    assert sum(len(block) for block in blocks) == 20
    assert all(block.nbytes <= 1 << 23 for block in blocks)
    assert all(row.sum() == n for block in blocks for row in block)


def test_the_queries_of_a_group_are_drawn_together():
    values = np.array([1.0, 3.0, 10.0, 2.0, 100.0, 30.0])
    groups = np.array([7, 7, 3, 7, 9, 3])
    (interval,) = intervals([(values, mean)], groups=groups, times=4_000)
    assert interval == (2, 100), "the group of 7 three times, and that of 9: both are drawn one time in 27"


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
