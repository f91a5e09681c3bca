"""What is found in a folder, and what is said when that is nothing or too much."""

import json
import os

import pytest
from made_datasets import media, text

from mmsearch.errors import DatasetError
from mmsearch.evaluation.datasets import read

MANIFEST = json.dumps([{"image": "a.jpg", "captions": ["a dog"]}])


def test_several_descriptions_are_named_and_none_is_guessed(tmp_path):
    media(tmp_path, "a.jpg")
    text(tmp_path / "captions.txt", "image,caption\na.jpg,a dog\n")
    text(tmp_path / "mine.json", MANIFEST)
    text(tmp_path / "meta" / "esc50.csv", "filename,fold,category\na.wav,1,dog\n")
    with pytest.raises(
        DatasetError,
        match=r"holds several descriptions of a dataset: captions.txt, mine.json, meta.esc50.csv; name one",
    ):
        read(tmp_path)


def test_very_many_are_not_all_named(tmp_path):
    for number in range(12):
        text(tmp_path / f"{number:02}.json", MANIFEST)
    with pytest.raises(DatasetError, match=r": 00.json, .*07.json and 4 more; name one"):
        read(tmp_path)


def test_files_of_something_else_are_no_descriptions(tmp_path):
    media(tmp_path, "a.jpg", "cat/1.jpg", "dog/1.jpg")
    text(tmp_path / "package.json", '{"name": "mine", "version": "1"}')
    text(tmp_path / "test.csv", "x,y\n1,2\n")
    text(tmp_path / "captions.txt", "A poem.\nOf two lines.\n")
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    assert read(tmp_path).name.endswith(tmp_path.name)
    path = text(tmp_path / "mine.json", MANIFEST)
    assert read(tmp_path) == read(path)


@pytest.mark.parametrize(("name", "content"), [("mine.json", "{}"), ("mine.jsonl", ""), ("mine.JSON", "3")])
def test_json_that_nobody_knows_is_refused_as_a_manifest(tmp_path, name, content):
    with pytest.raises(DatasetError, match="expected a JSON list of entries"):
        read(text(tmp_path / name, content))


@pytest.mark.parametrize("name", ["mine.xml", "mine"])
def test_a_file_that_nobody_knows_is_refused_and_the_readers_are_named(tmp_path, name):
    with pytest.raises(DatasetError, match="no reader knows this; there are readers of: Karpathy's JSON, .*manifest"):
        read(text(tmp_path / name, "<?xml version='1.0'?>"))


def test_another_dataset_beside_the_folder_is_not_searched(tmp_path):
    media(tmp_path / "images", "a.jpg")
    path = text(tmp_path / "mine" / "captions.txt", "image,caption\na.jpg,a dog\n")
    with pytest.raises(DatasetError, match=r"none of the files .* looked for in \S*mine$"):
        read(path)
