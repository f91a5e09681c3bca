"""Many questions at once: the lists are those of single searches, however they are found."""

import numpy as np
import pytest
from made import picture, tone

import mmsearch
from mmsearch import Query, Record
from mmsearch.encoders.fake import DIM
from mmsearch.search.ranking import Ranking
from mmsearch.search.ways import Exact
from mmsearch.types import Modality

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.standard_normal((900, DIM)).astype(np.float32)
QUESTIONS = [Query.vector(row) for row in RANDOM.standard_normal((300, DIM)).astype(np.float32)]


@pytest.fixture
def filled(tmp_path):
    """900 pictures in two commits, every ninth removed."""
    with mmsearch.open(tmp_path / "filled", model="fake") as index:
        for some in (slice(0, 500), slice(500, 900)):
            index.add_vectors(ROWS[some], modality="image", ids=[f"i{n}" for n in range(some.start, some.stop)])
        index.remove(ids=[f"i{n}" for n in range(0, 900, 9)])
        yield index


def one_by_one(index, queries, depth):
    return [[hit.id for hit in index.search(q, target="image", k=depth, rerank="none")] for q in queries]


@pytest.mark.parametrize("depth", [1, 10, 1_000])
def test_lists_are_those_of_single_searches(filled, depth):
    assert filled.rank(QUESTIONS, "image", depth, ["none"])[:20] == one_by_one(filled, QUESTIONS[:20], depth)


def test_shorter_lists_end_with_what_is_no_item(filled):
    ranking = filled.searcher.rank(QUESTIONS[:3], "image", 1_000, ())
    assert ranking.items.shape == ranking.scores.shape == ranking.cosines.shape == (3, 1_000)
    assert (ranking.items[:, 800:] == -1).all() and (ranking.items[:, :800] >= 0).all()
    assert np.isnan(ranking.scores[:, 800:]).all() and np.isnan(ranking.cosines[:, 800:]).all()
    assert (np.diff(ranking.scores[:, :800]) <= 0).all()


def test_scores_and_cosines_are_those_of_a_search(filled):
    ranking = filled.searcher.rank(QUESTIONS[:3], "image", 5, ())
    for n, query in enumerate(QUESTIONS[:3]):
        hits = filled.search(query, target="image", k=5, rerank="none")
        assert ranking.scores[n] == pytest.approx([hit.score for hit in hits], abs=1e-6)
        assert ranking.cosines[n] == pytest.approx([hit.cosine for hit in hits], abs=1e-6)


def test_what_is_removed_later_leaves_the_fast_way_open(filled):
    filled.rank(QUESTIONS[:2], "image", 5, ["none"])
    filled.remove(ids=["i1", "i2"])
    with filled.hold() as view:
        lane = filled.searcher._finder.lanes.of(view.snapshot(), filled.model.heads[0].space, Modality.IMAGE)
        assert (filled.searcher._finder.lanes.items(view, lane) >= 0).sum() == lane.live == 798
    assert filled.rank(QUESTIONS, "image", 900, ["none"])[:20] == one_by_one(filled, QUESTIONS[:20], 900)


def test_exact_duplicates_stand_in_the_order_in_which_they_were_added(tmp_path):
    rows = np.repeat(ROWS[:40], 50, axis=0)[RANDOM.permutation(2_000)]
    with mmsearch.open(tmp_path / "same", model="fake") as index:
        for start in (0, 700):
            index.add_vectors(rows[start : start + 1_300][: 700 if not start else None], modality="image",
                              ids=[str(n) for n in range(start, 700 if not start else 2_000)])  # fmt: skip
        queries = [Query.vector(row) for row in ROWS[:9]]
        ranked = index.rank(queries, "image", 30, ["none"])
        assert one_by_one(index, queries, 30) == ranked
    for query, ids in zip(range(9), ranked, strict=True):
        same = np.flatnonzero((rows == ROWS[query]).all(axis=1))
        assert ids == [str(n) for n in same[:30]], "thirty of fifty that are equally good: the first that were added"


def test_items_of_several_segments_are_ranked_once(tmp_path):
    with mmsearch.open(tmp_path / "sounds", model="fake") as index:
        index.add_items(
            [
                Record(id="long", audio=(tone("whistle", 40.0), 8000)),
                Record(id="short", audio=(tone("whistle", 2.0), 8000)),
                Record(id="low", audio=(tone("low", 2.0), 8000)),
            ]
        )
        assert index.counts().segments > 3
        ranked = index.rank([Query.text("whistle"), Query.text("low")], "audio", 10, ["none"])
        assert [sorted(row) for row in ranked] == [["long", "low", "short"]] * 2
        assert ranked[1][0] == "low"


def test_stored_items_ask_as_their_media_do(tmp_path):
    records = [Record(id=colour, image=picture(colour), text=f"so {colour}") for colour in ("red", "green", "blue")]
    records.append(Record(id="sound", audio=(tone("whistle", 40.0), 8000)))
    with mmsearch.open(tmp_path / "stored", model="fake") as index:
        index.add_items(records)
        number = {item.id: item.number for item in index.items()}
        for modality, ids in {
            Modality.IMAGE: ["blue", "red"], Modality.TEXT: ["green", "red"], Modality.AUDIO: ["sound"],
        }.items():  # fmt: skip
            kept = index.searcher.stored([number[id] for id in ids], modality)
            plain = [Query.record(modality, getattr(one, modality)) for id in ids for one in records if one.id == id]
            for target in ("image", "text", "audio"):
                _, stored = index.searcher.vectors(kept, target)
                _, asked = index.searcher.vectors(plain, target)
                np.testing.assert_allclose(stored, asked, atol=2e-3)  # features are kept in half precision
            expected = index.searcher.rank(plain, "image", 4, ("tags",))
            found = index.searcher.rank(kept, "image", 4, ("tags",))
            np.testing.assert_array_equal(found.items, expected.items)


def test_an_item_may_ask_twice(filled):
    numbers = {item.id: item.number for item in filled.items()}
    asking = filled.searcher.stored([numbers["i5"], numbers["i1"], numbers["i5"]], Modality.IMAGE)
    ranked = filled.searcher.keys(filled.searcher.rank(asking, "image", 1, ()))
    assert ranked == [["i5"], ["i1"], ["i5"]]


def test_no_questions(filled):
    assert filled.rank([], "image", 5) == []
    assert Ranking.empty(0, 5).items.shape == (0, 5)


def test_an_index_without_the_modality_has_no_answers(filled):
    assert filled.rank(QUESTIONS[:2], "text", 5, ["none"]) == [[], []]


def test_exact_search_asks_no_structure(tmp_path):
    pytest.importorskip("faiss")
    with mmsearch.open(tmp_path / "structured", model="fake") as index:
        index.add_vectors(np.concatenate([ROWS] * 3), modality="image", ids=[f"i{n}" for n in range(2_700)])
        index.add_vectors(ROWS[:100], modality="text")
        index.optimize(structure="hnsw", recall=0.5)
        asked = Modality.TEXT, Modality.IMAGE, 10
        assert index.searcher.asked(*asked)[0] is True
        assert index.rank(QUESTIONS[:40], "image", 10, ["none"]) == one_by_one(index, QUESTIONS[:40], 10)
        assert index.searcher.by(Exact).asked(*asked)[0] is False
