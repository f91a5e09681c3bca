"""Questions that are drawn from an index: the same for the same items, in whatever order they came."""

import numpy as np
import pytest

from mmsearch.search.samples import MOST, Samples
from mmsearch.types import Modality

RANDOM = np.random.default_rng(8)
ROWS = RANDOM.standard_normal((600, 64)).astype(np.float32)
IDS = [f"p{number}" for number in range(len(ROWS))]


def drawn(index, seed=0):
    with index.hold() as view:
        return Samples(view, index.model).of(Modality.IMAGE, "fake", seed)


@pytest.fixture
def filled(index):
    index.add_vectors(ROWS, modality="image", ids=IDS)
    return index


def test_the_order_of_adding_does_not_count(filled):
    before = drawn(filled)
    order = RANDOM.permutation(len(ROWS))
    filled.remove(ids=IDS)
    for some in np.array_split(order, 3):
        filled.add_vectors(ROWS[some], modality="image", ids=[IDS[place] for place in some])
    np.testing.assert_array_equal(drawn(filled), before)
    assert len(before) == MOST
    assert not np.array_equal(drawn(filled, seed=1), before)


def test_what_was_removed_is_not_drawn(filled):
    filled.remove(ids=IDS[:500])
    kept = ROWS[500:] / np.linalg.norm(ROWS[500:], axis=1, keepdims=True)
    found = drawn(filled)
    assert len(found) == 100
    np.testing.assert_allclose(np.sort(found @ kept.T, axis=1)[:, -1], 1, atol=1e-5)


def test_large_indexes_are_drawn_from_without_being_read(filled, monkeypatch):
    monkeypatch.setattr("mmsearch.search.samples.WHOLE", 100)
    found = drawn(filled)
    assert len(np.unique(found, axis=0)) == MOST
