"""Karpathy's JSON, of Flickr (no filepath) and COCO (with it)."""

import json

import pytest
from made_datasets import media, text, texts

from mmsearch.errors import DatasetError
from mmsearch.evaluation import datasets
from mmsearch.evaluation.datasets import read


def image(name, split, *captions, **more):
    sentences = [
        {"tokens": one.lower().strip(" .").split(), "raw": one, "imgid": 0, "sentid": n}
        for n, one in enumerate(captions)
    ]
    return {"sentids": list(range(len(captions))), "imgid": 0, "sentences": sentences, "split": split} | {
        "filename": name,
        **more,
    }


def write(folder, images, dataset="flickr8k"):
    content = json.dumps({"images": images, "dataset": dataset})
    return text(folder / f"dataset_{dataset}.json", content)


@pytest.fixture
def flickr(tmp_path):
    images = [
        image("3393035454_2d2370ffd4.jpg", "val", "A boy jumps .", "A boy in a blue top ."),
        image("1000268201_693b08cb0e.jpg", "train", "A child in a pink dress ."),
        image("2513260012_03d33305cf.jpg", "test", "A black dog is running .", "Black dog chasing brown dog "),
        image("2903617548_d3e38d7f88.jpg", "test", "A little baby plays croquet ."),
    ]
    media(tmp_path, *(f"Images/{one['filename']}" for one in images))
    return write(tmp_path, images)


def test_the_test_split_is_taken_and_said_to_be(flickr):
    dataset = read(flickr)
    assert dataset.split == "test"
    assert dataset.warnings == ("only the split test is taken; there are also: train, val",)
    assert texts(dataset, "image") == {
        "image:2513260012_03d33305cf.jpg": ["A black dog is running .", "Black dog chasing brown dog"],
        "image:2903617548_d3e38d7f88.jpg": ["A little baby plays croquet ."],
    }
    assert dataset.records[0].image == flickr.parent / "Images" / "2513260012_03d33305cf.jpg"


@pytest.mark.parametrize(("split", "n"), [("train", 1), ("val", 1), ("train+val", 2), ("all", 4), ("te", 2)])
def test_a_split_is_read_by_its_name(flickr, split, n):
    dataset = read(flickr, split=split)
    assert len(texts(dataset, "image")) == n
    assert dataset.warnings == ()
    assert dataset.split == {"all": None, "te": "test"}.get(split, split)


def test_a_split_that_does_not_exist_is_refused_and_the_others_are_named(flickr):
    with pytest.raises(DatasetError, match=r"no split 'gold'; there are: test \(2\), train \(1\), val \(1\)"):
        read(flickr, split="gold")


def test_its_folder_will_do(flickr):
    assert read(flickr.parent) == read(flickr)


@pytest.fixture
def coco(tmp_path):
    names = [f"COCO_{folder}_{number:012}.jpg" for number, folder in enumerate(["train2014"] + ["val2014"] * 3)]
    splits = ("train", "restval", "test", "test")
    images = [
        image(name, split, *[f"caption {n} " for n in range(5 + (split == "restval"))], filepath=name.split("_")[1])
        for name, split in zip(names, splits, strict=True)
    ]
    media(tmp_path, *(f"{one['filepath']}/{one['filename']}" for one in images[:3]))
    media(tmp_path, "val2017/000000000003.jpg")
    return write(tmp_path, images, "coco")


def test_pictures_of_coco_lie_in_their_filepath_or_among_those_of_2017(coco):
    dataset = read(coco)
    assert [record.image.relative_to(coco.parent).as_posix() for record in dataset.records if record.image] == [
        "val2014/COCO_val2014_000000000002.jpg",
        "val2017/000000000003.jpg",
    ]


def test_what_is_learned_from_is_train_and_restval(coco):
    dataset = read(coco, usual=datasets.LEARNED)
    assert dataset.split == "train+restval"
    assert len([record for record in dataset.records if record.image]) == 2


def test_captions_of_coco_after_the_fifth_are_left_out_as_papers_do(coco):
    dataset = read(coco, split="restval")
    assert texts(dataset, "image") == {"image:COCO_val2014_000000000001.jpg": [f"caption {n}" for n in range(5)]}
    assert dataset.warnings == ("captions after a picture's first 5 left out, as papers do: 1",)


def test_sentences_without_raw_text_are_their_tokens(tmp_path):
    images = [image("a.jpg", "test", "A dog runs .")]
    del images[0]["sentences"][0]["raw"]
    assert texts(read(write(media(tmp_path, "a.jpg"), images)), "image") == {"image:a.jpg": ["a dog runs"]}


def test_a_picture_that_is_missing_is_counted_and_named(flickr):
    (flickr.parent / "Images" / "2903617548_d3e38d7f88.jpg").unlink()
    dataset = read(flickr, split="test")
    assert dataset.warnings == ("missing files left out: 1 of 2, the first: 2903617548_d3e38d7f88.jpg",)


def test_when_all_are_missing_the_folders_that_were_searched_are_named(tmp_path):
    path = write(tmp_path / "data", [image("a.jpg", "test", "a dog")])
    (tmp_path / "data" / "Flicker8k_Dataset").mkdir()
    with pytest.raises(
        DatasetError, match=r"1, the first: a.jpg\); they are looked for in .*data, .*Flicker8k_Dataset"
    ):
        read(path)


def test_captions_that_are_blank_or_broken_are_left_out_and_counted(tmp_path):
    path = write(media(tmp_path, "a.jpg"), [image("a.jpg", "test", "a dog", " ", "half \ud83d")])
    dataset = read(path)
    assert texts(dataset, "image") == {"image:a.jpg": ["a dog"]}
    assert dataset.warnings == (
        "blank captions left out: 1",
        "captions with halves of characters left out: 1, the first: half \\ud83d",
    )


def test_a_picture_in_two_splits_is_refused(tmp_path):
    path = write(media(tmp_path, "a.jpg"), [image("a.jpg", "train", "a dog"), image("a.jpg", "test", "a dog")])
    with pytest.raises(DatasetError, match="a.jpg is in two splits, train and test"):
        read(path)


def test_a_picture_named_twice_is_taken_together(tmp_path):
    path = write(media(tmp_path, "a.jpg"), [image("a.jpg", "test", "a dog"), image("a.jpg", "test", "an animal")])
    dataset = read(path)
    assert texts(dataset, "image") == {"image:a.jpg": ["a dog", "an animal"]}
    assert dataset.warnings == ("files named again, their entries taken together: 1",)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("a.jpg", '"images" 2: found a text; expected an object'),
        ({"filename": "b.jpg", "split": "test"}, '"images" 2: "sentences" is null; expected a list'),
        ({"filename": 3, "split": "test", "sentences": []}, '"images" 2: "filename" is a number; expected a text'),
        (image("b.jpg", "test") | {"sentences": ["a dog"]}, '"images" 2, sentence 1: found a text; expected an object'),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path, bad, complaint):
    path = write(media(tmp_path, "a.jpg"), [image("a.jpg", "test", "a dog"), bad])
    with pytest.raises(DatasetError, match=rf"dataset_flickr8k.json, {complaint}"):
        read(path)


def test_a_file_is_read_whatever_its_name_is(flickr):
    expected = read(flickr)
    renamed = read(flickr.rename(flickr.with_name("mine.json")))
    assert (renamed.records, renamed.judgements) == (expected.records, expected.judgements)
