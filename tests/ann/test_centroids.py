"""Two levels of k-means must be nearly as good as one, at a fraction of its cost."""

import numpy as np
import pytest

from mmsearch.ann.centroids import _shared, centroids

DIM = 32


def rows(n, seed=0):
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(9).standard_normal((300, DIM))
    made = centres[random.integers(0, 300, n)] + 0.5 * random.standard_normal((n, DIM)) + 0.5
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def nearness(some, found):
    """How near the nearest centroid is, on average, and the sum of squares of the lists' shares, times their number."""
    scores = some @ found.T
    shares = np.bincount(scores.argmax(axis=1), minlength=len(found)) / len(some)
    return scores.max(axis=1).mean(), len(found) * np.square(shares).sum()


@pytest.fixture(scope="module")
def made():
    some = rows(20_000)
    return some, centroids(some, 1024)


def test_there_are_as_many_unit_vectors_as_lists(made):
    _, found = made
    assert found.shape == (1024, DIM) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_they_are_nearly_as_near_and_as_even_as_those_of_one_level(made):
    import faiss

    some, found = made
    given = faiss.ClusteringParameters()
    given.niter, given.spherical, given.min_points_per_centroid = 10, True, 1
    one = faiss.Clustering(DIM, 1024, given)
    one.train(some, faiss.IndexFlatIP(DIM))
    best = faiss.vector_to_array(one.centroids).reshape(-1, DIM)
    fresh = rows(5000, 1)
    near, even = nearness(fresh, found)
    best_near, best_even = nearness(fresh, best)
    drawn, _ = nearness(fresh, some[:1024])
    assert near > best_near - 0.01 > drawn and even < 1.15 * best_even


def test_the_same_rows_and_seed_give_nearly_the_same(made):
    some, found = made
    same = np.isclose(centroids(some, 1024), found, atol=1e-5).all(axis=1)
    assert same.mean() > 0.9  # threads that build a graph differ in their order


@pytest.mark.parametrize(("n", "lists"), [(1024, 1024), (1100, 1024), (40, 7), (5, 1)])
def test_few_rows_and_few_lists(n, lists):
    found = centroids(rows(n), lists)
    assert found.shape == (lists, DIM) and np.isfinite(found).all()


def test_rows_that_are_all_the_same():
    found = centroids(np.repeat(rows(1), 2000, axis=0), 64)
    assert found.shape == (64, DIM) and np.isfinite(found).all()


@pytest.mark.parametrize("sizes", [[10, 0, 90], [1, 1, 998], [50, 50], [3, 997]])
def test_groups_get_lists_by_their_size(sizes):
    sizes = np.array(sizes)
    for lists in (1, 10, int(sizes.sum())):
        shares = _shared(sizes, lists)
        assert shares.sum() == lists and (shares <= sizes).all()
        wanted = np.minimum(sizes, lists * sizes / sizes.sum())
        assert (np.abs(shares - wanted) < 1.01).all()
