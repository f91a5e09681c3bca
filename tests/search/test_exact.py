from itertools import pairwise

import numpy as np
import pytest

from mmsearch.search import exact
from mmsearch.store import shard as shards
from mmsearch.store.snapshot import Shard

DIM = 24
GROUP = shards.Group("vectors", "space", "1", "image", "float32", DIM)


def make(tmp_path, sizes, dead=(), seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for number, rows in enumerate(sizes, 1):
        matrix = rng.standard_normal((rows, DIM), dtype=np.float32)
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        path = tmp_path / f"{number}.vec"
        shards.create(path, GROUP)
        shards.append(path, GROUP, 0, matrix)
        gone = np.array(sorted(offset for shard, offset in dead if shard == number), np.int64)
        made.append(Shard(number, GROUP, path, rows, np.zeros(DIM), gone))
    queries = rng.standard_normal((5, DIM), dtype=np.float32)
    return made, queries


def brute_force(made, query, k, allowed=None):
    """The definition: every live row, sorted by inner product."""
    scored = []
    for shard in made:
        for offset in range(shard.rows):
            if offset in shard.dead or (allowed is not None and offset not in allowed.get(shard.id, ())):
                continue
            scored.append((float(shard.matrix[offset] @ query), shard.id, offset))
    scored.sort(key=lambda row: (-row[0], row[1], row[2]))
    return scored[:k]


def agree(made, queries, k, allowed=None):
    for query, found in zip(queries, exact.top(made, queries, k, allowed), strict=True):
        expected = brute_force(made, query, k, allowed)
        np.testing.assert_allclose(found.cosines, [score for score, _, _ in expected], atol=1e-5)
        got = set(zip(found.shards.tolist(), found.offsets.tolist(), strict=True))
        assert got == {(shard, offset) for _, shard, offset in expected}
        assert all(a >= b for a, b in pairwise(found.cosines))


@pytest.mark.parametrize("k", [1, 10, 1000, 5000])
@pytest.mark.parametrize("sizes", [(1,), (63,), (64,), (65,), (3000,), (3000, 1, 777)])
def test_agrees_with_numpy_to_the_id(tmp_path, sizes, k):
    made, queries = make(tmp_path, sizes)
    agree(made, queries, k)
    agree(made, queries[:1], k)


def test_dead_rows_are_never_found(tmp_path):
    made, queries = make(tmp_path, (500, 400))
    best = exact.top(made, queries, 20)
    dead = {(s, o) for found in best for s, o in zip(found.shards.tolist(), found.offsets.tolist(), strict=True)}
    made, queries = make(tmp_path, (500, 400), dead)
    for asked in (queries, queries[:1]):
        agree(made, asked, 20)
        agree(made, asked, 900)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 1.0])
def test_only_allowed_rows_are_found(tmp_path, share):
    made, queries = make(tmp_path, (3000, 2000))
    rng = np.random.default_rng(1)
    allowed = {shard.id: np.flatnonzero(rng.random(shard.rows) < share) for shard in made}
    for asked in (queries, queries[:1]):
        agree(made, asked, 10, allowed)
        agree(made, asked, 10, {1: allowed[1]})


def test_one_question_is_compared_by_several_threads_in_small_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(exact, "PART_BYTES", 2**12)
    monkeypatch.setattr(exact, "GATHERED", 7)
    made, queries = make(tmp_path, (3000, 2000), {(1, 5), (2, 1999)})
    some = {1: np.arange(0, 3000, 11), 2: np.arange(3, 2000, 11)}
    for query in queries:
        agree(made, query[None], 400)
        agree(made, query[None], 40, some)


def test_equal_rows_stand_in_order_of_shard_and_offset(tmp_path):
    made, queries = make(tmp_path, (40, 40))
    (tmp_path / "2.vec").write_bytes((tmp_path / "1.vec").read_bytes())
    first, second = made[0], Shard(2, GROUP, tmp_path / "2.vec", 40, np.zeros(DIM), np.empty(0, np.int64))
    for asked in (queries, queries[:1]):
        for query, found in zip(asked, exact.top([first, second], asked, 79), strict=True):
            order = np.argsort(-np.vecdot(first.matrix, query), kind="stable")
            assert found.offsets.tolist() == np.repeat(order, 2).tolist()[:79]
            assert found.shards.tolist() == ([1, 2] * 40)[:79]
    same = exact.Found(np.array([2, 1, 1]), np.array([0, 3, 1]), np.full(3, 0.5, np.float32))
    merged = exact.merge([same], 2, ordered=False)
    assert (merged.shards.tolist(), merged.offsets.tolist()) == ([1, 1], [1, 3])
    assert [len(part) for part in exact.merge([merged], 1)] == [1, 1, 1]


def test_a_batch_that_is_cut_into_parts_gives_the_same(tmp_path, monkeypatch):
    made, queries = make(tmp_path, (3000,))
    whole = exact.top(made, queries, 10)
    monkeypatch.setattr(exact, "SCORES", 3000)
    monkeypatch.setattr(exact, "LEAST", 1000)
    for one, other in zip(whole, exact.top(made, queries, 10), strict=True):
        np.testing.assert_array_equal(one.offsets, other.offsets)


def test_a_block_has_places_among_the_rows_of_all_shards(tmp_path):
    made, queries = make(tmp_path, (1_500, 40, 900))
    dead = np.array([3, 1_499, 1_500, 2_000])
    places, cosines = exact.block([shard.matrix for shard in made], queries, 2_440, dead)
    scores = queries @ np.concatenate([shard.matrix for shard in made]).T
    scores[:, dead] = -np.inf
    np.testing.assert_array_equal(places[:, :-4], np.argsort(-scores, axis=1, kind="stable")[:, :-4])
    np.testing.assert_allclose(cosines[:, :-4], -np.sort(-scores, axis=1)[:, :-4], atol=1e-6)
    assert (places[:, -4:] == -1).all() and (cosines[:, -4:] == -np.inf).all()


def test_no_shards_no_hits():
    (found,) = exact.top([], np.ones((1, DIM), np.float32), 3)
    assert len(found.offsets) == len(found.cosines) == len(found.shards) == 0


def test_a_list_longer_than_a_piece():
    random = np.random.default_rng(5)
    rows, asked = (random.integers(-3, 4, (count, 8)).astype(np.float32) for count in (9_000, 3))
    scores = asked @ rows.T
    scores[:, ::7] = -np.inf
    places, cosines = exact.block([rows[:2_500], rows[2_500:]], asked, 3_000, np.arange(0, 9_000, 7))
    assert (places == np.argsort(-scores, axis=1, kind="stable")[:, :3_000]).all()
    assert (cosines == np.take_along_axis(scores, places, axis=1)).all()


def test_no_question_has_no_answer():
    assert exact.top([], np.empty((0, 4), np.float32), 3) == []
