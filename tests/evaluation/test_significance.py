"""The randomisation test against all swaps that there are, and what it promises; Holm's correction by hand."""

from itertools import product

import numpy as np
import pytest

from mmsearch.evaluation.significance import holm, randomisation


def of_all_swaps(differences):
    """p by its definition: every way to swap, as likely as any other."""
    observed = abs(sum(differences))
    reached = [
        abs(sum(sign * one for sign, one in zip(signs, differences, strict=True))) >= observed - 1e-9
        for signs in product((-1, 1), repeat=len(differences))
    ]
    return sum(reached) / len(reached)


@pytest.mark.parametrize("seed", range(4))
def test_p_is_that_of_all_swaps(seed):
    differences = np.random.default_rng(seed).normal(0.4, 1, (11, 2))
    expected = [of_all_swaps(column.tolist()) for column in differences.T]
    assert randomisation(differences, times=40_000, seed=seed) == pytest.approx(expected, abs=0.01)


def test_both_directions_count_alike():
    differences = np.random.default_rng(0).normal(0.3, 1, (40, 1))
    assert randomisation(differences) == pytest.approx(randomisation(-differences))


def test_no_difference_is_no_evidence():
    assert randomisation(np.zeros((30, 1))).tolist() == [1.0]


def test_a_large_difference_has_the_least_p_that_there_is():
    assert randomisation(np.ones((60, 1)), times=999).tolist() == [1 / 1000]


def test_the_seed_decides():
    differences = np.random.default_rng(1).normal(0.2, 1, (50, 3))
    assert randomisation(differences, seed=3).tolist() == randomisation(differences, seed=3).tolist()
    assert randomisation(differences, seed=3).tolist() != randomisation(differences, seed=4).tolist()


def test_alike_systems_differ_as_often_as_chance_says():
    random = np.random.default_rng(7)
    small = sum(randomisation(random.normal(0, 1, (30, 1)), times=500, seed=n)[0] < 0.1 for n in range(300))
    assert 15 <= small <= 50  # thirty are expected


def test_captions_of_one_picture_are_one_observation():
    pictures = np.random.default_rng(2).normal(0.5, 1, 9)
    captions = np.repeat(pictures, 5)[:, None]
    groups = np.repeat(np.arange(9), 5)
    together = randomisation(captions, groups=groups, times=40_000)
    assert together == pytest.approx([of_all_swaps(pictures.tolist())], abs=0.01)
    assert randomisation(captions)[0] < together[0]


def test_blocks_of_swaps_are_bounded(monkeypatch):
    monkeypatch.setattr("mmsearch.evaluation.significance._CELLS", 100)
    differences = np.random.default_rng(3).normal(0.4, 1, (11, 1))
    assert randomisation(differences, times=20_000) == pytest.approx(
        [of_all_swaps(differences[:, 0].tolist())], abs=0.02
    )


def test_holm_multiplies_by_the_number_of_tests_left():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_keeps_order_and_stays_below_one():
    p = np.random.default_rng(4).random(30) ** 4
    adjusted = np.array(holm(p.tolist()))
    assert (adjusted >= p).all() and adjusted.max() <= 1
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert adjusted.min() == pytest.approx(30 * p.min())


def test_holm_of_nothing():
    assert holm([]) == []
