import numpy as np
import pytest
from pairs import related, unrelated

from mmsearch.encoders.bridge import fit as module
from mmsearch.encoders.bridge.fit import fit
from mmsearch.errors import BridgeRefused, ModelError


def candidates(a, b):
    return {(method, strength): matrix for method, strength, matrix in module._candidates(a, b)}


def test_related_spaces_are_joined_both_ways():
    a, b = related()
    fitted = fit(a, b)
    for way, source, target in ((fitted.forward, a, b), (fitted.backward, b, a)):
        assert way.matrix.shape == (source.shape[1], target.shape[1])
        assert way.matrix.dtype == way.mean.dtype == np.float32
        assert way.quality.held_out == 100
        assert way.quality.hit1 > 0.9
        found = (way.carry(source) @ target.T).argmax(axis=1)
        assert (found == np.arange(len(a))).mean() > 0.8


def test_the_reported_texts_neither_fitted_nor_chose(monkeypatch):
    a, b = related()
    report = np.random.default_rng(0).permutation(len(a))[:100]
    before = fit(a, b)
    spoilt = b.copy()
    spoilt[report] = spoilt[np.roll(report, 1)]
    monkeypatch.setattr(module.Quality, "sufficient", True)
    after = fit(a, spoilt)
    assert after.forward.quality.hit1 < 0.1 < 0.9 < before.forward.quality.hit1
    assert np.array_equal(after.forward.matrix, before.forward.matrix)
    assert np.array_equal(after.forward.mean, before.forward.mean)


def test_ridge_solves_its_equations():
    a, b = related(noise=0.3)
    left, right = a - a.mean(axis=0, dtype=np.float64), b - b.mean(axis=0, dtype=np.float64)
    covariance = left.T @ left / len(a)
    for strength in module.STRENGTHS:
        penalty = strength * np.trace(covariance) / len(covariance)
        expected = np.linalg.solve(covariance + penalty * np.eye(len(covariance)), left.T @ right / len(a))
        np.testing.assert_allclose(candidates(a, b)["ridge", strength], expected, atol=1e-4)


def test_procrustes_finds_a_rotation():
    random = np.random.default_rng(3)
    a = random.standard_normal((500, 10)).astype(np.float32)
    rotation = np.linalg.qr(random.standard_normal((10, 10)))[0]
    found = candidates(a, (a @ rotation + 5).astype(np.float32))["procrustes", 0.0]
    np.testing.assert_allclose(found, rotation, atol=1e-4)


@pytest.mark.parametrize("dims", [(24, 16), (16, 24)])
def test_procrustes_between_other_dimensions_turns_without_stretching(dims):
    a, b = related(dims=dims)
    singular = np.linalg.svd(candidates(a, b)["procrustes", 0.0], compute_uv=False)
    np.testing.assert_allclose(singular, np.ones(16), atol=1e-5)


@pytest.mark.parametrize(
    ("procrustes", "chosen"),
    [(90, ("ridge", 0.1)), (97, ("ridge", 0.1)), (98, ("procrustes", 0.0))],
)
def test_the_best_is_chosen_and_of_good_ridge_maps_the_most_regular(monkeypatch, procrustes, chosen):
    found = {0.0: procrustes, 0.001: 96, 0.01: 97, 0.1: 96, 0.3: 95, 1.0: 60}  # .97 of 100: 1.7 is a standard error
    monkeypatch.setattr(module, "hits", lambda carried, rows: found[float(carried[0, 0])])
    monkeypatch.setattr(module.Direction, "carry", lambda way, rows: way.matrix)
    made = [("ridge" if strength else "procrustes", strength, np.array([[strength]])) for strength in found]
    monkeypatch.setattr(module, "_candidates", lambda a, b: made)
    rows, vectors = np.arange(300), np.zeros((300, 1))
    assert module._chosen(vectors, vectors, module._Split(rows[:100], rows[100:200], rows[200:])) == chosen


def test_the_seed_decides_on_the_split():
    a, b = related(noise=0.4)
    assert np.array_equal(fit(a, b, seed=1).forward.matrix, fit(a, b, seed=1).forward.matrix)
    assert not np.array_equal(fit(a, b, seed=1).forward.matrix, fit(a, b, seed=2).forward.matrix)


def test_a_text_that_lies_nowhere_does_not_break_it():
    a, b = related()
    a[:, 3], b[:, 5] = 0, 0  # a dead dimension
    assert np.isfinite(fit(a, b).backward.matrix).all()


def test_unrelated_spaces_are_refused():
    with pytest.raises(BridgeRefused, match=r"cannot be joined through text: hit@1 .* chance 1.00"):
        fit(*unrelated())


def test_a_space_where_all_texts_are_alike_is_refused():
    a, b = related()
    with pytest.raises(BridgeRefused):
        fit(a, np.ones_like(b))


def test_what_makes_no_sense_is_refused():
    a, b = related(300)
    with pytest.raises(ModelError, match="199 distinct texts are too few"):
        fit(a[:199], b[:199])
    with pytest.raises(ValueError, match=r"\(300, 24\) and \(299, 16\)"):
        fit(a, b[1:])
    a[7, 2] = np.nan
    with pytest.raises(ModelError, match="NaN"):
        fit(a, b)
