"""Hubness correction by nearest-neighbour normalisation."""

import numpy as np
import pytest
from made_hubs import asked, unit

import mmsearch
from mmsearch import Query, Record
from mmsearch.encoders.fake import DIM
from mmsearch.errors import QueryError
from mmsearch.search.rerank import bank, nnn
from mmsearch.search.rerank.base import Context

RANDOM = np.random.default_rng(0)


HUB = unit(np.ones((1, DIM)))
SOUNDS = unit(RANDOM.standard_normal((300, DIM)) + 1.5 * HUB * DIM**0.5)  # all lean to the hub
PICTURES = np.concatenate([unit(SOUNDS[:40] - 0.75 * HUB + 0.1 * RANDOM.standard_normal((40, DIM))), HUB])
NAMES = [*(f"p{n}" for n in range(40)), "hub"]


@pytest.fixture
def hubby(tmp_path):
    """Forty pictures, each the answer to a sound, and one that is near to all sounds."""
    with mmsearch.open(tmp_path / "hubby", model="fake") as index:
        index.add_vectors(PICTURES, modality="image", ids=NAMES)
        index.add_vectors(SOUNDS, modality="audio", ids=[f"s{n}" for n in range(300)])
        yield index


def firsts(index, chain):
    return [row[0] for row in index.searcher.keys(index.searcher.rank(asked(index, 40), "image", 5, chain))]


def test_a_hub_that_is_near_to_everything_stands_back(hubby):
    plain, corrected = firsts(hubby, ()), firsts(hubby, ("nnn",))
    assert plain.count("hub") > 20
    assert corrected.count("hub") < 10
    assert np.mean([id == f"p{n}" for n, id in enumerate(corrected)]) > 0.7


def test_the_order_is_that_of_the_definition(hubby):
    snapshot = hubby._store.snapshot()
    (sounds,) = snapshot.of("vectors", "fake", "1", "audio")
    likeness = np.sort(PICTURES @ np.asarray(sounds.matrix).T, axis=1)  # all 300 are the bank: there are fewer than 400
    bias = 0.5 * likeness[:, -nnn.NEIGHBOURS :].mean(axis=1)
    expected = np.argsort(-(SOUNDS[:6] @ PICTURES.T - bias), axis=1, kind="stable")
    found = hubby.searcher.keys(hubby.searcher.rank(asked(hubby, 6), "image", 41, ("nnn:0.5",)))
    assert found == [[NAMES[place] for place in row] for row in expected]


def test_alpha_of_zero_changes_nothing(hubby):
    assert firsts(hubby, ("nnn:0",)) == firsts(hubby, ())


def test_the_bank_is_made_once_for_each_version(hubby, monkeypatch):
    made = []
    monkeypatch.setattr(bank, "Samples", lambda *context, real=bank.Samples: made.append(1) or real(*context))
    for _ in range(3):
        firsts(hubby, ("nnn",))
    assert len(made) == 1
    hubby.add_vectors(HUB, modality="image", ids=["again"])
    firsts(hubby, ("nnn",))
    assert len(made) == 2


def test_what_is_known_of_an_item_is_not_found_out_again(hubby, monkeypatch):
    looked = []
    real = Context.vectors_of
    monkeypatch.setattr(
        Context, "vectors_of", lambda self, target, segments: looked.extend(segments) or real(self, target, segments)
    )
    first = firsts(hubby, ("nnn",))
    assert len(looked) == len(set(looked)) == len(PICTURES)
    assert firsts(hubby, ("nnn:0.75",)) == first
    assert len(looked) == len(PICTURES)


def test_an_item_is_not_judged_by_its_likeness_to_itself(hubby):
    view = hubby._store.snapshot()
    (sounds,) = view.of("vectors", "fake", "1", "audio")
    rows = np.asarray(sounds.matrix)
    likeness = rows @ rows.T
    np.fill_diagonal(likeness, -1)
    bias = np.sort(likeness, axis=1)[:, -nnn.NEIGHBOURS :].mean(axis=1)
    expected = np.argsort(-(rows[3] @ rows.T - 0.75 * bias), kind="stable")[:20]
    (found,) = hubby.searcher.keys(hubby.searcher.rank(asked(hubby, 4)[3:], "audio", 20, ("nnn",)))
    assert found == [f"s{place}" for place in expected]


@pytest.mark.parametrize("made", [True, False])
def test_texts_are_corrected_with_made_captions_or_stored_texts(hubby, monkeypatch, made):
    monkeypatch.setattr(bank, "_captions", {})
    captions = tuple(f"a {colour} thing {n}" for n in range(25) for colour in ("red", "blue"))
    monkeypatch.setattr("mmsearch.captions.bank_if_installed", lambda *_, **__: captions if made else ())
    hubby.add_items(Record(id=f"t{n}", text=text) for n, text in enumerate([] if made else captions))
    _, questions = hubby.searcher.vectors([Query.text(text) for text in captions], "image")
    likeness = np.sort(PICTURES @ questions.T, axis=1)
    biases = dict(zip(NAMES, 0.75 * likeness[:, -nnn.NEIGHBOURS :].mean(axis=1), strict=True))
    found = hubby.search("a red whistle", target="image", k=5, rerank="nnn", explain=True)
    assert len(found) == 5
    assert {hit.id: hit.stages[-1].used["bias"] for hit in found} == pytest.approx(
        {hit.id: biases[hit.id] for hit in found}, abs=2e-3
    )


@pytest.mark.parametrize("argument", ["x", "-0.1", "1.1", "nan"])
def test_an_alpha_that_makes_no_sense(hubby, argument):
    with pytest.raises(QueryError, match="nnn takes a number from 0 to 1"):
        hubby.search(vector=SOUNDS[0], rerank=f"nnn:{argument}")
