"""Which rerankers a direction has when nobody says."""

from dataclasses import replace

import numpy as np
import pytest
from made import picture

from mmsearch import Record
from mmsearch.search import defaults
from mmsearch.search.candidates import Candidates
from mmsearch.store.chains import Tuned
from mmsearch.types import Modality

IMAGE, TEXT, AUDIO = Modality.IMAGE, Modality.TEXT, Modality.AUDIO


@pytest.fixture
def some(index):
    index.add_items([Record(id=f"{n}", image=picture("red"), text="red") for n in range(3)])
    index.add_items([Record(id=colour, image=picture(colour), text=colour) for colour in ("blue", "green")])
    return index


def keep(index, asked, target, chain, version="1"):
    with index._store.writer() as writer:
        writer.keep_chains([Tuned(asked, target, "fake", version, chain, {})])


def test_each_target_has_its_own(some):
    keep(some, TEXT, IMAGE, "mmr:0.2")
    assert some.search("red", target="image").query["rerank"] == ["mmr:0.2"]
    assert some.search("red", target="text").query["rerank"] == []
    shown = some.search("red").query["rerank"]
    assert shown == {"image": ["mmr:0.2"], "text": [], "audio": []}
    assert some.search("red", rerank="none").query["rerank"] == []
    assert some.search("red", rerank="mmr").query["rerank"] == ["mmr"]


def test_what_arranges_the_list_is_parted_from_what_judges_candidates():
    chains = {("nnn", "mmr:0.5", "collapse"): (IMAGE,), ("nnn",): (TEXT,), ("mmr", "nnn"): (AUDIO,)}
    judging, arranging = defaults.parted(chains)
    assert judging == {("nnn",): (IMAGE, TEXT), ("mmr", "nnn"): (AUDIO,)}
    assert arranging == {("mmr:0.5", "collapse"): (IMAGE,), (): (TEXT, AUDIO)}


def test_questions_of_several_kinds_have_the_model_s(some):
    keep(some, TEXT, IMAGE, "mmr:0.2")
    found = some.search("red", image=picture("red"), target="image")
    assert found.query["rerank"] == []


def test_rank_and_search_agree(some):
    keep(some, TEXT, IMAGE, "mmr:0.2")
    hits = [hit.id for hit in some.search("red blue", target="image", k=5)]
    from mmsearch import Query

    assert some.rank([Query.text("red blue")], "image", 5) == [hits]
    assert some.rank([Query.text("red blue")], "image", 5, ["none"]) != [hits]


def test_what_a_model_has_for_a_direction_is_not_for_its_fits(some):
    model = replace(some.model, rerank=("tags",), rerank_by={(IMAGE, TEXT): ("tags", "nnn")})
    snapshot, (head,) = some._store.snapshot(), model.heads
    assert defaults.chain(snapshot, model, [IMAGE], TEXT, head.space) == ("tags", "nnn")
    assert defaults.chain(snapshot, model, [TEXT], IMAGE, head.space) == ("tags",)
    assert defaults.chain(snapshot, model, [], IMAGE, head.space) == ("tags",)

    class Fitted:
        space = replace(head.space, name="fake.fit-image")

    fitted = replace(model, fitted=(Fitted(),))
    assert defaults.chain(snapshot, fitted, [IMAGE], TEXT, Fitted.space) == ("tags",)
    assert defaults.chain(snapshot, fitted, [IMAGE], TEXT, head.space) == ("tags", "nnn")


class Reverse:
    """Turns the order around; the scores stay."""

    def rerank(self, query, found):
        return found.take(np.arange(len(found))[::-1], found.scores)


def test_a_chain_moves_candidates_of_its_own_modalities_only():
    kinds = np.array([IMAGE, TEXT, IMAGE, AUDIO, IMAGE, TEXT], object)
    scores = np.linspace(1, 0.5, 6, dtype=np.float32)
    before = Candidates(np.arange(6), np.arange(6) + 10, kinds, scores, scores)
    after = defaults._apart("reverse", Reverse(), None, before, [IMAGE, AUDIO])
    assert after.items.tolist() == [4, 1, 3, 2, 0, 5]
    np.testing.assert_allclose(after.scores, scores)
    assert after.history[0].places.tolist() == [5, 0, 4, 3, 1, 0]  # nothing to do with texts
    alone = defaults._apart("reverse", Reverse(), None, before, [Modality("audio")])
    assert alone.items.tolist() == before.items.tolist()
