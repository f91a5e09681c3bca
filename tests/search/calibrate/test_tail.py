import numpy as np
import pytest

from mmsearch.search.calibrate.tail import LEAST, Tail, confidence


def p_of(tail, score):
    return float(np.exp(-tail.evidence(np.array([score]))[0]))


@pytest.mark.parametrize("name", ["normal", "gumbel", "exponential"])
def test_p_is_that_of_the_distribution_it_was_fitted_to(name):
    draw = np.random.default_rng(1)
    sample = {
        "normal": lambda n: draw.normal(0.3, 0.05, n),
        "gumbel": lambda n: draw.gumbel(0.3, 0.03, n),
        "exponential": lambda n: draw.exponential(0.1, n),
    }[name]
    tail, many = Tail.fit(sample(2_000)), np.sort(sample(400_000))
    for p in (0.9, 0.5, 0.2, 0.05):
        assert p_of(tail, np.quantile(many, 1 - p)) == pytest.approx(p, rel=0.15)
    assert 0.003 < p_of(tail, np.quantile(many, 0.99)) < 0.025
    assert p_of(tail, np.quantile(many, 0.999)) < 0.006


def test_a_heavy_tail_is_seen_to_be_heavy():
    draw = np.random.default_rng(2)
    heavy = Tail.fit(draw.pareto(3, 5_000))
    assert heavy.shape == pytest.approx(1 / 3, abs=0.12)
    assert Tail.fit(draw.uniform(0, 1, 5_000)).shape == 0


def test_evidence_rises_with_every_score_and_never_saturates():
    tail = Tail.fit(np.random.default_rng(3).normal(0.3, 0.05, 256))
    evidence = tail.evidence(np.linspace(-1, 2, 3_001))
    assert evidence.dtype == np.float32
    assert (np.diff(evidence) > 0).all()
    assert evidence[0] < 0 < evidence[-1]


def test_confidence_is_between_none_and_all():
    found = confidence(np.array([-3, 0, np.log(2), 50], np.float32))
    assert found == pytest.approx([0, 0, 0.5, 1])


@pytest.mark.parametrize("best", [np.full(LEAST, 0.25), np.repeat([0.1, 0.2], LEAST)])
def test_ties_make_no_steps_back(best):
    tail = Tail.fit(best)
    evidence = tail.evidence(np.linspace(0, 0.5, 501))
    assert np.isfinite(evidence).all()
    assert (np.diff(evidence) >= 0).all()
    assert p_of(tail, 0.3) < 0.05
