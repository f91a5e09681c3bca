"""Evaluation against an index whose rankings are known."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mmsearch.errors import DatasetError
from mmsearch.evaluation import questions as module
from mmsearch.evaluation.datasets import Dataset, Judgements
from mmsearch.evaluation.evaluate import evaluate
from mmsearch.evaluation.truth import match
from mmsearch.search.ranking import Ranking
from mmsearch.types import Modality, Record

IMAGE, TEXT, AUDIO = Modality.IMAGE, Modality.TEXT, Modality.AUDIO


@dataclass
class Item:
    id: str
    modalities: tuple[Modality, ...]
    path: Path | None = None
    number: int = 0


@dataclass
class FakeIndex:
    """Ranks items as a table says; what the table does not name follows in the order of the items."""

    contents: list[Item]
    answers: dict[object, list[str]] = field(default_factory=dict)
    calls: list[tuple] = field(default_factory=list)
    model_name: str = "table"
    all_alike: bool = False

    @property
    def searcher(self):
        return self

    def items(self):
        for number, item in enumerate(self.contents):
            item.number = 10 + 3 * number
            yield item

    def rank(self, queries, target, depth, chain):
        self.calls.append((len(queries), target, depth, chain))
        numbers = {item.id: item.number for item in self.contents}
        ranking = Ranking.empty(len(queries), depth)
        for row, query in zip(ranking.items, queries, strict=True):
            ids = self.ranked(query, target)[:depth]
            row[: len(ids)] = [numbers[id] for id in ids]
        ranking.scores[:] = np.where(ranking.items >= 0, 0.5 if self.all_alike else -np.arange(depth), np.nan)
        return ranking

    def ranked(self, query, target):
        (asked,) = (part.content for part in query.parts)
        there = [item.id for item in self.contents if target in item.modalities]
        first = [id for id in self.answers.get(asked, []) if id in there]
        return first + [id for id in there if id not in first]


def captions():
    """Three pictures; the first has two captions."""
    pictures = {name: Path(f"{name}.jpg") for name in ("p", "q", "r")}
    texts = {"p1": "one", "p2": "two", "q1": "three", "r1": "four"}
    records = (
        *(Record(id=id, image=path) for id, path in pictures.items()),
        *(Record(id=id, text=text) for id, text in texts.items()),
    )
    text_to_image = {id: frozenset(id[0]) for id in texts}
    image_to_text = {name: frozenset(id for id in texts if id[0] == name) for name in pictures}
    judgements = (Judgements(TEXT, IMAGE, text_to_image), Judgements(IMAGE, TEXT, image_to_text))
    return Dataset("captions", records, judgements, ("a warning of the reader",))


def full(dataset, answers=None):
    contents = [Item(r.id, (TEXT,) if r.text else (IMAGE,)) for r in dataset.records]
    return FakeIndex(contents, answers or {})


def test_measures_follow_the_ranking():
    dataset = captions()
    # Ranks of the right picture: one 1, two 1, three 3, four 2.
    index = full(dataset, {"one": ["p"], "two": ["p"], "three": ["p", "r", "q"], "four": ["q", "r"]})
    result = evaluate(index, dataset)
    found = result.directions["text->image"]
    value = {name: estimate.value for name, estimate in found.measures.items()}
    assert found.queries == 4
    assert value["hit@1"] == 0.5
    assert value["hit@5"] == 1
    assert value["mrr"] == value["map"] == pytest.approx((1 + 1 + 1 / 3 + 1 / 2) / 4)
    assert value["median_rank"] == 1.5
    # Texts stand in the order p1 p2 q1 r1 for every picture.
    value = {name: estimate.value for name, estimate in result.directions["image->text"].measures.items()}
    assert value["hit@1"] == pytest.approx(1 / 3)
    assert value["recall@1"] == pytest.approx((1 / 2 + 0 + 0) / 3)
    assert value["map"] == pytest.approx((1 + 1 / 3 + 1 / 4) / 3)
    assert (result.items, result.model, result.depth) == (7, "table", 1_000)
    assert result.warnings == ("a warning of the reader",)


def test_json_is_what_is_promised():
    dataset = captions()
    found = json.loads(json.dumps(evaluate(full(dataset), dataset).to_json(), allow_nan=False))
    assert list(found) == ["directions", "warnings", "depth", "model", "items", "provenance"]
    assert list(found["directions"]) == ["text->image", "image->text"]
    measures = [
        "hit@1", "hit@5", "hit@10", "recall@1", "recall@5", "recall@10", "precision@5", "precision@10", "ndcg@10",
        "r_precision", "mrr", "map", "median_rank", "mean_rank",
    ]  # fmt: skip
    for direction in found["directions"].values():
        assert list(direction) == ["queries", *measures, "intervals"]
        assert list(direction["intervals"]) == measures
        for name, (low, high) in direction["intervals"].items():
            assert low <= direction[name] <= high


def test_an_infinite_median_rank_is_null_in_json():
    dataset = captions()
    index = full(dataset, {text: ["q", "r", "p"] for text in ("one", "two")})
    result = evaluate(index, dataset, depth=1)
    assert result.directions["text->image"].measures["median_rank"].value == math.inf
    found = result.to_json()["directions"]["text->image"]
    assert found["median_rank"] is None
    assert found["intervals"]["median_rank"][1] is None


def test_rerankers_depth_and_batches_reach_the_index(monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 3)
    index, told = full(captions()), []
    evaluate(index, captions(), depth=50, rerank=["tags"], progress=lambda *step: told.append(step))
    assert [call[0] for call in index.calls] == [3, 1, 3]
    assert {call[3] for call in map(lambda call: (*call[:3], tuple(call[3])), index.calls)} == {("tags",)}
    assert all(call[2] >= 50 for call in index.calls)
    assert told == [("text->image", 3, 4), ("text->image", 4, 4), ("image->text", 3, 3)]


def test_batches_do_not_change_the_result(monkeypatch):
    dataset = captions()
    index = full(dataset, {"three": ["q"]})
    expected = evaluate(index, dataset)
    monkeypatch.setattr(module, "_BATCH", 1)
    assert evaluate(index, dataset) == expected


def test_the_run_is_cut_at_depth():
    dataset = captions()
    index = full(dataset, {"three": ["p", "q"], "four": ["p", "q", "r"]})
    cut = evaluate(index, dataset, depth=2).directions["text->image"].measures
    assert cut["mrr"].value == pytest.approx((1 + 1 + 1 / 2 + 0) / 4)
    assert cut["hit@5"].value == 3 / 4


def test_records_that_failed_to_index_are_neither_asked_nor_expected():
    dataset = captions()
    index = full(dataset)
    index.contents = [item for item in index.contents if item.id not in ("q", "p2")]
    result = evaluate(index, dataset)
    assert result.directions["text->image"].queries == 2  # p1, r1
    assert result.directions["image->text"].queries == 2  # p, r
    assert result.directions["image->text"].measures["recall@1"].value == 0.5  # p has only p1 left, and it is first
    assert result.warnings[1:] == (
        "not in the index and left out: 2 of 7, the first: q",
        "text->image: queries left out, they or their answers are not in the index: 2, the first: p2",
        "image->text: queries left out, they or their answers are not in the index: 1, the first: q",
    )


def topics():
    """Three pictures and a picture with a text, all of one topic."""
    records = (*(Record(id=id, image=Path(f"{id}.jpg")) for id in "abc"), Record(id="t", image=Path("t.jpg"), text="t"))
    others = {id: frozenset("abct") - {id} for id in "abct"}
    from_text = {"t": frozenset("abc")}
    return Dataset("topics", records, (Judgements(IMAGE, IMAGE, others), Judgements(TEXT, IMAGE, from_text)))


def test_an_item_is_never_its_own_answer():
    dataset = topics()
    contents = [Item("x", (IMAGE,)), *(Item(id, (IMAGE,)) for id in "abc"), Item("t", (IMAGE, TEXT))]
    selves = {Path(f"{id}.jpg"): [id, *(set("abct") - {id}), "x"] for id in "abct"}
    result = evaluate(FakeIndex(contents, {**selves, "t": ["t", "a", "b", "c"]}), dataset, depth=3)
    for direction in ("image->image", "text->image"):
        measures = result.directions[direction].measures
        assert measures["map"].value == measures["recall@5"].value == 1, "the item itself takes no place in the depth"


def test_an_index_built_without_the_dataset_is_matched_by_path(tmp_path):
    dataset = captions()
    records = tuple(Record(id=r.id, image=tmp_path / r.image) if r.image else r for r in dataset.records)
    dataset = Dataset(dataset.name, records, dataset.judgements)
    (tmp_path / "link").symlink_to(tmp_path)
    contents = [
        Item("17", (IMAGE,), tmp_path / "p.jpg"),
        Item("18", (IMAGE,), tmp_path / "link" / "q.jpg"),
        Item("19", (IMAGE,), tmp_path / "another.jpg"),
        Item("20", (TEXT,)),
    ]
    found = match(dataset, contents)
    assert found == {"p": "17", "q": "18"}
    result = evaluate(FakeIndex(contents, {"three": ["19", "18"]}), dataset, match=found)
    assert list(result.directions) == ["text->image"]
    assert result.directions["text->image"].queries == 3  # both captions of p, the one of q
    assert result.directions["text->image"].measures["mrr"].value == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert result.items == 4
    assert result.warnings == (
        "not in the index and left out: 1 of 3, the first: r",
        "text->image: queries left out, they or their answers are not in the index: 1, the first: r1",
        "image->text left out: its questions or all their answers are not in the index",
    )


def test_an_index_with_nothing_of_the_dataset_is_refused():
    with pytest.raises(DatasetError, match="captions: the index holds none of"):
        evaluate(FakeIndex([Item("z", (AUDIO,))]), captions(), match={})


def test_an_item_without_segments_of_the_target_modality_is_no_answer():
    dataset = captions()
    index = full(dataset)
    index.contents = [Item(i.id, (TEXT,)) if i.id == "p" else i for i in index.contents]
    result = evaluate(index, dataset)
    assert result.directions["text->image"].queries == 2


def test_equal_scores_do_not_depend_on_the_order_of_adding():
    """Ids decide: items are added in the order in which they were decoded, which is another one every time."""
    records = (Record(id="q", text="which"), *(Record(id=id, image=Path(id)) for id in "abcd"))
    dataset = Dataset("made", records, (Judgements(TEXT, IMAGE, {"q": frozenset("c")}),))
    places = set()
    for order in ("abcd", "dcba", "cadb"):
        index = FakeIndex([Item("q", (TEXT,)), *(Item(id, (IMAGE,)) for id in order)], all_alike=True)
        run = evaluate(index, dataset).directions["text->image"].run
        places.add((run.judged.ranks.tolist()[0], "".join(run.items[0])))
    assert places == {(3, "abcd")}
