"""A folder for each class, with and without splits."""

import os

import pytest
from made_datasets import media, text, texts

from mmsearch.errors import DatasetError
from mmsearch.evaluation.datasets import read


def test_folders_are_labels(tmp_path):
    media(tmp_path, "red_rose/1.jpg", "red_rose/deep/2.png", "daisy/1.jpg", "rain/1.wav")
    text(tmp_path / "daisy" / "notes.txt", "not a picture")
    media(tmp_path / ".thumbs", "1.jpg")
    dataset = read(tmp_path)
    assert texts(dataset, "image") == {
        "image:daisy/1.jpg": ["daisy"],
        "image:red_rose/1.jpg": ["red rose"],
        "image:red_rose/deep/2.png": ["red rose"],
    }
    assert texts(dataset, "audio") == {"audio:rain/1.wav": ["rain"]}
    assert dataset.records[0].image == tmp_path / "daisy" / "1.jpg"
    assert (dataset.split, dataset.warnings) == (None, ())


@pytest.fixture
def split(tmp_path):
    return media(tmp_path, *(f"{name}.jpg" for name in ("train/cat/1", "train/dog/2", "val/cat/3", "val/dog/1")))


def test_folders_of_class_folders_are_splits_and_val_is_measured_where_there_is_no_test(split):
    dataset = read(split)
    assert dataset.split == "val"
    assert texts(dataset, "image") == {"image:val/cat/3.jpg": ["cat"], "image:val/dog/1.jpg": ["dog"]}
    assert dataset.warnings == ("only the split val is taken; there are also: train",)
    assert len(texts(read(split, split="all"), "image")) == 4
    with pytest.raises(DatasetError, match=r"no split 'test'; there are: train \(2\), val \(2\)"):
        read(split, split="test")


def test_a_class_that_is_called_train_is_a_class(tmp_path):
    media(tmp_path, "train/1.wav", "church_bells/1.wav")
    assert texts(read(tmp_path), "audio") == {
        "audio:train/1.wav": ["train"],
        "audio:church_bells/1.wav": ["church bells"],
    }


def test_files_outside_of_class_folders_are_counted(split):
    media(split, "logo.png")
    assert read(split, split="val").warnings == ("files outside of class folders left out: 1",)


def test_names_that_are_no_text_are_counted(tmp_path):
    media(tmp_path, "cat/1.jpg", "dog/1.jpg")
    (tmp_path / "cat" / "1.jpg").rename(tmp_path / "cat" / os.fsdecode(b"\xff.jpg"))
    dataset = read(tmp_path)
    assert list(texts(dataset, "image")) == ["image:dog/1.jpg"]
    assert dataset.warnings == ("files whose names are no text left out: 1",)


@pytest.mark.parametrize(
    ("names", "held"),
    [
        ([], "in none are pictures"),
        (["1.jpg", "2.jpg"], "in none are pictures"),
        (["cat/1.jpg", "cat/2.jpg"], "in cat are pictures"),
        (["val2017/1.jpg", "train2017/2.jpg"], "in train2017, val2017 are pictures"),
        (["images/1.jpg", "audio/2.wav"], "in audio, images are pictures"),
    ],
)
def test_what_holds_no_classes_is_refused_and_what_was_looked_for_is_named(tmp_path, names, held):
    media(tmp_path, *names)
    with pytest.raises(DatasetError, match=rf"nothing to evaluate with: no file is called dataset_\*.json, .*{held}"):
        read(tmp_path)
