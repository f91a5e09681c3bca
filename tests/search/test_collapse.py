"""Hits that are nearly the same."""

import numpy as np
import pytest
from made import picture

import mmsearch
from mmsearch import Record
from mmsearch.encoders.fake import DIM
from mmsearch.errors import QueryError

RANDOM = np.random.default_rng(0)


def near(row, cosine):
    """A unit vector with that cosine to `row`."""
    other = RANDOM.standard_normal(DIM)
    other -= (other @ row) * row
    return cosine * row + (1 - cosine**2) ** 0.5 * other / np.linalg.norm(other)


@pytest.fixture
def copies(tmp_path):
    """Six pictures of everything between a copy and none, and a text with the vector of the first."""
    first, second = np.eye(DIM)[:2]
    rows = np.array([first, near(first, 0.99), near(first, 0.98), near(first, 0.9), second, near(second, 0.995)])
    with mmsearch.open(tmp_path / "copies", model="fake") as index:
        index.add_vectors(rows, modality="image", ids=["a", "a99", "a98", "a90", "b", "b995"])
        index.add_vectors(rows[:1], modality="text", ids=["text"])
        yield index


def test_copies_become_one_hit_that_says_what_it_stands_for(copies):
    asked = np.eye(DIM)[0] + 0.3 * np.eye(DIM)[1]
    plain = copies.search(vector=asked, target="image", rerank="none")
    found = copies.search(vector=asked, target="image", rerank="collapse")
    assert [hit.id for hit in plain if hit.id in {one.id for one in found}] == [hit.id for hit in found]
    same = {hit.id: set(hit.same) for hit in found}
    kept = plain[0].id
    assert same[kept] == {"a", "a99", "a98"} - {kept}
    assert same["a90"] == set()
    assert sorted(map(len, same.values())) == [0, 1, 2]
    assert [hit.rank for hit in found] == [1, 2, 3]
    by_id = {hit.id: hit for hit in plain}
    assert all(hit.score == pytest.approx(by_id[hit.id].score) for hit in found)


def test_the_cosine_is_the_argument(copies):
    asked = np.eye(DIM)[0]
    counts = {
        argument: len(copies.search(vector=asked, target="image", rerank=f"collapse:{argument}"))
        for argument in ("0.999", "0.985", "0.85")
    }
    assert counts == {"0.999": 6, "0.985": 4, "0.85": 2}


def test_pictures_are_compared_by_features_where_they_are_stored(index):
    mixed = picture("red")
    mixed.paste(picture("blue", (64, 20)), (0, 28))  # a cosine of .81 to all red, as features and as vectors
    index.add_items([Record(id="red", image=picture("red")), Record(id="mixed", image=mixed)])
    (found,) = index.search("red", target="image", rerank="collapse", explain=True)
    assert found.same == ("mixed",) and 0.8 < found.stages[-1].used["likeness"] < 0.9
    rows = np.eye(DIM)[[0, 0]] + [[0] * DIM, [0, 0.7] + [0] * (DIM - 2)]
    with mmsearch.open(index.folder.with_name("bare"), model="fake") as bare:
        bare.add_vectors(rows, modality="image")
        assert len(bare.search(vector=rows[0], rerank="collapse")) == 2


def test_modalities_are_not_folded_into_each_other(copies):
    found = copies.search(vector=np.eye(DIM)[0], rerank="collapse")
    assert {"a", "text"} <= {hit.id for hit in found}


def test_a_list_is_filled_from_behind_the_copies(index):
    index.add_items([Record(id=f"red{n}", image=picture("red")) for n in range(30)])
    index.add_items([Record(id=f"{c}", image=picture(c)) for c in ("blue", "green", "grey")])
    found = index.search("red blue", target="image", k=3, rerank="tags,collapse", explain=True)
    assert len(found) == 3
    assert found[0].id.startswith("red") and len(found[0].same) == 29
    assert found[0].stages[-1].used == {"likeness": pytest.approx(1.0, abs=1e-3)}
    assert found[1].stages[-2].rank > found[1].stages[-1].rank == 2


@pytest.mark.parametrize("argument", ["0", "x", "1.1", "nan"])
def test_a_cosine_that_makes_no_sense(copies, argument):
    with pytest.raises(QueryError, match="collapse takes a cosine"):
        copies.search("red", rerank=f"collapse:{argument}")
