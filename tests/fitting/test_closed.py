"""Regularised CCA, against the generalised eigenproblem that it is the solution of."""

from itertools import pairwise

import numpy as np
import pytest
from made_pairs import planted, unit

from mmsearch.fitting.closed import Correlation
from mmsearch.fitting.paired import Paired, Side

RANDOM = np.random.default_rng(0)


def reference(pairs, media, texts, dim):
    """Maps from [[0, C], [C', 0]] w = r [[A, 0], [0, B]] w each column times its r; covariances by loops."""
    x, y = (unit(side.features).astype(np.float64) for side in (pairs.media, pairs.texts))
    of = [pairs.edges[pairs.edges[:, 1] == number, 0] for number in range(len(x))]
    weights = [(text, number, 1 / len(of[number]) / len(x)) for number in range(len(x)) for text in of[number]]
    x_mean, y_mean = x.mean(axis=0), sum(weight * y[text] for text, _, weight in weights)
    x, y = x - x_mean, y - y_mean
    a, b = x.T @ x / len(x), sum(weight * np.outer(y[text], y[text]) for text, _, weight in weights)
    c = sum(weight * np.outer(x[number], y[text]) for text, number, weight in weights)
    a += media * np.trace(a) / len(a) * np.eye(len(a))
    b += texts * np.trace(b) / len(b) * np.eye(len(b))
    f, g = len(a), len(b)
    right = np.block([[a, np.zeros((f, g))], [np.zeros((g, f)), b]])
    lower = np.linalg.inv(np.linalg.cholesky(right))
    values, vectors = np.linalg.eigh(lower @ np.block([[np.zeros((f, f)), c], [c.T, np.zeros((g, g))]]) @ lower.T)
    found = (lower.T @ vectors[:, ::-1][:, :dim]) * np.sqrt(2) * values[::-1][:dim]
    return found[:f], found[f:], values[::-1][:dim]


def aligned(found, wanted):
    """Columns have no sign of their own."""
    return found * np.sign((found * wanted).sum(axis=0))


@pytest.mark.parametrize(("media", "texts"), [(0.1, 0.1), (1.0, 0.5), (30.0, 2.0)])
def test_maps_solve_the_eigenproblem(media, texts):
    pairs = planted(media=80, texts=3, dims=(12, 9))
    dim = 6
    x_map, y_map = Correlation(pairs, 1.0).solve(media, texts, dim)
    x_wanted, y_wanted, values = reference(pairs, media, texts, dim)
    assert min(a - b for a, b in pairwise(values)) > 1e-4  # else columns could turn into each other
    scale = np.abs(x_wanted).max()
    np.testing.assert_allclose(aligned(x_map.matrix, x_wanted), x_wanted, atol=2e-3 * scale)
    np.testing.assert_allclose(aligned(y_map.matrix, y_wanted), y_wanted, atol=2e-3 * np.abs(y_wanted).max())
    signs = [np.sign((m * w).sum(axis=0)) for m, w in ((x_map.matrix, x_wanted), (y_map.matrix, y_wanted))]
    np.testing.assert_array_equal(*signs)  # both sides point the same way
    assert (x_map.power, y_map.power, x_map.matrix.dtype) == (1.0, 1.0, np.float32)


def test_a_medium_counts_once_however_many_texts_it_has():
    once = planted(media=40, texts=1)
    texts = Side(np.repeat(once.texts.features, 3, axis=0), np.repeat(once.texts.vectors, 3, axis=0))
    uneven = np.arange(120)[(np.arange(120) % 3 == 0) | (np.arange(120) < 30)]  # some media have three, some have one
    edges = np.stack([np.arange(len(uneven)), uneven // 3], axis=1)
    many = Paired(once.media, texts.take(uneven), edges)
    for ours, theirs in zip(Correlation(once, 1.0).solve(1, 1, 5), Correlation(many, 1.0).solve(1, 1, 5), strict=True):
        np.testing.assert_allclose(ours.mean, theirs.mean, atol=1e-6)
        np.testing.assert_allclose(aligned(ours.matrix, theirs.matrix), theirs.matrix, atol=1e-3)


def test_a_label_that_media_share_is_as_good_as_copies_of_it():
    media = planted(media=60, texts=1).media
    words = unit(RANDOM.standard_normal((4, 10)))
    of = np.arange(60) % 4
    shared = Paired(media, Side(words, words), np.stack([of, np.arange(60)], axis=1))
    copies = Paired(media, Side(words[of], words[of]), np.stack([np.arange(60)] * 2, axis=1))
    for ours, theirs in zip(
        Correlation(shared, 1.0).solve(1, 1, 3), Correlation(copies, 1.0).solve(1, 1, 3), strict=True
    ):
        np.testing.assert_allclose(ours.mean, theirs.mean, atol=1e-6)
        np.testing.assert_allclose(aligned(ours.matrix, theirs.matrix), theirs.matrix, atol=1e-3)


def test_fewer_pairs_than_features_and_more_room_than_directions():
    pairs = planted(media=10, texts=1, dims=(50, 70))
    for adapter, features in zip(Correlation(pairs, 0.5).solve(1, 0.5, 128), (50, 70), strict=True):
        assert adapter.matrix.shape == (features, 128) and np.isfinite(adapter.matrix).all()
        used = np.abs(adapter.matrix).max(axis=0) > 2e-3 * np.abs(adapter.matrix).max()  # the rest is rounding
        assert used[:9].all() and not used[9:].any()  # ten pairs about their mean span nine directions
    media, texts = Correlation(pairs, 0.5).solve(1, 0.5, 128)
    scores = texts.project(pairs.texts.features) @ media.project(pairs.media.features).T
    assert (scores.argmax(axis=1) == np.arange(10)).all()


def test_one_side_without_any_spread_gives_maps_to_nothing():
    pairs = planted(media=10, texts=1, dims=(4, 5))
    same = Side(np.ones_like(pairs.media.features), pairs.media.vectors)
    for adapter in Correlation(Paired(same, pairs.texts, pairs.edges), 1.0).solve(1, 1, 8):
        assert not adapter.matrix.any()
