"""A structure with so many lists that a graph finds them: its centroids are ours, the codes are trained by FAISS."""

import numpy as np
import pytest

from mmsearch.ann.build import _sample, build
from mmsearch.ann.centroids import centroids
from mmsearch.ann.load import load
from mmsearch.ann.recipe import GRAPH_LISTS, Recipe
from mmsearch.store.shard import Group
from mmsearch.store.snapshot import Shard

DIM, ROWS = 64, 24_000


def rows(n, seed):
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(5).standard_normal((200, DIM))
    made = centres[random.integers(0, 200, n)] + 0.7 * random.standard_normal((n, DIM)) + 0.6
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def shard(path, number, matrix):
    group = Group("vectors", "fake", "1", "image", "float32", DIM)
    made = Shard(number, group, path, len(matrix), matrix.sum(axis=0, dtype=np.float64), np.arange(0, 500))
    made.__dict__["matrix"] = matrix
    return made


@pytest.mark.parametrize("kind", ["pq", "rabitq"])
def test_it_finds_what_is_near_and_can_be_read_again(kind, tmp_path):
    stored, told = rows(ROWS, 1), []
    shards = [shard(tmp_path / "1.vec", 1, stored[:10_000]), shard(tmp_path / "2.vec", 2, stored[10_000:])]
    recipe = Recipe(kind, DIM, GRAPH_LISTS)
    made = build(shards, recipe, tmp_path / "1.ann", lambda done, total: told.append((done, total)))
    assert told[-1] == (ROWS, ROWS) and made.structure.rows == ROWS and made.structure.widest == GRAPH_LISTS
    ours = centroids(_sample(shards, Recipe("pq", DIM, GRAPH_LISTS)), GRAPH_LISTS)
    assert np.isclose(made.structure._centroids, ours, atol=1e-5).all(axis=1).mean() > 0.9
    questions = rows(50, 2)
    best = np.argsort(-(questions @ stored.T), axis=1)[:, :10]
    found = made.structure.propose(questions, 200, 64)
    assert np.mean([np.isin(right, one).mean() for right, one in zip(best, found, strict=True)]) > 0.9
    again = load(made.path, str(recipe), ROWS, made.bytes, made.crc)
    np.testing.assert_array_equal(again.propose(questions[:1], 50, 16), made.structure.propose(questions[:1], 50, 16))
    size = made.bytes / ROWS
    assert abs(size - recipe.bytes_per_vector(ROWS)) < 0.25 * size
