"""The items of an index, as its user added them."""

import os
import shutil

import numpy as np
from made import RATE, picture, tone

import mmsearch
from mmsearch import Record
from mmsearch.types import Item, Modality

IMAGE, TEXT, AUDIO = Modality.IMAGE, Modality.TEXT, Modality.AUDIO


def test_each_has_its_id_its_file_and_all_its_modalities_in_the_order_of_adding(index, tmp_path):
    index.add_items([Record(id="z", image=picture("red"), text="red")])
    index.add_items([Record(id="a", audio=(tone("low", 40), RATE))])
    index.add_vectors(np.eye(1, 64, dtype=np.float32), modality="image", ids=["m"])
    odd = os.fsdecode(b"caf\xe9\n.txt")
    (tmp_path / "media" / "deep").mkdir(parents=True)
    (tmp_path / "media" / "deep" / odd).write_text("the blue sea")
    index.add([tmp_path / "media"])
    *records, file = index.items()
    assert records == [
        Item("z", None, frozenset({IMAGE, TEXT}), 1),
        Item("a", None, frozenset({AUDIO}), 2),
        Item("m", None, frozenset({IMAGE}), 3),
    ]
    assert (file.path, file.modalities) == (tmp_path / "media" / "deep" / odd, {TEXT})
    assert file.path.read_text() == "the blue sea"


def test_files_of_several_folders_are_where_they_are(index, tmp_path):
    for name, colour in (("one", "red"), ("two", "blue")):
        (tmp_path / name).mkdir()
        picture(colour).save(tmp_path / name / "same.png")
        index.add([tmp_path / name])
    assert [item.path for item in index.items()] == [tmp_path / "one" / "same.png", tmp_path / "two" / "same.png"]
    index.remove(paths=[tmp_path / "one"])
    assert [item.path for item in index.items()] == [tmp_path / "two" / "same.png"]


def test_an_index_that_was_moved_with_its_media_finds_them(tmp_path):
    (tmp_path / "here" / "media").mkdir(parents=True)
    picture("red").save(tmp_path / "here" / "media" / "a.png")
    with mmsearch.open(tmp_path / "here" / "index", model="fake") as index:
        index.add([tmp_path / "here" / "media"])
    shutil.move(tmp_path / "here", tmp_path / "there")
    with mmsearch.open(tmp_path / "there" / "index") as index:
        assert [item.path for item in index.items()] == [tmp_path / "there" / "media" / "a.png"]


def test_none(index):
    assert index.items() == []


def test_one_that_has_lost_its_segments_is_still_there(index):
    index.add_items([Record(id="whole", text="red"), Record(id="bare", text="blue")])
    with index._store.engine.begin() as catalog:
        catalog.exec_driver_sql("DELETE FROM segments WHERE item_id = 2")
    assert [(item.id, item.modalities) for item in index.items()] == [("whole", {TEXT}), ("bare", set())]
