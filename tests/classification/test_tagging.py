"""An index is classified by its stored vectors, and tagged."""

import json
import os
import shutil
import sqlite3

import numpy as np
import pytest
from made import picture

import mmsearch
from mmsearch.classification import stored
from mmsearch.classification.labels import Label
from mmsearch.errors import FilterError, IndexLocked, QueryError
from mmsearch.store import tags
from mmsearch.types import Modality, Record

LABELS = "red,blue,low,whistle"


@pytest.fixture
def filled(index, media):
    index.add([media])
    return index


def labels_of(index, **options):
    return {one.path.name: one.label for one in index.classify(LABELS, **options)}


def test_the_same_as_from_the_files(filled, media, monkeypatch):
    monkeypatch.setattr(stored, "TOGETHER", 2)
    filled.add_items([Record(id="both", image=picture("red"), text="blue")])
    fresh = {one.path: one.guesses for one in mmsearch.classify([media], LABELS, "fake")}
    found = list(filled.classify(LABELS))
    assert [one.modality for one in found if one.id == "both"] == [Modality.IMAGE]
    assert len({one.id for one in found}) == len(found) == 9
    for one in found:
        if one.path is not None:
            wanted = dict(fresh[one.path])
            assert {guess.label: pytest.approx(guess.probability, abs=1e-4) for guess in one.guesses} == wanted


def test_only_some(filled):
    assert set(labels_of(filled, target="audio")) == {"low.wav", "whistle.wav"}
    assert set(labels_of(filled, where="path like '%.png'")) == {"red.png", "blue.png", "green.png", "yellow.png"}
    assert labels_of(filled, where="path = 'nothing'") == {}
    with pytest.raises(FilterError):
        filled.classify(LABELS, where="nofield = 1")


def test_vectors_without_features_are_classified_too(index):
    red = np.eye(64, dtype=np.float32)[list(mmsearch.encoders.fake.COLOURS).index("red")]
    index.add_vectors(red[None], modality="image", ids=["ready"])
    (found,) = index.classify("red,blue")
    assert (found.id, found.label, found.path) == ("ready", "red", None)


def test_tags_are_filtered_by(filled):
    tagged = filled.tag(LABELS, min_probability=0.5)
    assert (tagged.items, tagged.kept, tagged.field) == (8, 0, "label")
    assert sum(tagged.counts.values()) + tagged.unsure == 8 and tagged.unsure > 0
    assert list(tagged.counts) == LABELS.split(",")
    hits = filled.search("anything", where="label = 'red' and label_probability > .5")
    assert {hit.path.name for hit in hits} == {"red.png", "fire.txt"}
    assert hits[0].metadata["label"] == "red" and hits[0].metadata["label_probability"] > 0.5
    assert filled.verify() == []


def test_a_second_run_replaces_the_first_and_other_fields_stay(filled):
    filled.tag("red,blue", field="colour")
    filled.tag(LABELS)
    again = filled.tag("low,whistle", target="audio", min_probability=1)
    assert again.unsure == 2
    by_name = {hit.path.name: hit.metadata for hit in filled.search("x", k=20)}
    assert "label" not in by_name["low.wav"] and "colour" in by_name["low.wav"]
    assert by_name["red.png"]["label"] == by_name["red.png"]["colour"] == "red"


def test_sidecars_and_tags_do_not_touch_each_other(index, media):
    index.add([media])
    index.tag("red,blue")
    (media / "metadata.jsonl").write_text(
        json.dumps({"file_name": "red.png", "year": 1999})
        + "\n"
        + json.dumps({"file_name": "blue.png", "label": "mine"})
    )
    assert index.add([media]).unchanged == 8
    metadata = {hit.path.name: hit.metadata for hit in index.search("x", k=20)}
    assert metadata["red.png"] == {
        "year": 1999,
        "label": "red",
        "label_probability": metadata["red.png"]["label_probability"],
    }
    assert metadata["blue.png"]["label"] == "mine"

    assert index.tag("green,yellow").kept == 1
    metadata = {hit.path.name: hit.metadata for hit in index.search("x", k=20)}
    assert (metadata["blue.png"]["label"], metadata["green.png"]["label"]) == ("mine", "green")

    (media / "metadata.jsonl").unlink()
    index.add([media])
    metadata = {hit.path.name: hit.metadata for hit in index.search("x", k=20)}
    assert metadata["blue.png"] == {} and "year" not in metadata["red.png"]
    assert index.tag("green,yellow").kept == 0
    assert index.verify() == []


def test_a_value_of_the_users_own_that_the_model_agrees_with_is_no_tag(index):
    index.add_items([Record(id="a", image=picture("red"), metadata={"label": "red"}), Record(id="b", text="blue")])
    for labels in ("red,blue", "blue,green", "red,blue"):
        tagged = index.tag(labels)
        assert (tagged.items, tagged.kept, sum(tagged.counts.values())) == (2, 1, 1)
        assert {hit.id: hit.metadata for hit in index.search("x")}["a"] == {"label": "red"}


def test_what_a_sidecar_says_is_no_tag_though_the_model_said_it_before(index, media):
    index.add([media])
    index.tag("red,blue", where="path like '%red.png'")
    (media / "metadata.jsonl").write_text('{"file_name": "red.png", "label": "red"}\n')
    index.add([media])
    assert {hit.path.name: hit.metadata for hit in index.search("x", k=20)}["red.png"] == {"label": "red"}
    index.tag("green,yellow")
    assert {hit.path.name: hit.metadata for hit in index.search("x", k=20)}["red.png"] == {"label": "red"}


def test_a_probability_of_the_users_own_stays(index):
    index.add_items([Record(id="a", image=picture("red"), metadata={"label_probability": 7})])
    index.tag("red,blue")
    assert index.search("x")[0].metadata == {"label_probability": 7, "label": "red"}
    index.tag("red,blue", min_probability=1)
    assert index.search("x")[0].metadata == {"label_probability": 7}


def test_names_need_not_be_ascii(index):
    odd = {"größe": "ß", "half": "\ud83d", "\udc00": 1}
    index.add_items([Record(id="a", image=picture("red"), metadata=odd), Record(id="b", image=picture("blue"))])
    index.add_vectors(np.eye(64, dtype=np.float32)[:1], modality="image", ids=["c"], metadata=[{"größe": 2}])
    assert [hit.id for hit in index.search("x", where="größe = 'ß'")] == ["a"]
    assert [hit.id for hit in index.search("x", where="größe = 2")] == ["c"]
    index.tag("red,blue", field="etikettgröße")
    found = {hit.id: hit.metadata for hit in index.search("x", where="etikettgröße = 'red'")}
    assert odd.items() <= found["a"].items()
    assert index.verify() == []


def test_a_renamed_file_keeps_its_tag_and_a_changed_one_loses_it(index, media):
    index.add([media])
    index.tag("red,blue")
    (media / "red.png").rename(media / "sky.png")
    picture("green").save(media / "blue.png")
    os.utime(media / "yellow.png")
    index.add([media])
    metadata = {hit.path.name: hit.metadata for hit in index.search("x", k=20)}
    assert metadata["sky.png"]["label"] == "red" and "label" in metadata["yellow.png"]
    assert metadata["blue.png"] == {}


def test_a_copied_file_of_records_does_not_take_tags_for_its_own(index, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text('{"id": "a", "text": "red", "year": 1, "colour": "red"}\n')
    index.add([tmp_path / "in"])
    index.tag("red,blue")
    index.tag("red,blue", field="colour")
    shutil.copy(tmp_path / "in" / "a.jsonl", tmp_path / "in" / "b.jsonl")
    index.add([tmp_path / "in"])
    metadata = {hit.path.name: hit.metadata for hit in index.search("x", k=20)}
    assert "label" in metadata["a.jsonl"] and metadata["b.jsonl"] == {"id": "a", "year": 1, "colour": "red"}


def test_tags_are_no_words_of_the_full_text(filled, media):
    def words():
        with filled.hold() as view:
            return view.query("SELECT count(*) FROM item_words WHERE item_words MATCH 'aubergine OR crimson'")[0][0]

    filled.tag([Label("aubergine", ("blue",)), "red"])
    assert words() == 0
    (media / "metadata.jsonl").write_text('{"file_name": "blue.png", "title": "crimson"}\n')
    (media / "red.png").rename(media / "sky.png")
    filled.add([media])
    assert words() == 1
    assert filled.verify() == []
    with sqlite3.connect(filled.folder / "catalog.sqlite") as connection:
        connection.execute("DELETE FROM item_words")
    connection.close()
    assert filled.verify() != []
    mmsearch.repair(filled.folder)
    assert words() == 1


def metadata_of(index):
    return {hit.path.name: hit.metadata for hit in index.search("x", k=20)}


def test_tags_are_taken_off_again(index, media):
    rows = [{"file_name": "red.png", "year": 1999}, {"file_name": "blue.png", "label": "mine", "label_probability": 7}]
    (media / "metadata.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    index.add([media])
    before = metadata_of(index)
    index.tag(LABELS)
    index.tag("red,blue", field="colour")
    assert index.untag("colour") == 8 and index.untag() == 7
    assert metadata_of(index) == before
    with index.hold() as view:
        assert view.query("SELECT count(*) FROM items WHERE tags IS NOT NULL") == [(0,)]
    assert index.verify() == []
    assert index.tag(LABELS).kept == 1


def test_other_tags_stay_and_a_filter_leaves_some(filled):
    filled.tag(LABELS)
    filled.tag("red,blue", field="colour")
    assert filled.untag(where="modality = 'image' and label = 'red'") == 1
    left = metadata_of(filled)
    assert {name for name, metadata in left.items() if "label" not in metadata} == {"red.png"}
    assert "label_probability" not in left["red.png"] and left["red.png"]["colour"] == "red"
    assert filled.untag(where="size < 0") == 0
    with pytest.raises(FilterError):
        filled.untag(where="nofield = 1")
    assert metadata_of(filled) == left


def test_a_filter_leaves_items_that_have_no_file(index):
    index.add_items([Record(id=colour, image=picture(colour)) for colour in ("red", "blue")])
    index.tag("red,blue")
    assert index.untag(where="label = 'red'") == 1
    assert {hit.id for hit in index.search("x") if hit.metadata} == {"blue"}
    with pytest.raises(FilterError, match="a filter is a str, such as 'year >= 2020', not 5"):
        index.untag(where=5)


def test_a_field_that_is_no_tag_is_not_taken_off(index, media):
    (media / "metadata.jsonl").write_text('{"file_name": "red.png", "colour": "mine"}\n')
    index.add([media])
    with pytest.raises(QueryError, match="no item is tagged with a field 'colour'; nothing is tagged$"):
        index.untag("colour")
    index.tag(LABELS)
    with pytest.raises(QueryError, match="'lable'; the fields of tags are: label; did you mean label"):
        index.untag("lable")
    for field in ("label_probability", 'a"b', "", 5, None, ["label"]):
        with pytest.raises(QueryError, match="cannot be the field"):
            index.untag(field)
    assert metadata_of(index)["red.png"]["colour"] == "mine"


def test_they_are_taken_off_all_at_once_or_not_at_all(filled, monkeypatch):
    filled.tag(LABELS)
    before = metadata_of(filled)
    own, left = tags.own, iter(range(3))

    def fail(*arguments):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return own(*arguments)

    monkeypatch.setattr(tags, "own", fail)
    with pytest.raises(KeyboardInterrupt):
        filled.untag()
    monkeypatch.undo()
    assert metadata_of(filled) == before and filled.verify() == []
    assert filled.untag() == 8


def test_what_makes_no_sense(filled):
    for field in ("path", "Not", "a b", "", "a.b", "label_probability"):
        with pytest.raises(QueryError, match="cannot be the field"):
            filled.tag(LABELS, field=field)
    for least in (2, "0.5", None):
        with pytest.raises(QueryError, match="from 0 to 1"):
            filled.tag(LABELS, min_probability=least)
    with pytest.raises(FilterError):
        filled.tag(LABELS, where="label = 'red'")


def test_another_writer(filled):
    with mmsearch.open(filled.folder) as other, other.writing(), pytest.raises(IndexLocked):
        filled.tag(LABELS)
    with mmsearch.open(filled.folder) as other, other.writing(), pytest.raises(IndexLocked):
        filled.untag()


def test_tags_that_cannot_be_read_are_told_and_mended(filled):
    filled.tag(LABELS)
    folder = filled.folder
    filled.close()
    with sqlite3.connect(folder / "catalog.sqlite") as connection:
        connection.execute("UPDATE items SET tags = '[1' WHERE id = 1")
    connection.close()
    with mmsearch.open(folder) as index:
        assert any("tags that cannot be read" in problem for problem in index.verify())
    assert any("tags" in done for done in mmsearch.repair(folder).done)
    with mmsearch.open(folder) as index:
        assert index.verify() == [] and len(index) == 8


@pytest.mark.parametrize("column", ["metadata", "tags"])
def test_what_is_no_unicode_does_not_stop_a_repair(filled, column):
    filled.tag(LABELS)
    folder = filled.folder
    filled.close()
    with sqlite3.connect(folder / "catalog.sqlite") as connection:
        connection.execute(f"UPDATE items SET {column} = CAST(x'7b22ff223a317d' AS TEXT) WHERE id = 1")
    connection.close()
    assert mmsearch.repair(folder).left == ()
