from pathlib import Path

import numpy as np

from mmsearch.search import exact, stretch
from mmsearch.search.stretch import Stretch
from mmsearch.store.covers import Cover, pack
from mmsearch.store.shard import Group
from mmsearch.store.snapshot import Shard

RANDOM = np.random.default_rng(0)


def shard_of(id_, rows, dead=()):
    made = Shard(
        id_, Group("vectors", "space", "1", "image", "<f4", 8), Path(), rows, np.zeros(8), np.array(dead, np.int64)
    )
    made.__dict__["matrix"] = RANDOM.standard_normal((rows, 8)).astype(np.float32)
    return made


SHARDS = (shard_of(3, 50, [0, 20, 21]), shard_of(5, 30), shard_of(8, 10, range(10)))
COVERS = (Cover(3, 0, 10, 5), Cover(3, 10, 20, 20, pack(np.arange(10))), Cover(5, 30, 12))
QUERIES = RANDOM.standard_normal((4, 8)).astype(np.float32)


def rows_of(stretches):
    return [(one.rows.id, one.start, one.start + one.rows.rows) for one in stretches]


def test_what_is_covered_and_what_is_not():
    by_id = {one.id: one for one in SHARDS}
    covered = [(3, 5, 15), (3, 20, 30), (5, 0, 12)]
    assert rows_of(stretch.covered((*COVERS, Cover(9, 42, 5)), by_id)) == covered
    assert rows_of(stretch.others(COVERS, SHARDS)) == [(3, 0, 5), (3, 15, 20), (3, 30, 50), (5, 12, 30)]
    assert [one.rows for one in stretch.others((), SHARDS)] == list(SHARDS[:2])  # those of which rows live, as they are


def test_stretches_of_all_rows_find_what_exact_search_finds():
    parts = [Stretch.of(SHARDS[0], 0, 17), Stretch.of(SHARDS[0], 17, 50), Stretch.of(SHARDS[1], 0, 30)]
    for one, other in zip(stretch.top(parts, QUERIES, 9), exact.top(SHARDS, QUERIES, 9), strict=True):
        for got, wanted in zip(one, other, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_only_what_is_allowed_is_found():
    allowed = {3: np.array([3, 15, 16, 19, 20]), 5: np.array([1])}
    for found in Stretch.of(SHARDS[0], 15, 20).top(QUERIES, 9, allowed):
        assert sorted(found.offsets.tolist()) == [15, 16, 19]
    assert [len(found.offsets) for found in Stretch.of(SHARDS[0], 4, 9).top(QUERIES, 9, {5: allowed[5]})] == [0] * 4
    assert [len(found.offsets) for found in stretch.top((), QUERIES, 9)] == [0] * 4


def test_structures_over_the_same_rows_are_told():
    assert stretch.distinct([Cover(3, 0, 10, 20)], [Cover(3, 0, 20), Cover(4, 20, 90)])
    assert not stretch.distinct([Cover(3, 0, 10, 19)], [Cover(3, 0, 20)])
