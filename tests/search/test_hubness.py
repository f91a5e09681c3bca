"""What `nnn` and `qbnorm` have in common: they take off what an item owes to being near to everything, or nothing."""

import numpy as np
import pytest
from made import tone
from made_hubs import HUBS, PAIRS, asked, fill, rows

import mmsearch
from mmsearch import Query
from mmsearch.search.rerank.hubness import FEWEST

CHAINS = ["nnn", "qbnorm"]
SOUND = (tone("low"), 8000)


@pytest.fixture(scope="module")
def hubby(tmp_path_factory):
    with mmsearch.open(tmp_path_factory.mktemp("hubness") / "hubby", model="fake") as index:
        fill(index)
        yield index


@pytest.mark.parametrize("chain", CHAINS)
def test_scores_stay_and_candidates_too(hubby, chain):
    plain, corrected = (hubby.searcher.rank(asked(hubby, 5), "image", PAIRS + HUBS, steps) for steps in ((), (chain,)))
    np.testing.assert_allclose(plain.scores, corrected.scores, atol=1e-6)
    np.testing.assert_array_equal(np.sort(plain.items), np.sort(corrected.items))
    assert (np.diff(corrected.scores) <= 0).all()
    assert (plain.items != corrected.items).any(axis=1).all()


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("few", [0, FEWEST - 1, FEWEST])
def test_with_too_small_a_bank_nothing_changes(tmp_path, chain, few):
    with mmsearch.open(tmp_path / "few", model="fake") as index:
        fill(index)
        index.remove(ids=[f"s{n}" for n in range(few, PAIRS)])
        questions = asked(index, 5) if few else [Query.audio(SOUND)]
        plain, corrected = (index.searcher.rank(questions, "image", 99, one).items.tolist() for one in ("none", chain))
    assert (plain == corrected) is (few < FEWEST)


@pytest.mark.parametrize("chain", CHAINS)
def test_vectors_sums_and_what_is_not_wanted_are_left_alone(hubby, chain):
    sound = Query.audio(SOUND)
    for question in (Query.vector(rows()[1][0]), Query.text("red") + sound, -sound):
        plain, same = (hubby.search(question, target="image", k=40, rerank=one) for one in ("none", chain))
        assert len(plain) == 40 and [hit.id for hit in plain] == [hit.id for hit in same]
    plain, moved = (hubby.search(Query.item("s0"), target="image", k=40, rerank=one) for one in ("none", chain))
    assert [hit.id for hit in plain] != [hit.id for hit in moved]
