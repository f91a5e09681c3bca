"""How hits explain themselves."""

import pytest
from made import picture

from mmsearch import Record


@pytest.fixture
def four(index):
    """Two pictures that are the same and two others, added one by one: of equal ones, the first comes first."""
    for n, colour in enumerate(("red", "red", "blue", "green")):
        index.add_items([Record(id=f"{n}", image=picture(colour))])
    return index


def test_stages_tell_rank_and_score_after_each_step(four):
    lists = {chain: four.search("red red blue", rerank=chain) for chain in ("none", "tags", "tags,mmr:0.4")}
    for hit in four.search("red red blue", rerank="tags,mmr:0.4", explain=True):
        assert [stage.step for stage in hit.stages] == ["found", "tags", "mmr:0.4"]
        for stage, found in zip(hit.stages, lists.values(), strict=True):
            (there,) = [one for one in found if one.id == hit.id]
            assert (stage.rank, stage.score) == (there.rank, pytest.approx(there.score, abs=1e-6))
        assert hit.stages[0].used["route"] == ["text→image in fake"]
        assert hit.stages[0].used["cosine"] == pytest.approx(hit.cosine)


def test_what_steps_went_by(four):
    by_id = {hit.id: hit for hit in four.search("red red blue", rerank="tags,mmr:0.4", explain=True)}
    tags = {id: hit.stages[1].used for id, hit in by_id.items()}
    assert list(tags["0"]["classes"]) == ["red"] and list(tags["2"]["classes"]) == ["blue"]
    assert tags["0"]["added"] == pytest.approx(tags["0"]["classes"]["red"], abs=1e-3)
    assert tags["0"]["added"] > tags["2"]["added"] > tags["3"]["added"]
    first, second = by_id["0"].stages[-1], by_id["1"].stages[-1]
    assert first.used == {}
    assert second.used == {"likeness": pytest.approx(1), "like rank": 1}
    assert by_id["2"].stages[-1].used == {}  # like nothing that stands before it


def test_without_a_chain_there_is_what_was_found(full):
    found = full.search("red", rerank="none", lexical="off", explain=True)
    assert [[stage.step for stage in hit.stages] for hit in found] == [["found"]] * len(found)
    assert [hit.stages[0].rank for hit in found] == [hit.rank for hit in found]


def test_nothing_is_told_that_nobody_asked_for(full):
    assert [hit.stages for hit in full.search("red", rerank="tags,mmr")] == [()] * 8
