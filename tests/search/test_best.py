"""The best of many scores, ties included, against a stable sort."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.search.best import MANY, RUN, Best, best

values = st.floats(width=32, allow_nan=False)


@given(st.lists(st.lists(values, min_size=9, max_size=9), min_size=1, max_size=5), st.integers(1, 12))
@settings(deadline=None)
def test_agrees_with_a_stable_sort(rows, k):
    scores = np.array(rows, np.float32)
    np.testing.assert_array_equal(best(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])


@pytest.mark.parametrize("distinct", [1, 2, 30, 10**9])
@pytest.mark.parametrize(("n", "k"), [(50_000, 1), (50_000, 10), (RUN * 41 + 5, 10), (700, 600), (64, 64)])
def test_long_rows_with_many_equal_scores(n, k, distinct):
    scores = np.random.default_rng(n + k).integers(0, distinct, (3, n)).astype(np.float32) - distinct // 2
    np.testing.assert_array_equal(best(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])


def test_zeros_of_both_signs_are_equal():
    assert best(np.array([[-0.0, 0.0, -1.0, 0.0]], np.float32), 4).tolist() == [[0, 1, 3, 2]]


def test_scores_stay_as_they_were():
    scores = np.array([[3.0, -0.0, 2.0]], np.float32)
    best(scores, 2)
    assert scores.tobytes() == np.array([[3.0, -0.0, 2.0]], np.float32).tobytes()


def test_no_rows():
    assert best(np.empty((0, 5_000), np.float32), 3).shape == (0, 3)


@pytest.mark.parametrize("distinct", [2, 40, 10**9])
@pytest.mark.parametrize("order", ["as drawn", "rising", "falling"])
@pytest.mark.parametrize("k", [1, 10, 700])
def test_piece_by_piece_as_all_at_once(k, order, distinct):
    scores = np.random.default_rng(k).integers(0, distinct, (5, 3_000)).astype(np.float32) - distinct // 2
    scores[2] = np.sort(scores[2])  # one that is crowded, beside others that are not
    if order != "as drawn":
        scores = np.sort(scores, axis=1)[:, :: 1 if order == "rising" else -1]
    pieces = Best(5, k)
    for start, end in ((0, 40), (40, 1_000), (1_000, 1_000 + 9 * MANY * k), (1_000 + 9 * MANY * k, 3_000)):
        pieces.add(np.ascontiguousarray(scores[:, start:end]), start)
    places, found = pieces.found()
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_array_equal(found, np.take_along_axis(scores, expected, axis=1))


def test_pieces_with_too_few_scores_that_count():
    pieces = Best(2, 3)
    pieces.add(np.array([[-np.inf, -1.0], [-np.inf, -np.inf]], np.float32), 0)
    pieces.add(np.array([[-0.0], [-np.inf]], np.float32), 2)
    places, found = pieces.found()
    assert places.tolist() == [[2, 1, -1], [-1, -1, -1]]
    assert found.tolist() == [[0, -1, -np.inf], [-np.inf] * 3]
