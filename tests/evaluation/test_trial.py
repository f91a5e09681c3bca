"""An open index and its dataset: the same figures each time, and where they come from."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from made import picture

import mmsearch
from mmsearch import Record
from mmsearch.encoders.fake import COLOURS
from mmsearch.evaluation import model
from mmsearch.evaluation.datasets import Dataset, Judgements
from mmsearch.types import Modality

IMAGE, TEXT = Modality.IMAGE, Modality.TEXT


@pytest.fixture
def manifest(tmp_path):
    """Ten pictures with two captions each."""
    for colour in COLOURS:
        picture(colour).save(tmp_path / f"{colour}.png")
    rows = [{"image": f"{one}.png", "captions": [f"something {one}", f"{one} and nothing"]} for one in COLOURS]
    (tmp_path / "data.json").write_text(json.dumps(rows))
    return tmp_path / "data.json"


def told(evaluation):
    return json.dumps(evaluation.to_json(), allow_nan=False)


def test_the_same_command_gives_the_same(manifest):
    assert told(mmsearch.evaluate(manifest, "fake")) == told(mmsearch.evaluate(manifest, "fake"))


def test_provenance_says_what_the_figures_depend_on(manifest):
    found = mmsearch.evaluate(manifest, "fake", rerank="mmr:0.5").provenance
    assert found["dataset"]["sha256"] == hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert found["dataset"]["name"].endswith("data.json")
    assert found["model"]["name"] == "fake" and "weights" in found["model"] and "spaces" in found["model"]
    assert found["settings"] == {"rerank": ["mmr:0.5"], "stored": False, "depth": 1_000, "seed": 0}
    assert found["structures"] == found["fits"] == []
    assert found["versions"]["numpy"] == np.__version__
    assert str(manifest.parent) not in json.dumps(found | {"dataset": {}}), "no folder, and no temporary one"


def test_a_dataset_in_memory_is_known_by_what_it_says(manifest):
    captions = [Record(id=f"t{n}", text=one) for n, one in enumerate(COLOURS)]
    pictures = [Record(id=one, image=manifest.parent / f"{one}.png") for one in COLOURS]
    qrels = {f"t{n}": frozenset([one]) for n, one in enumerate(COLOURS)}
    dataset = Dataset("mine", (*captions, *pictures), (Judgements(TEXT, IMAGE, qrels),))
    graded = replace(dataset, judgements=(Judgements(TEXT, IMAGE, qrels, {"t1": {"white": 3}}),))
    hashes = [mmsearch.evaluate(one, "fake").provenance["dataset"]["sha256"] for one in (dataset, dataset, graded)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_structures_are_part_of_it(tmp_path):
    pytest.importorskip("faiss")
    rows = np.random.default_rng(0).standard_normal((2_000, 64)).astype(np.float32)
    with mmsearch.open(tmp_path / "index", model="fake") as index:
        index.add_vectors(rows, modality="image", ids=[f"p{n}" for n in range(2_000)])
        index.add_vectors(rows[:50], modality="text", ids=[f"t{n}" for n in range(50)])
        index.optimize(structure="hnsw", recall=0.5)
        records = tuple(Record(id=f"t{n}", text="t") for n in range(50))
        qrels = {f"t{n}": frozenset([f"p{n}"]) for n in range(50)}
        found = index.evaluate(Dataset("d", records, (Judgements(TEXT, IMAGE, qrels),)), stored=True)
    (structure,) = [one for one in found.provenance["structures"] if one["modality"] == "image"]
    assert structure["space"] == "fake"
    assert structure["recipe"].startswith("hnsw")
    assert set(structure["asked"]["text"]) == {"effort", "fetch", "recall"}
    assert found.directions["text->image"].measures["hit@1"].value > 0.9


def test_stored_vectors_give_the_figures_of_asking_anew(manifest):
    with model.trial(manifest, "fake") as trial:
        asked, stored = (trial.evaluate(stored=stored) for stored in (False, True))
    assert stored.directions == asked.directions
    assert stored.directions["text->image"].run.items.tolist() == asked.directions["text->image"].run.items.tolist()


def test_records_are_found_by_their_ids_or_their_files(manifest):
    with mmsearch.open(manifest.parent / "index", model="fake") as index:
        index.add([manifest.parent / f"{one}.png" for one in COLOURS])
        found = index.evaluate(manifest)
        assert list(found.directions) == ["text->image"] and found.directions["text->image"].queries == 20
        index.add_items([Record(id="caption:1.1", text="something black")])
        found = index.evaluate(manifest).directions
        assert found["image->text"].run.asked == ("image:black.png",), "its picture, found by the file, asks for it"
        assert found["image->text"].run.items[0, 0] == "caption:1.1"
    with model.trial(manifest, "fake") as trial:
        by_id = trial.index.evaluate(manifest)
        assert by_id.directions == trial.evaluate().directions


def test_a_run_keeps_what_a_report_needs(manifest):
    with model.trial(manifest, "fake") as trial:
        run = trial.evaluate(keep=4).directions["image->text"].run
    assert (run.query, run.target, run.direction, len(run)) == (IMAGE, TEXT, "image->text", 10)
    assert run.items.shape == run.scores.shape == (10, 4)
    assert set(run.items[0, :2]) == {"caption:1.1", "caption:1.2"}
    assert run.relevant[0] == {"caption:1.1": 1, "caption:1.2": 1}
    assert len(run.relevant_scores) == len(run.judged.ranks) == 20
    assert run.relevant_scores[:2].tolist() == run.scores[0, :2].tolist()
    assert run.unjudged == ()


def test_captions_of_one_picture_are_one_group(manifest):
    with model.trial(manifest, "fake") as trial:
        found = trial.evaluate()
    assert found.directions["text->image"].run.groups.tolist() == np.repeat(np.arange(10), 2).tolist()
    assert found.directions["image->text"].run.groups.tolist() == list(range(10))
