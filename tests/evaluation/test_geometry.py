"""The geometry of a space against a plain reading of its definitions."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made import RATE, picture, tone

import mmsearch
from mmsearch.evaluation import geometry
from mmsearch.evaluation.datasets import Dataset, Judgements
from mmsearch.evaluation.geometry.gap import gaps
from mmsearch.evaluation.geometry.hubness import hubness
from mmsearch.evaluation.geometry.merged import merged
from mmsearch.evaluation.geometry.pairs import cosines, split
from mmsearch.evaluation.geometry.plane import plane
from mmsearch.evaluation.geometry.scores import scores
from mmsearch.evaluation.trial import Trial
from mmsearch.search.query import Query
from mmsearch.types import Modality, Record

IMAGE, TEXT, AUDIO = Modality.IMAGE, Modality.TEXT, Modality.AUDIO
COLOURS = ("red", "green", "blue", "yellow", "black")


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def random_rows(n, seed, shift=0.0):
    return unit(np.random.default_rng(seed).standard_normal((n, 64)) + shift).astype(np.float32)


def fake_space(index):
    return index.model.heads[0].space


# -- the modality gap


def test_the_gap_is_that_of_the_live_vectors(index):
    rows = {IMAGE: random_rows(40, 1, 0.4), TEXT: random_rows(30, 2), AUDIO: random_rows(20, 3, -0.2)}
    for modality, some in rows.items():
        index.add_vectors(some, modality=modality, ids=[f"{modality}{n}" for n in range(len(some))])
    index.remove(ids=[f"image{n}" for n in range(10)])
    rows[IMAGE] = rows[IMAGE][10:]
    with index.hold() as view:
        found = {(gap.one, gap.other): gap for gap in gaps(view.snapshot(), [fake_space(index)])}
    assert set(found) == {(IMAGE, TEXT), (IMAGE, AUDIO), (TEXT, AUDIO)}
    for (one, other), gap in found.items():
        x, y = rows[one].astype(np.float64), rows[other].astype(np.float64)
        assert gap.distance == pytest.approx(np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)), abs=1e-6)
        assert gap.across == pytest.approx((x @ y.T).mean(), abs=1e-6)
        assert gap.within == pytest.approx(((x @ x.T).mean(), (y @ y.T).mean()), abs=1e-6)


def test_there_is_no_gap_with_one_modality_or_none(index):
    with index.hold() as view:
        assert gaps(view.snapshot(), [fake_space(index)]) == ()
    index.add_vectors(random_rows(5, 1), modality=IMAGE)
    with index.hold() as view:
        assert gaps(view.snapshot(), [fake_space(index)]) == ()


# -- hubness


def counted(answers, items, k):
    return sorted((sum(id in row[:k] for row in answers.tolist()) for id in items), reverse=True)


def test_occurrences_and_their_moments():
    random = np.random.default_rng(0)
    items = [f"i{n}" for n in range(200)]
    weights = random.dirichlet(np.full(200, 0.3))
    answers = np.array(
        [random.choice(items, 20, replace=False, p=weights * 0.99 + 0.01 / 200) for _ in range(150)], object
    )
    found = hubness(answers, items)
    counts = counted(answers, items, 10)
    mean = sum(counts) / 200
    deviation = math.sqrt(sum((n - mean) ** 2 for n in counts) / 200)
    assert found.occurrences.tolist() == counts
    assert found.skewness == pytest.approx(sum((n - mean) ** 3 for n in counts) / 200 / deviation**3)
    assert found.never == counts.count(0) / 200
    assert (found.k, found.queries, found.items, found.largest) == (10, 150, 200, counts[0])
    assert [times for _, times in found.hubs] == [n for n in counts if n > mean + 2 * deviation][:4]
    assert all(sum(id in row[:10] for row in answers.tolist()) == times for id, times in found.hubs)


def test_chance_is_binomial():
    q, n, p = 40, 300, 10 / 300
    mass = [math.comb(q, m) * p**m * (1 - p) ** (q - m) for m in range(q + 1)]
    mean = sum(m * x for m, x in enumerate(mass))
    spread = math.sqrt(sum((m - mean) ** 2 * x for m, x in enumerate(mass)))
    found = hubness(np.full((q, 10), "", object), [str(m) for m in range(n)])
    assert found.chance_never == pytest.approx(mass[0])
    assert found.chance_skewness == pytest.approx(sum((m - mean) ** 3 * x for m, x in enumerate(mass)) / spread**3)


def test_short_lists_have_no_hub_without_a_name():
    found = hubness(np.array([["a", "", ""], ["a", "b", ""], ["", "", ""]], object), [*"abcdefghij"] * 10)
    assert found.hubs[0][0] == "a"
    assert "" not in dict(found.hubs)


def test_of_few_items_fewer_are_looked_at():
    answers = np.array([list("abcdefghijkl")] * 3, object)
    found = hubness(answers, [*"abcdefghijkl"])
    assert found.k == 1, "twelve items: with ten of them every item would be a hub"
    assert found.occurrences.tolist() == [3] + [0] * 11


def test_items_that_appear_alike_are_not_skewed():
    found = hubness(np.array([["a"], ["b"]], object), ["a", "b"])
    assert (found.skewness, found.hubs) == (0.0, ())


# -- scores


def test_auc_counts_pairs_and_halves_ties():
    random = np.random.default_rng(3)
    right, other = (np.round(random.normal(m, 1, 80), 1).astype(np.float32) for m in (0.5, 0))
    found = scores(right, other)
    expected = np.mean([[(a > b) + (a == b) / 2 for b in other] for a in right])
    assert found.auc == pytest.approx(expected)
    assert found.relevant.mean == pytest.approx(right.mean(), abs=1e-6)
    assert found.others.deviation == pytest.approx(other.std(), abs=1e-6)
    assert found.histograms.sum(axis=1) == pytest.approx([1, 1])
    inside = (right >= found.edges[10]) & (right < found.edges[20])
    assert found.histograms[0, 10:20].sum() == pytest.approx(inside.mean())


def test_scores_need_pairs_of_both_kinds():
    assert scores(np.empty(0, np.float32), np.ones(3, np.float32)) is None
    assert scores(np.ones(3, np.float32), np.empty(0, np.float32)) is None


def test_equal_scores_are_no_error():
    assert scores(np.ones(3, np.float32), np.ones(4, np.float32)).auc == 0.5


# -- pairs


def test_cosines_are_those_of_the_best_segment(index, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.concatenate([tone("low", 20), tone("whistle", 20)]), RATE)
    index.add_items([Record(id="long", audio=tmp_path / "long.wav"), Record(id="text", text="a low whistle")])
    index.add_vectors(random_rows(300, 4), modality=AUDIO, ids=[f"v{n}" for n in range(300)])
    index.remove(ids=["v7"])
    space, questions = fake_space(index), random_rows(6, 5)
    with index.hold() as view:
        shards = view.snapshot().of("vectors", space.name, space.version, AUDIO)
        assert sum(shard.live for shard in shards) > 300 + 1, "the sound has several windows"
        found = cosines(view, shards, questions, ["v299", "long", "text", "v7", "v0", "nobody"])
        windows = np.concatenate([np.asarray(shard.matrix) for shard in shards])[:-300] @ questions.T
    rows = random_rows(300, 4)
    assert found[:, 0] == pytest.approx(questions @ rows[299], abs=1e-6)
    assert found[:, 4] == pytest.approx(questions @ rows[0], abs=1e-6)
    assert found[:, 1] == pytest.approx(windows.max(axis=0), abs=1e-6)
    assert np.isnan(found[:, [2, 3, 5]]).all(), "no sound, removed, and not there"


def test_pairs_are_scored_as_a_search_scores_them(index, dataset):
    index.add_items(dataset.records)
    ids = [record.id for record in dataset.records if record.image]
    questions = [Query.text("a red thing"), Query.text("all black and blue")]
    space, vectors = index.searcher.vectors(questions, IMAGE)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1])
    with index.hold() as view:
        shards = view.snapshot().of("vectors", space.name, space.version, IMAGE)
        found = cosines(view, shards, vectors, ids)
    for question, row in zip(questions, found, strict=True):
        searched = {hit.id: hit.cosine for hit in index.search(question, target="image", lexical="off")}
        assert dict(zip(ids, row.tolist(), strict=True)) == pytest.approx(searched, abs=1e-6)


def test_stored_questions_are_those_that_are_asked(index, dataset):
    index.add_items(dataset.records)
    numbers = {item.id: item.number for item in index.items()}
    texts = [record for record in dataset.records if record.text]
    asked = [Query.text(record.text) for record in texts]
    stored = index.searcher.stored([numbers[record.id] for record in texts], TEXT)
    assert index.searcher.vectors(stored, IMAGE)[1] == pytest.approx(index.searcher.vectors(asked, IMAGE)[1], abs=1e-3)


def test_nothing_is_compared_where_there_is_nothing(index):
    with index.hold() as view:
        assert np.isnan(cosines(view, (), random_rows(2, 0), ["a"])).all()


def test_a_question_is_no_pair_with_itself():
    table = np.array([[1.0, 0.5, 0.25, np.nan], [0.1, 0.2, 0.3, 0.4]], np.float32)
    right, others = split(table, ["a", "b", "c", "d"], [["b", "d"], ["c", "z"]], ["a", None], {"a", "b", "c"})
    assert right.tolist() == pytest.approx([0.5, 0.3])
    assert others.tolist() == pytest.approx([0.25, 0.1, 0.2])  # d was only asked for as a right answer


# -- the plane


def test_the_plane_keeps_what_lies_in_two_directions(index):
    angles = np.random.default_rng(6).uniform(0, 2 * np.pi, 60)
    rows = np.zeros((60, 64), np.float32)
    rows[:, 5], rows[:, 50], rows[:, 9] = 0.8 * np.cos(angles), 0.6 * np.sin(angles), 0.3
    rows = unit(rows)
    items = {IMAGE: [f"i{n}" for n in range(40)], TEXT: [f"t{n}" for n in range(20)]}
    index.add_vectors(rows[:40], modality=IMAGE, ids=items[IMAGE])
    index.add_vectors(rows[40:], modality=TEXT, ids=items[TEXT])
    with index.hold() as view:
        found = plane(view, fake_space(index), items, seed=1)
        again = plane(view, fake_space(index), items, seed=1)
    points = np.concatenate([found.points[IMAGE], found.points[TEXT]])
    variances = np.sort(np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2)[::-1]
    assert found.explained == pytest.approx(variances[:2] / variances.sum(), rel=1e-4)
    assert {m: len(some) for m, some in found.points.items()} == {IMAGE: 40, TEXT: 20}
    assert np.square(points).sum(axis=0) == pytest.approx(variances[:2], rel=1e-4)
    assert all(np.array_equal(found.points[m], again.points[m]) for m in found.points)


def test_a_space_of_two_vectors_has_no_plane(index):
    index.add_vectors(random_rows(2, 0), modality=IMAGE, ids=["a", "b"])
    with index.hold() as view:
        assert plane(view, fake_space(index), {IMAGE: ["a", "b"]}) is None
        assert plane(view, fake_space(index), {TEXT: ["a", "b"]}) is None


def test_equal_vectors_are_a_point(index):
    index.add_vectors(np.repeat(random_rows(1, 0), 5, axis=0), modality=IMAGE, ids=[*"abcde"])
    with index.hold() as view:
        found = plane(view, fake_space(index), {IMAGE: [*"abcde"]})
    assert found.points[IMAGE] == pytest.approx(np.zeros((5, 2)), abs=1e-6)
    assert np.isfinite(found.explained).all()


# -- everything at once


def test_the_share_that_each_modality_takes(index):
    index.add_items([Record(id=f"t{n}", text=f"red {word}") for n, word in enumerate("abcdefghijkl")])
    index.add_items([Record(id=f"p{n}", image=np.full((8, 8, 3), (20, 20, 230), np.uint8)) for n in range(4)])
    index.add_items([Record(id="own", text="red")])
    held = {IMAGE: 4, TEXT: 13}
    found = merged(index.searcher, TEXT, [(Query.text("red"), "own")], held)
    assert found.shares == {IMAGE: 0.0, TEXT: 1.0}
    assert found.held == {IMAGE: 4 / 17, TEXT: 13 / 17}
    blue = merged(index.searcher, TEXT, [(Query.text("blue"), None)], held)
    assert blue.shares == {IMAGE: 0.4, TEXT: 0.6}
    assert sum(found.shares.values()) == sum(found.held.values()) == 1


def test_questions_whose_files_are_gone_are_left_out(index, tmp_path):
    index.add_items([Record(id="t", text="red")])
    picture("red").save(tmp_path / "red.png")
    questions = [(Query.image(tmp_path / name), None) for name in ("red.png", "gone.png")]
    assert merged(index.searcher, IMAGE, questions, {TEXT: 1}).queries == 1


def test_an_empty_index_answers_nothing(index):
    assert merged(index.searcher, TEXT, [(Query.text("red"), None)], {}) is None


# -- all of it, on made media


@pytest.fixture
def dataset(tmp_path):
    """Pictures of one colour, two captions each."""
    records, asked = [], {}
    for colour in COLOURS:
        picture(colour).save(tmp_path / f"{colour}.png")
        records.append(Record(id=colour, image=tmp_path / f"{colour}.png"))
        for n, text in enumerate((f"a {colour} thing", f"{colour} all over")):
            records.append(Record(id=f"{colour}{n}", text=text))
            asked[f"{colour}{n}"] = frozenset({colour})
    back = {colour: frozenset({f"{colour}0", f"{colour}1"}) for colour in COLOURS}
    return Dataset("made", tuple(records), (Judgements(TEXT, IMAGE, asked), Judgements(IMAGE, TEXT, back)))


def test_the_order_of_adding_changes_nothing(index, dataset, tmp_path):
    index.add_items(dataset.records)
    found = geometry.measure(index, dataset, Trial(index, dataset).evaluate())
    with mmsearch.open(tmp_path / "backwards", model="fake") as other:
        other.add_items(dataset.records[::-1])
        again = geometry.measure(other, dataset, Trial(other, dataset).evaluate())
    (one,), (two,) = found.planes, again.planes
    assert all(np.array_equal(points, two.points[modality]) for modality, points in one.points.items())
    assert again.scores["text->image"].to_json() == found.scores["text->image"].to_json()


def test_everything_is_measured(index, dataset):
    index.add_items(dataset.records)
    evaluation = Trial(index, dataset).evaluate()
    found = geometry.measure(index, dataset, evaluation)
    told = found.to_json()
    assert [(gap["between"], gap["space"]) for gap in told["gaps"]] == [(["image", "text"], "fake")]
    assert list(told["hubness"]) == list(told["scores"]) == ["text->image", "image->text"]
    assert told["hubness"]["image->text"]["items"] == 10
    assert told["scores"]["text->image"]["relevant"]["pairs"] == 10
    assert told["scores"]["text->image"]["others"]["pairs"] == 10 * 5 - 10
    assert told["scores"]["text->image"]["auc"] == 1.0, "the fake model knows its colours"
    assert [one["query"] for one in told["merged"]] == ["text", "image"]
    assert geometry.measure(index, dataset, evaluation).to_json() == told


def test_samples_bound_what_is_looked_at(index, dataset, monkeypatch):
    index.add_items(dataset.records)
    evaluation = Trial(index, dataset).evaluate()
    monkeypatch.setattr(geometry, "QUESTIONS", 4)
    monkeypatch.setattr(geometry, "ANSWERS", 1)
    monkeypatch.setattr(geometry, "ITEMS", 2)
    monkeypatch.setattr(geometry, "MERGED", 3)
    found = geometry.measure(index, dataset, evaluation)
    assert found.scores["image->text"].relevant.pairs <= 4 * 2
    assert found.scores["image->text"].others.pairs <= 4 * (4 + 2)
    assert [one.queries for one in found.merged] == [3, 3]


def test_texts_ask_an_index_without_them(index, dataset):
    index.add_items([Record(id=f"there {r.id}", image=r.image) for r in dataset.records if r.image])
    match = {colour: f"there {colour}" for colour in COLOURS}
    evaluation = Trial(index, dataset, match=match).evaluate()
    assert list(evaluation.directions) == ["text->image"]
    found = geometry.measure(index, dataset, evaluation, match=match)
    assert found.scores["text->image"].auc == 1.0
    assert found.merged == (), "there is one modality only"
    assert found.gaps == ()


def test_an_item_of_several_media_is_not_its_own_answer(index, tmp_path):
    for n in range(3):
        picture("red").save(tmp_path / f"{n}.png")
    records = tuple(Record(id=f"r{n}", image=Path(tmp_path / f"{n}.png")) for n in range(3))
    others = {f"r{n}": frozenset({f"r{m}" for m in range(3) if m != n}) for n in range(3)}
    dataset = Dataset("alike", records, (Judgements(IMAGE, IMAGE, others),))
    index.add_items(records)
    index.add_items([Record(id="blue", image=np.full((8, 8, 3), (20, 20, 230), np.uint8))])
    found = geometry.measure(index, dataset, Trial(index, dataset).evaluate()).scores["image->image"]
    assert (found.relevant.pairs, found.others.pairs) == (6, 3)
