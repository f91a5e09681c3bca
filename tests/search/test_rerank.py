import numpy as np
import pytest
from made import picture

from mmsearch import Record
from mmsearch.encoders.base import TagWeights
from mmsearch.errors import QueryError
from mmsearch.search import rerank
from mmsearch.search.candidates import Candidates
from mmsearch.search.rerank.base import Context
from mmsearch.types import Modality


def candidates(n):
    scores = np.linspace(1, 0, n, dtype=np.float32)
    ids = np.arange(n) + 100
    return Candidates(ids, ids + 1000, np.array([Modality.IMAGE] * n, object), scores, scores)


class Reverse:
    def rerank(self, query, found):
        return found.rescored(-found.scores)


def test_only_the_pool_is_reordered_and_the_rest_follows_in_order():
    n = rerank.POOL + 50
    before = candidates(n)
    after = rerank.apply([("reverse", Reverse())], None, before)
    np.testing.assert_array_equal(after.items[: rerank.POOL], before.items[: rerank.POOL][::-1])
    np.testing.assert_array_equal(after.items[rerank.POOL :], before.items[rerank.POOL :])
    assert (np.diff(after.scores) <= 0).all()
    (past,) = after.history
    assert (past.name, past.places[0], past.places[-1]) == ("reverse", rerank.POOL, n)
    np.testing.assert_array_equal(past.scores, before.scores[past.places - 1])


class FoldPairs:
    """Folds every second candidate into the one before it."""

    def rerank(self, query, found):
        return found.folded(np.arange(len(found)) // 2 * 2)


def test_what_is_folded_into_others_leaves_the_list_and_the_tail_stays_whole():
    n = rerank.POOL + 3
    after = rerank.apply([("fold", FoldPairs()), ("reverse", Reverse()), ("fold", FoldPairs())], None, candidates(n))
    assert len(after) == rerank.POOL // 4 + 2  # the tail of three has come into the pool, and been folded to two
    assert sorted(after.items.tolist() + [item for same in after.same for item in same or ()]) == list(
        range(100, 100 + n)
    )
    assert (after.items[1], after.same[1]) == (300, (298, 299))
    assert [past.name for past in after.history] == ["fold", "reverse", "fold"]


def test_notes_follow_their_candidates():
    before = candidates(4)
    assert before.noted([{}] * 4).history == ()  # nobody would show them
    noted = before.remember("step").noted([{"n": n} for n in range(4)]).take([2, 0, 3, 1])
    joined = noted.join(candidates(1).remember("step")).head(5)
    assert [note and note["n"] for note in joined.history[0].notes] == [2, 0, 3, 1, None]


def test_errors_show_the_place_the_nearest_names_and_what_there_is(full):
    with pytest.raises(QueryError) as caught:
        full.search("red", rerank=" tags, mrr:0.7,nnn")
    said, chain, caret = str(caught.value).splitlines()
    assert "no reranker 'mrr'; did you mean mmr" in said and "mmr[:WEIGHT]" in said
    assert chain[caret.index("^") :].startswith("mrr:0.7")
    with pytest.raises(QueryError) as caught:
        full.search("red", rerank=["tags", "mmr:2"])
    said, chain, caret = str(caught.value).splitlines()
    assert "mmr takes a number from 0 to 1, not '2'" in said
    assert chain[caret.index("^") :] == "mmr:2"


def test_how_many_may_stand_right_behind_the_name(full):
    assert rerank.names("cross@5,mmr") == ("cross@5", "mmr")
    context = Context(full._store, full._store.snapshot(), full.model, {})
    short, long, other = (vars(rerank.make(chain, context)[0][1]) for chain in ("cross@5", "cross:@5", "cross:@6"))
    assert short == long != other
    with pytest.raises(QueryError, match="cross judges from 1 to 200 candidates, not 0"):
        rerank.names("cross@0")
    with pytest.raises(QueryError, match="the reranker exact takes no argument, not '@5'"):
        rerank.names("exact@5")


@pytest.mark.parametrize("chain", ["none:1", "tags,none", "none,none"])
def test_none_takes_no_argument_and_stands_alone(chain):
    with pytest.raises(QueryError, match="none takes no argument and stands alone"):
        rerank.names(chain)
    assert rerank.names("none") == rerank.names(" none ,") == rerank.names(["none"]) == ()
    assert rerank.names(iter(["tags", "mmr"])) == ("tags", "mmr")


def test_each_reranker_can_be_made(full):
    for name, entry in rerank.RERANKERS.items():
        assert rerank.make(name, Context(full._store, full._store.snapshot(), full.model, {}))[0][0] == name
        assert (":" in entry.takes) == bool(entry.takes)


def test_reranking_nothing():
    assert len(rerank.apply([("reverse", Reverse())], None, candidates(0))) == 0


def test_none_and_empty_chains_do_nothing(full):
    assert [h.id for h in full.search("red", rerank="none")] == [h.id for h in full.search("red", rerank=[])]


def test_mmr_prefers_what_is_new(index):
    index.add_items(
        [
            Record(id="red1", image=picture("red")),
            Record(id="red2", image=picture("red")),
            Record(id="blue", image=picture("blue")),
        ]
    )
    plain = [hit.id for hit in index.search("red red blue", target="image", rerank="none")]
    assert set(plain[:2]) == {"red1", "red2"}
    diverse = index.search("red red blue", target="image", rerank="mmr:0.4")
    assert diverse[1].id == "blue"
    assert [hit.score for hit in diverse] == sorted((hit.score for hit in diverse), reverse=True)
    assert any("before mmr:0.4" in why for why in diverse[1].why)
    assert [hit.id for hit in index.search("red red blue", target="image", rerank="mmr:1")] == plain


def test_tags_reorder_a_modality_and_keep_its_scores(index, monkeypatch):
    index.add_items([Record(id=colour, image=picture(colour)) for colour in ("red", "blue", "green")])
    plain = index.search("red blue", target="image", rerank="none")
    tagger = index.model.tagger
    monkeypatch.setattr(
        type(tagger), "tags", lambda self, features, modality, vocabulary: _only_green(features, modality)
    )
    monkeypatch.setattr(type(tagger), "weights", lambda self, query, target: TagWeights(0.9, 1.0, 0.1))
    tagged = index.search("red blue", target="image", rerank="tags")
    assert tagged[0].id == "green"
    np.testing.assert_allclose([h.score for h in tagged], [h.score for h in plain], atol=1e-6)
    assert {h.id: h.cosine for h in tagged} == {h.id: h.cosine for h in plain}


def _only_green(features, modality):
    if modality is Modality.TEXT:
        return np.array([[0.0, 1.0]], np.float32)
    green = features.argmax(axis=1) == 4  # its place among the fake model's colours
    return np.stack([~green, green], axis=1).astype(np.float32)
