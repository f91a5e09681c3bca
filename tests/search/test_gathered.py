from pathlib import Path

import numpy as np
import pytest

from mmsearch.search.gathered import Gathered
from mmsearch.store.covers import Cover, pack
from mmsearch.store.shard import Group
from mmsearch.store.snapshot import Shard
from mmsearch.store.structures import Standing

RANDOM = np.random.default_rng(0)
MATRICES = {id_: RANDOM.standard_normal((rows, 8)).astype(np.float32) for id_, rows in ((2, 30), (5, 40), (6, 5))}
MATRICES[5][30] = MATRICES[2][3]  # equal ones
COVERS = {
    "in order": (Cover(2, 0, 30), Cover(5, 30, 40)),
    "another order": (Cover(5, 0, 40), Cover(2, 40, 30)),
    "moved": (Cover(5, 3, 30, 10, pack(np.array([0, 7, 8, 29]))), Cover(2, 33, 20), Cover(5, 60, 5, 36, pack([0]))),
    "in one shard": (Cover(5, 0, 10, 30), Cover(5, 10, 35, 0, pack(np.arange(5, 10)))),
    "and one is gone": (Cover(2, 0, 30), Cover(9, 30, 40)),
}


def shards():
    group = Group("vectors", "space", "1", "image", "<f4", 8)
    made = {id_: Shard(id_, group, Path(), len(m), np.zeros(8), np.empty(0, np.int64)) for id_, m in MATRICES.items()}
    for id_, one in made.items():
        one.__dict__["scattered"] = MATRICES[id_]
    return made


@pytest.mark.parametrize("case", COVERS)
@pytest.mark.parametrize("together", [1, 11])
def test_labels_are_the_rows_that_they_stand_for(case, together):
    standing = Standing(1, "space", "1", "image", "hnsw", Path(), 1, 1, 70, 0.0, COVERS[case])
    places = {}
    for cover in COVERS[case]:
        offsets = np.arange(cover.start, cover.end)
        for offset, label in zip(offsets, cover.first + cover.numbers(offsets), strict=True):
            places[int(label)] = (cover.shard_id, int(offset))
    there = {label: place for label, place in places.items() if place[0] in MATRICES}
    gathered = Gathered.of(standing, shards())
    queries = RANDOM.standard_normal((together, 8)).astype(np.float32)
    queries[0] = MATRICES[2][3]
    labels = np.stack([RANDOM.permutation([*there, -1, -1]) for _ in queries])
    for query, found in zip(queries, gathered.best(labels, queries, 12), strict=True):
        scored = sorted((-float(np.vecdot(MATRICES[id_][at], query)), id_, at) for id_, at in there.values())[:12]
        assert list(zip(found.shards.tolist(), found.offsets.tolist(), strict=True)) == [one[1:] for one in scored]
        np.testing.assert_array_equal(found.cosines, [-one[0] for one in scored])
