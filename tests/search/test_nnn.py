"""Hubness correction by nearest-neighbour normalisation."""

import numpy as np
import pytest
from made import tone

import mmsearch
from mmsearch import Query
from mmsearch.encoders.fake import DIM
from mmsearch.errors import QueryError
from mmsearch.search.rerank import bank, hubness, nnn
from mmsearch.search.rerank.base import Context
from mmsearch.types import Modality

RANDOM = np.random.default_rng(0)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


HUB = unit(np.ones((1, DIM)))
SOUNDS = unit(RANDOM.standard_normal((300, DIM)) + 1.5 * HUB * DIM**0.5)  # all lean to the hub
PICTURES = np.concatenate([unit(SOUNDS[:40] - 0.75 * HUB + 0.1 * RANDOM.standard_normal((40, DIM))), HUB])


@pytest.fixture
def hubby(tmp_path):
    """Forty pictures, each the answer to a sound, and one that is near to all sounds."""
    with mmsearch.open(tmp_path / "hubby", model="fake") as index:
        index.add_vectors(PICTURES, modality="image", ids=[*(f"p{n}" for n in range(40)), "hub"])
        index.add_vectors(SOUNDS, modality="audio", ids=[f"s{n}" for n in range(300)])
        yield index


def asked(index, n):
    numbers = {item.id: item.number for item in index.items()}
    return index.searcher.stored([numbers[f"s{one}"] for one in range(n)], Modality.AUDIO)


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
    names = [*(f"p{n}" for n in range(40)), "hub"]
    assert found == [[names[place] for place in row] for row in expected]


def test_alpha_of_zero_changes_nothing(hubby):
    assert firsts(hubby, ("nnn:0",)) == firsts(hubby, ())


def test_scores_stay_and_candidates_too(hubby):
    plain, corrected = (hubby.searcher.rank(asked(hubby, 5), "image", 41, chain) for chain in ((), ("nnn",)))
    np.testing.assert_allclose(np.sort(plain.scores), np.sort(corrected.scores), atol=1e-6)
    np.testing.assert_array_equal(np.sort(plain.items), np.sort(corrected.items))
    assert (np.diff(corrected.scores) <= 0).all()


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


def test_texts_are_corrected_with_made_captions_or_stored_texts(hubby):
    found = hubby.search("a red whistle", target="image", k=5, rerank="nnn")
    assert len(found) == 5
    assert "before nnn" in found[0].why[-1]


@pytest.mark.parametrize("few", [0, hubness.FEWEST - 1])
def test_with_too_small_a_bank_nothing_changes(tmp_path, few):
    with mmsearch.open(tmp_path / "few", model="fake") as index:
        index.add_vectors(PICTURES, modality="image")
        if few:
            index.add_vectors(SOUNDS[:few], modality="audio")
        sound = Query.audio((np.sin(np.arange(16_000, dtype=np.float32)), 8000))
        assert index.rank([sound], "image", 41, ["nnn"]) == index.rank([sound], "image", 41, ["none"])


def test_vectors_and_questions_of_several_modalities_are_left_alone(hubby):
    for question in ({"vector": SOUNDS[0]}, {"text": "red", "audio": (tone("low"), 8000)}):
        plain, corrected = (hubby.search(**question, target="image", rerank=chain) for chain in ("none", "nnn"))
        assert [hit.id for hit in plain] == [hit.id for hit in corrected]


@pytest.mark.parametrize("argument", ["x", "-0.1", "1.1", "nan"])
def test_an_alpha_that_makes_no_sense(hubby, argument):
    with pytest.raises(QueryError, match="nnn takes a number from 0 to 1"):
        hubby.search(vector=SOUNDS[0], rerank=f"nnn:{argument}")
