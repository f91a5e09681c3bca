"""Hubness correction by the dynamic inverted softmax."""

import numpy as np
import pytest
from made_hubs import asked, unit

import mmsearch
from mmsearch.encoders.fake import DIM
from mmsearch.errors import QueryError
from mmsearch.search.rerank import qbnorm
from mmsearch.search.samples import Samples
from mmsearch.types import Modality

RANDOM = np.random.default_rng(1)


HUB = unit(np.ones((1, DIM)))
BANK = unit(RANDOM.standard_normal((300, DIM)) + 1.2 * HUB * DIM**0.5)  # all lean to the hub; fewer than are drawn
PICTURES = np.concatenate([unit(BANK[:150] - 0.75 * HUB + 0.1 * RANDOM.standard_normal((150, DIM))), HUB])
NAMES = [*(f"p{n}" for n in range(150)), "hub"]


@pytest.fixture(scope="module")
def hubby(tmp_path_factory):
    with mmsearch.open(tmp_path_factory.mktemp("qbnorm") / "hubby", model="fake") as index:
        index.add_vectors(PICTURES, modality="image", ids=NAMES)
        index.add_vectors(BANK, modality="audio", ids=[f"s{n}" for n in range(300)])
        yield index


def answers(index, chain, n=40):
    return index.searcher.keys(index.searcher.rank(asked(index, n), "image", len(PICTURES), chain))


def brute_force(questions, beta, activating, bank=BANK, pictures=PICTURES):
    """QB-Norm as the paper writes it, over all items; and which questions it is used for."""
    bank, pictures = bank.astype(np.float64), pictures.astype(np.float64)
    likeness = np.exp(beta * (bank @ pictures.T))
    activated = set(np.argsort(-likeness, axis=1)[:, :activating].ravel().tolist())
    rows, used = [], []
    for question in questions:
        cosines = pictures @ question.astype(np.float64)
        used.append(int(np.argmax(cosines)) in activated)
        values = np.exp(beta * cosines) / likeness.sum(axis=0) if used[-1] else cosines
        rows.append(np.argsort(-values, kind="stable").tolist())
    return rows, used


def named(rows):
    return [[NAMES[place] for place in row] for row in rows]


@pytest.mark.parametrize("beta", [5, 20, 60])
def test_the_order_is_that_of_the_definition(hubby, beta):
    assert answers(hubby, (f"qbnorm:{beta}",)) == named(brute_force(BANK[:40], beta, qbnorm.ACTIVATING)[0])


def test_a_question_whose_best_item_is_no_hub_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(qbnorm, "ACTIVATING", 1)  # as in the paper
    free = unit(RANDOM.standard_normal((60, DIM)))  # near to their own picture, and to nothing else
    sounds = np.concatenate([unit(RANDOM.standard_normal((440, DIM)) + 1.2 * HUB * DIM**0.5), free])
    more = unit(RANDOM.standard_normal((100, DIM)) + HUB * DIM**0.5)
    pictures = np.concatenate([unit(free + 0.05 * RANDOM.standard_normal(free.shape)), more])
    with mmsearch.open(tmp_path / "free", model="fake") as index:
        index.add_vectors(pictures, modality="image", ids=[str(n) for n in range(len(pictures))])
        index.add_vectors(sounds, modality="audio", ids=[f"s{n}" for n in range(len(sounds))])
        bank = Samples(index._store, index.model).of("audio", "fake")  # 400 of the 500
        numbers = {item.id: item.number for item in index.items()}
        questions = index.searcher.stored([numbers[f"s{n}"] for n in range(400, 500)], Modality.AUDIO)
        found, plain = (
            index.searcher.keys(index.searcher.rank(questions, "image", 160, chain)) for chain in (("qbnorm",), ())
        )
    expected, used = brute_force(sounds[400:], 20, qbnorm.ACTIVATING, bank, pictures)
    assert [[int(id) for id in row] for row in found] == expected
    assert 5 < used.count(False) < 95
    assert all(row == other for row, other, by_it in zip(found, plain, used, strict=True) if not by_it)
    assert not any(row == other for row, other, by_it in zip(found, plain, used, strict=True) if by_it)


def test_a_hub_that_is_near_to_everything_stands_back(hubby):
    plain, corrected = ([row[0] for row in answers(hubby, chain)] for chain in ((), ("qbnorm",)))
    assert plain.count("hub") > 15
    assert corrected.count("hub") < 5
    assert np.mean([id == f"p{n}" for n, id in enumerate(corrected)]) > 0.8


def test_the_activation_set_is_found_once_for_each_version(hubby, monkeypatch):
    answers(hubby, ("qbnorm",))
    monkeypatch.setattr(qbnorm, "exact", None)  # with which it is found
    answers(hubby, ("qbnorm:30",))


def test_sums_of_large_exponents_are_finite():
    found = qbnorm.log_sums(np.array([[1.0, 0.5], [-1.0, -1.0]], np.float32), 1000.0)
    np.testing.assert_allclose(found, [1000.0, -1000.0 + np.log(2)], rtol=1e-6)


@pytest.mark.parametrize("argument", ["x", "-1", "0", "nan", "inf", "1e9"])
def test_a_beta_that_makes_no_sense(hubby, argument):
    with pytest.raises(QueryError, match="qbnorm takes a number above 0"):
        hubby.search(vector=BANK[0], rerank=f"qbnorm:{argument}")
