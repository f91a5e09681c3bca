"""Every way to search, measured side by side on one index."""

import json

import numpy as np
import pytest

import mmsearch
from mmsearch.encoders.fake import DIM
from mmsearch.evaluation.datasets import Dataset, Judgements
from mmsearch.evaluation.variants import NAMES, SHOWN
from mmsearch.search.ways import Quantised
from mmsearch.types import Modality, Record

IMAGE, TEXT, AUDIO = Modality.IMAGE, Modality.TEXT, Modality.AUDIO
PICTURES, QUESTIONS = 6_000, 60
RANDOM = np.random.default_rng(0)
BASIS = np.linalg.qr(RANDOM.standard_normal((DIM, 16)))[0].T
CENTRES = RANDOM.standard_normal((60, 16))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


ROWS = unit((CENTRES[RANDOM.integers(0, 60, PICTURES)] + 0.6 * RANDOM.standard_normal((PICTURES, 16))) @ BASIS)
ASKING = unit(ROWS[:QUESTIONS] + 0.06 * RANDOM.standard_normal((QUESTIONS, DIM)) - 0.4 * BASIS[1])


def dataset(target=IMAGE, name="p"):
    qrels = {f"t{n}": frozenset([f"{name}{n}"]) for n in range(QUESTIONS)}
    records = tuple(Record(id=f"t{n}", text=f"t {n}") for n in range(QUESTIONS))
    return Dataset("made", records, (Judgements(TEXT, target, qrels),))


def filled(path, rows):
    index = mmsearch.open(path, model="fake")
    index.add_vectors(rows, modality="image", ids=[f"p{n}" for n in range(len(rows))])
    index.add_vectors(ASKING, modality="text", ids=[f"t{n}" for n in range(QUESTIONS)])
    return index


@pytest.fixture(scope="module")
def structured(tmp_path_factory):
    """An index with a coarse structure."""
    pytest.importorskip("faiss")
    with filled(tmp_path_factory.mktemp("variants") / "index", ROWS) as index:
        index.optimize(structure="rabitq", recall=0.7)
        yield index


@pytest.fixture(scope="module")
def measured(structured):
    return {one.name: one for one in structured.trial(dataset()).variants(stored=True)["text->image"]}


def test_all_ways_are_told_in_a_fixed_order(measured):
    assert tuple(measured) == NAMES
    assert measured["reranked"].note == "fake has no rerankers of its own, and none were tuned"
    for one in (one for one in measured.values() if one.name != "reranked"):
        assert set(one.measures) == {measure.name for measure in SHOWN}
        assert one.seconds > 0
        for estimate in one.measures.values():
            assert estimate.interval.low <= estimate.value <= estimate.interval.high


def test_exact_is_what_an_evaluation_without_rerankers_finds(structured, measured):
    found = structured.evaluate(dataset(), rerank="none", stored=True).directions["text->image"].measures
    for name in ("hit@1", "hit@5", "hit@10", "recall@10", "ndcg@10"):
        assert measured["exact"].measures[name].value == found[name].value


def test_scoring_candidates_again_is_worth_something(measured):
    assert measured["exact"].recall is None
    assert 0.7 < measured["approximate"].recall <= 1
    assert measured["quantised"].recall < measured["approximate"].recall - 0.02
    assert measured["quantised"].measures["hit@1"].value <= measured["exact"].measures["hit@1"].value
    assert measured["approximate"].note.startswith("rabitq")


def test_the_order_of_codes_is_that_of_the_structure(structured):
    snapshot = structured._store.snapshot()
    (standing,) = [one for one in snapshot.structures if one.modality == "image"]
    nearest = structured.searcher.by(Quantised).nearest
    structure = nearest.structure(standing)
    proposed = structure.propose(ASKING[:20], 40, 8)[:, :10]
    found = nearest.way(snapshot, standing, structure).find(ASKING[:20], 10, 8, 40)
    again = structured.searcher.nearest.way(snapshot, standing, structure).find(ASKING[:20], 10, 8, 40)
    assert [one.offsets.tolist() for one in found] == proposed.tolist() != [one.offsets.tolist() for one in again]
    for one, labels in zip(found, proposed, strict=True):
        (number,) = set(one.shards.tolist())
        matrix = snapshot.by_id[number].matrix
        asked = ASKING[[np.array_equal(labels, other) for other in proposed].index(True)]
        np.testing.assert_allclose(one.cosines, np.sort(matrix[labels] @ asked)[::-1], atol=1e-6)


def test_merged_lists_gain_from_calibration(measured):
    raw, calibrated = (measured[f"merged, {how}"].measures["hit@10"].value for how in ("raw", "calibrated"))
    assert raw <= measured["exact"].measures["hit@10"].value
    assert calibrated >= raw
    assert measured["merged, raw"].note == "one list of image, text"


def test_without_a_structure_it_is_said_why(tmp_path):
    with filled(tmp_path / "small", ROWS[:80]) as index:
        found = {one.name: one for one in index.trial(dataset()).variants(stored=True)["text->image"]}
    assert tuple(found) == NAMES
    for name in ("approximate", "quantised"):
        assert not found[name].measures and found[name].seconds is None
        assert found[name].note == "the index has no structure for it; see `mmsearch optimize`"
    assert found["exact"].measures["hit@10"].value > 0.5


def test_with_one_modality_nothing_is_merged(tmp_path):
    with mmsearch.open(tmp_path / "one", model="fake") as index:
        index.add_vectors(ASKING, modality="text", ids=[f"t{n}" for n in range(QUESTIONS)])
        qrels = {f"t{n}": frozenset([f"t{n + 1}"]) for n in range(QUESTIONS - 1)}
        records = tuple(Record(id=f"t{n}", text=f"t {n}") for n in range(QUESTIONS))
        asked = Dataset("made", records, (Judgements(TEXT, TEXT, qrels),))
        found = {one.name: one for one in index.trial(asked).variants(stored=True)["text->text"]}
    assert found["merged, raw"].note == "there is one modality to find"
    assert found["exact"].measures["hit@1"].value < 1, "a text is never its own answer"


def test_merged_is_one_list_by_hand(tmp_path):
    rows = {"image": ROWS[:50], "text": ASKING[:30], "audio": ROWS[50:90]}
    with mmsearch.open(tmp_path / "three", model="fake") as index:
        for modality, some in rows.items():
            index.add_vectors(some, modality=modality, ids=[f"{modality[0]}{n}" for n in range(len(some))])
        qrels = {f"t{n}": frozenset([f"i{n}"]) for n in range(30)}
        records = tuple(Record(id=f"t{n}", text=f"t {n}") for n in range(30))
        asked = Dataset("made", records, (Judgements(TEXT, IMAGE, qrels),))
        found = {one.name: one for one in index.trial(asked).variants(stored=True)["text->image"]}
    everything = np.concatenate([rows["image"], rows["text"], rows["audio"]])
    scores = ASKING[:30] @ everything.T
    scores[np.arange(30), 50 + np.arange(30)] = -np.inf  # itself
    ranks = np.array([(row > row[n]).sum() + 1 for n, row in enumerate(scores)])
    assert found["merged, raw"].measures["hit@10"].value == (ranks <= 10).mean()
    assert found["merged, raw"].measures["mrr"].value == pytest.approx(np.where(ranks <= 10, 1 / ranks, 0).mean())


def test_json(measured):
    shown = json.loads(json.dumps([one.to_json() for one in measured.values()], allow_nan=False))
    assert shown[1]["name"] == "approximate"
    assert shown[1]["recall_of_exact@10"] == measured["approximate"].recall
