"""What structures propose and what is compared beside it, with a structure that proposes what a test says."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmsearch.search import exact, nearest
from mmsearch.search.nearest import Nearest
from mmsearch.store.covers import Cover
from mmsearch.store.shard import Group
from mmsearch.store.snapshot import Shard
from mmsearch.store.structures import Setting, Standing

RANDOM = np.random.default_rng(0)
DIM, SIZES = 8, {2: 300, 5: 500, 9: 200}
GROUP = Group("vectors", "space", "1", "image", "<f4", DIM)
DEAD = {2: [0, 7], 5: [499], 9: [3, 4]}
QUERIES = RANDOM.standard_normal((4, DIM)).astype(np.float32)


def shard_of(id_):
    made = Shard(id_, GROUP, Path(), SIZES[id_], np.zeros(DIM), np.array(DEAD[id_], np.int64))
    made.__dict__["matrix"] = made.__dict__["scattered"] = RANDOM.standard_normal((SIZES[id_], DIM)).astype(np.float32)
    return made


SHARDS = [shard_of(id_) for id_ in SIZES]
COVERED = 300 + 400  # all of the first shard, and most of the second; the rest was added since


def setting(effort=4, fetch=26):
    return Setting(effort, fetch, 1.0, 1.0, 1.0, 0.9, 9, 0.1, 0.1)


def standing_of(recipe="pq:8:4", rows=COVERED, **settings):
    return Standing(1, "space", "1", "image", recipe, Path(), 1, 1, rows, 0.0, (Cover(2, 0, 300), Cover(5, 300, 400)),
                    settings)  # fmt: skip


class Snapshot(SimpleNamespace):
    """As much of one as is asked for."""

    __hash__ = object.__hash__

    def __init__(self, *standings):
        super().__init__(version=1, by_id={shard.id: shard for shard in SHARDS}, structures=standings)

    def structures_of(self, _):
        return self.structures


class Proposer:
    """Proposes the best of the rows that may be found, and keeps how it was asked."""

    failed = ""

    def __init__(self, most=10**9):
        self.asked, self.masks, self._most = [], [], most
        self._rows = np.concatenate([SHARDS[0].matrix, SHARDS[1].matrix[:400]])

    def allow(self, mask):
        self.masks.append(mask)
        return mask

    def propose(self, queries, fetch, effort, allowed):
        self.asked.append((fetch, effort))
        scores = queries @ self._rows.T
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        labels = np.argsort(-scores, axis=1)[:, :fetch]
        proposed = np.where(np.take_along_axis(scores, labels, axis=1) > -np.inf, labels, -1)
        proposed[:, self._most :] = -1
        return proposed


def ready(standing, proposer):
    snapshot, found = Snapshot(standing), Nearest()
    found.use(standing, proposer)
    return snapshot, found


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert (one.shards.tolist(), one.offsets.tolist()) == (other.shards.tolist(), other.offsets.tolist())
        np.testing.assert_allclose(one.cosines, other.cosines, atol=1e-5)


@pytest.mark.parametrize("k", [1, 10, 26])
def test_what_is_proposed_and_all_others_make_one_list(k):
    proposer = Proposer()
    snapshot, found = ready(standing_of(text=setting()), proposer)
    same(found.top(snapshot, SHARDS, QUERIES, k, asked="text"), exact.top(SHARDS, QUERIES, k))
    assert proposer.asked == [(26, 4)]
    (mask,) = proposer.masks
    assert np.flatnonzero(~mask).tolist() == [0, 7]  # dead rows are not proposed
    assert found.asks(snapshot, SHARDS, "text", k)


def test_a_block_has_places_among_the_rows_of_all_shards():
    snapshot, found = ready(standing_of(text=setting()), Proposer())
    plain = Nearest().block(Snapshot(), SHARDS, QUERIES, 20, asked="text")
    for one, other in zip(found.block(snapshot, SHARDS, QUERIES, 20, asked="text"), plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    every = [nearest._placed(exact.top(SHARDS, QUERIES, 2_000), SHARDS, np.array([0, 300, 800, 1_000]), 1_000),
             Nearest().block(Snapshot(), SHARDS, QUERIES, 2_000, asked="text")]  # fmt: skip
    for places, cosines in every:
        assert places.shape == cosines.shape == (4, 1_000)
        assert (places[:, -5:] == -1).all() and (cosines[:, -5:] == -np.inf).all()
        assert sorted(places[0, :-5]) == sorted(set(range(1_000)) - {0, 7, 799, 803, 804})
    np.testing.assert_array_equal(every[0][0], every[1][0])


def test_lists_that_are_too_short_are_made_by_comparing_every_row():
    snapshot, found = ready(standing_of(text=setting()), Proposer(most=0))
    lone = [shard for shard in SHARDS if shard.id == 2]
    assert [len(one.offsets) for one in found.top(snapshot, lone, QUERIES, 10, asked="text")] == [10] * 4
    same(found.top(snapshot, lone, QUERIES, 10, asked="text"), exact.top(lone, QUERIES, 10))


def test_a_filter_is_handed_on_and_one_that_leaves_little_asks_no_structure(monkeypatch):
    allowed = {2: np.arange(1, 300, 2), 5: np.arange(0, 490, 7), 9: np.arange(10, 20)}
    proposer = Proposer()
    snapshot, found = ready(standing_of(text=setting()), proposer)
    expected = exact.top(SHARDS, QUERIES, 10, allowed)
    same(found.top(snapshot, SHARDS, QUERIES, 10, asked="text", allowed=allowed), expected)
    assert not proposer.asked  # fewer than `SURVIVORS`
    monkeypatch.setattr(nearest, "SURVIVORS", 50)
    same(found.top(snapshot, SHARDS, QUERIES, 10, asked="text", allowed=allowed), expected)
    assert len(proposer.asked) == 1
    left = np.flatnonzero(proposer.masks[-1]).tolist()
    assert left == [*range(1, 300, 2), *range(300, 700, 7)]


def test_a_graph_is_not_asked_with_a_filter(monkeypatch):
    monkeypatch.setattr(nearest, "SURVIVORS", 5)
    allowed, proposer = {2: np.arange(10, 200)}, Proposer()
    snapshot, found = ready(standing_of("hnsw:8", text=setting()), proposer)
    found.top(snapshot, SHARDS, QUERIES, 5, asked="text")
    assert len(proposer.asked) == 1
    found.top(snapshot, SHARDS, QUERIES, 5, asked="text", allowed=allowed)
    assert len(proposer.asked) == 1


def test_each_modality_asks_with_its_own_setting():
    proposer = Proposer()
    snapshot, found = ready(standing_of(text=setting(4, 30), image=setting(9, 28), audio=setting(0)), proposer)
    for asked in ("text", "image", "text"):
        found.top(snapshot, SHARDS, QUERIES, 5, asked=asked)
    assert proposer.asked == [(30, 4), (28, 9), (30, 4)]
    same(found.top(snapshot, SHARDS, QUERIES, 5, asked="audio"), exact.top(SHARDS, QUERIES, 5))
    assert len(proposer.asked) == 3
    assert not found.asks(snapshot, SHARDS, "audio", 5)


@pytest.mark.parametrize(
    ("settings", "asked", "k", "rows", "width"),
    [
        ({"text": setting(8, 60)}, "text", 10, 10_000, (8, 60)),
        ({"text": setting(8, 60)}, "text", 26, 10_000, (8, 60)),
        ({"text": setting(8, 60)}, "text", 104, 10_000, (16, 240)),  # four times as many: twice the effort
        ({"text": setting(8, 20)}, "text", 26, 10_000, (8, 26)),  # never fewer than are wanted
        ({"text": setting(8, 60)}, "text", 10, 600, (8, 60)),
        ({"text": setting(8, 60)}, "text", 10, 599, None),  # more than a tenth of all rows
        ({"text": setting(0, 60)}, "text", 10, 10_000, None),
        ({}, "text", 10, 10_000, None),
        ({"text": setting(8, 60)}, "", 10, 10_000, (16, 120)),  # of vectors nothing is known: twice as wide
        ({"text": setting(8, 60)}, "audio", 10, 10_000, (16, 120)),
        ({"text": setting(8, 60), "image": setting(9, 50)}, "", 10, 10_000, (9, 60)),  # or as the widest of several
        ({"text": setting(8, 60), "image": setting(0, 50)}, "", 10, 10_000, None),
        ({"text": setting(8, 60), "image": setting(0, 50)}, "text", 10, 10_000, (8, 60)),
    ],
)
def test_how_widely_a_structure_is_asked(settings, asked, k, rows, width):
    assert nearest._width(standing_of(rows=rows, **settings), asked, k) == width
