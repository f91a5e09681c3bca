import numpy as np
import pytest
from pairs import unit

from mmsearch.encoders.bridge.quality import Quality, hits


def brute_force(carried, rows):
    return sum(all(one @ rows[i] > one @ rows[j] for j in range(len(rows)) if j != i) for i, one in enumerate(carried))


def test_hits_are_those_of_brute_force():
    random = np.random.default_rng(0)
    rows = unit(random.standard_normal((300, 8)))
    carried = unit(rows + 0.4 * random.standard_normal((300, 8)))
    assert 30 < hits(carried, rows) == brute_force(carried, rows) < 290


def test_hits_of_more_rows_than_fit_at_once():
    rows = unit(np.random.default_rng(0).standard_normal((2500, 16)))
    assert hits(rows, rows) == 2500
    assert hits(np.roll(rows, 1, axis=0), rows) == 0


def test_a_tie_is_no_hit():
    rows = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert hits(rows, rows) == 1


@pytest.mark.parametrize(
    ("found", "low", "high"),  # as R's prop.test(correct=FALSE) gives them
    [(50, 0.40383, 0.59617), (0, 0.0, 0.03699), (97, 0.91548, 0.98974), (100, 0.96301, 1.0)],
)
def test_interval(found, low, high):
    quality = Quality("ridge", 0.1, 100, found)
    assert quality.interval == pytest.approx((low, high), abs=1e-4)
    assert quality.interval[0] <= quality.hit1 <= quality.interval[1]


@pytest.mark.parametrize(("held_out", "found", "enough"), [(2000, 12, False), (2000, 20, True), (50, 10, False)])
def test_it_must_lie_above_ten_times_chance(held_out, found, enough):
    quality = Quality("procrustes", 0.0, held_out, found)
    assert quality.chance == 1 / held_out
    assert quality.sufficient is enough


def test_it_says_what_it_is():
    assert str(Quality("ridge", 0.1, 2000, 1900)) == ("hit@1 95.0 % (94.0-95.9; chance 0.05) of 2000 texts, ridge 0.1")
    assert str(Quality("procrustes", 0.0, 2000, 1900)).endswith("of 2000 texts, procrustes")
