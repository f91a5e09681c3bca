"""What items say of their own media, and what a dataset says of them."""

import json

import numpy as np
import pytest
from made import RATE, picture, tone
from made_pairs import caption, painting, paintings
from PIL import Image

import mmsearch
from mmsearch import Record
from mmsearch.errors import DatasetError, FitError
from mmsearch.evaluation.datasets import read
from mmsearch.fitting.matching import FIELDS, texts_of
from mmsearch.types import Modality

IMAGE, AUDIO = Modality.IMAGE, Modality.AUDIO


def said(index, dataset=None, fields=FIELDS):
    """Texts by medium and id; and what was left out."""
    with index.hold() as view:
        found, warnings = texts_of(view, index.items, dataset, fields)
    ids = {item.number: item.id for item in index.items()}
    return {medium: {ids[n]: texts for n, texts in of_it.items()} for medium, of_it in found.items()}, warnings


def folder_of(path, count, split=True, first=0):
    """Pictures on disk and a manifest of their captions, the first three quarters of them for training."""
    path.mkdir()
    random, entries = np.random.default_rng(first), []
    for number in range(count):
        pixels, names = painting(random)
        Image.fromarray(pixels).save(path / f"{first + number}.png")
        part = {"split": "train" if number < count * 3 // 4 else "test"} if split else {}
        texts = [caption(random, names) for _ in range(2)]
        entries.append({"image": f"{first + number}.png", "captions": texts, **part})
    (path / "pairs.json").write_text(json.dumps(entries))
    return entries


def test_captions_are_in_metadata_and_in_texts_of_the_same_item(index):
    index.add_items(
        [
            Record(id="a", image=picture("red"), metadata={"caption": "rot", "title": "Bild", "size": 3}),
            Record(id="b", image=picture("blue"), text="ein blaues Bild", metadata={"captions": ["blau", 7, "tief"]}),
            Record(id="c", image=picture("green")),
            Record(id="d", text="only a text", metadata={"caption": "no picture"}),
            Record(id="e", audio=(tone("low"), RATE), metadata={"label": "brumm", "description": None}),
            Record(id="f", image=picture("red"), metadata={"caption": "  "}),
        ]
    )
    found, warnings = said(index)
    assert found == {
        IMAGE: {"a": ["rot", "Bild"], "b": ["blau", "tief", "ein blaues Bild"]},
        AUDIO: {"e": ["brumm"]},
    }
    assert warnings == ()


def test_what_the_model_guessed_is_not_learnt_from(index):
    index.add_items([Record(id="a", image=picture("red"), metadata={"label": "rot"})])
    index.add_items([Record(id="b", image=picture("blue"), metadata={"size": 3})])
    index.tag("red,blue")
    for fields in (FIELDS, ("label",)):
        assert said(index, fields=fields)[0] == {IMAGE: {"a": ["rot"]}}


def test_fields_can_be_named(index):
    index.add_items([Record(id="a", image=picture("red"), metadata={"caption": "rot", "was": "eine Farbe"})])
    assert said(index, fields=("was",))[0] == {IMAGE: {"a": ["eine Farbe"]}}
    with pytest.raises(FitError, match=r"name a file of pairs, or the field .* \(looked for: nothing, such\)"):
        said(index, fields=("nothing", "such"))


def test_a_folder_with_a_sidecar_is_fitted_as_it_is(index, tmp_path):
    entries = folder_of(tmp_path / "photos", 50)
    lines = [json.dumps({"file_name": one["image"], "caption": one["captions"][0]}) for one in entries]
    (tmp_path / "photos" / "metadata.jsonl").write_text("\n".join(lines))
    (tmp_path / "photos" / "pairs.json").unlink()
    index.add([tmp_path / "photos"])
    (outcome,) = index.fits.learn()
    assert outcome.learnt.media == 50 and outcome.learnt.texts == len({one["captions"][0] for one in entries})


def test_the_order_in_which_files_were_indexed_does_not_matter(tmp_path):
    versions = set()
    for name, order in (("one", 1), ("two", -1)):
        with mmsearch.open(tmp_path / name, model="fake") as index:
            for record in list(paintings(40))[::order]:
                index.add_items([record])
            (outcome,) = index.fits.learn(force=True)
            versions.add(outcome.learnt.fit.version)
    assert len(versions) == 1


def test_a_dataset_speaks_of_media_that_the_index_holds(index, tmp_path):
    entries = folder_of(tmp_path / "photos", 8, split=False)
    index.add([tmp_path / "photos"])
    index.remove(paths=[tmp_path / "photos" / "3.png", tmp_path / "photos" / "5.png"])
    found, warnings = said(index, read(tmp_path / "photos" / "pairs.json"))
    assert warnings == ("not in the index and left out: 2 of 8",)
    assert sorted(found[IMAGE].values()) == sorted(e["captions"] for n, e in enumerate(entries) if n not in (3, 5))


def test_a_dataset_of_media_that_are_not_indexed(index, tmp_path):
    folder_of(tmp_path / "photos", 4, split=False)
    index.add_items(paintings(2))
    with pytest.raises(FitError, match="holds none of the 4 pictures and sounds of .*: index them first"):
        said(index, read(tmp_path / "photos" / "pairs.json"))


def test_a_dataset_without_pairs(index, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps([{"text": "a", "topics": ["t"]}, {"text": "b", "topics": ["t"]}]))
    with pytest.raises(FitError, match="has no picture and no sound with a text: there is nothing to learn from"):
        said(index, read(tmp_path / "x.json"))


def test_the_part_for_training_is_learnt_from(index, tmp_path):
    folder_of(tmp_path / "photos", 60)
    index.add([tmp_path / "photos"])
    (outcome,) = index.fits.learn(tmp_path / "photos" / "pairs.json")
    assert (outcome.learnt.media, outcome.learnt.texts <= 90, outcome.name) == (45, True, "pairs")
    assert outcome.card["data"] == "pairs" and len(outcome.card["data_sha256"]) == 64
    with pytest.raises(FitError, match="15 images with texts are too few"):
        index.fits.learn(tmp_path / "photos" / "pairs.json", split="test")
    with pytest.raises(DatasetError, match="dev"):
        index.fits.learn(tmp_path / "photos" / "pairs.json", split="dev")
    with pytest.raises(DatasetError):
        index.fits.learn(tmp_path / "missing.json")


def test_pictures_and_sounds_get_a_fit_each(index):
    pitches, random = ("low", "middle", "high", "whistle"), np.random.default_rng(0)
    index.add_items(paintings(45))
    for number in range(45):
        one, other = random.choice(pitches, 2, replace=False)
        sound = np.concatenate([tone(one, 1.0 + 0.5 * random.random()), 0.2 * tone(other, 1.0)])
        index.add_items([Record(id=f"s{number}", audio=(sound, RATE), metadata={"caption": f"ton{one} x{number}"})])
    outcomes = index.fits.learn(force=True)
    assert [one.name for one in outcomes] == ["own-image", "own-audio"]
    ways = {
        (asked, target): index.search(**{asked: part}, target=target, k=1)[0].why[0]
        for asked, part in (("text", "tonlow"), ("image", picture("red")), ("audio", (tone("low"), RATE)))
        for target in ("image", "audio")
    }
    assert ways == {
        ("text", "image"): "text→image in fake.fit-image", ("text", "audio"): "text→audio in fake.fit-audio",
        ("image", "image"): "image→image in fake", ("image", "audio"): "image→audio in fake",
        ("audio", "image"): "audio→image in fake", ("audio", "audio"): "audio→audio in fake",
    }  # fmt: skip
    both = index.search("rot", target=("image", "audio"), k=90)
    assert {hit.modality for hit in both} == {IMAGE, AUDIO}
    assert list(index.verify()) == []
    assert {index.fits.undo()[0], index.fits.undo()[0]} == {"own-image", "own-audio"}
    assert list(index.verify()) == []


def test_a_few_sounds_do_not_stand_in_the_way_of_the_pictures(index):
    index.add_items(paintings(45))
    index.add_items([Record(id="s", audio=(tone("low"), RATE), metadata={"caption": "ein ton"})])
    (outcome,) = index.fits.learn()
    assert outcome.learnt.fit.medium is IMAGE and outcome.installed
    (warning,) = outcome.card["warnings"]
    assert warning.startswith("left out: 1 audios with texts are too few")


def test_too_few_pairs(index):
    index.add_items(paintings(39))
    with pytest.raises(FitError, match="39 images with texts are too few"):
        index.fits.learn()
    assert index.fits.kept() == ()


def test_media_that_the_model_cannot_encode(tmp_path):
    """They are no part of the index: a dataset of them has nothing that it holds."""
    import dataclasses

    from mmsearch.encoders.fake import fake
    from mmsearch.engine import Index
    from mmsearch.identity import identity
    from mmsearch.store.store import Store

    deaf = dataclasses.replace(fake(), inputs=dataclasses.replace(fake().inputs, audio=None))
    folder = tmp_path / "sounds"
    folder.mkdir()
    import soundfile

    soundfile.write(folder / "a.wav", tone("low"), RATE)
    (folder / "pairs.json").write_text(json.dumps([{"audio": "a.wav", "captions": ["tief"]}]))
    with Index(Store.create(tmp_path / "index", identity(deaf)), deaf) as index:
        index.add([folder])
        with pytest.raises(FitError, match="holds none of the 1 pictures and sounds of"):
            index.fits.learn(folder / "pairs.json")
