"""Manifests as they come, and every way in which they can be wrong."""

import json
import os

import pytest

from mmsearch.errors import DatasetError
from mmsearch.evaluation.datasets import READERS, read, reader
from mmsearch.types import Modality


@pytest.fixture
def folder(tmp_path):
    """A folder with three pictures and three sounds; only their existence matters here."""
    for name in ("a.jpg", "b.jpg", "c.jpg", "a.ogg", "b.ogg", "c.ogg"):
        (tmp_path / name).write_bytes(b"not decoded by the reader")
    return tmp_path


def write(folder, entries, name="manifest.json"):
    path = folder / name
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries), encoding="utf-8")
    return path


def qrels(dataset):
    return {judgements.direction: judgements.qrels for judgements in dataset.judgements}


def test_captions_judge_both_directions(folder):
    path = write(
        folder,
        [
            {"image": "a.jpg", "captions": ["a dog", "a brown dog"]},
            {"image": "b.jpg", "captions": ["a cat"]},
        ],
    )
    dataset = read(path)
    assert dataset.name == f"{folder.name}/manifest.json"
    assert [(r.id, r.image, r.text) for r in dataset.records] == [
        ("image:a.jpg", folder / "a.jpg", None),
        ("caption:1.1", None, "a dog"),
        ("caption:1.2", None, "a brown dog"),
        ("image:b.jpg", folder / "b.jpg", None),
        ("caption:2.1", None, "a cat"),
    ]
    assert qrels(dataset) == {
        "text->image": {"caption:1.1": {"image:a.jpg"}, "caption:1.2": {"image:a.jpg"}, "caption:2.1": {"image:b.jpg"}},
        "image->text": {"image:a.jpg": {"caption:1.1", "caption:1.2"}, "image:b.jpg": {"caption:2.1"}},
    }
    assert dataset.warnings == ()


def test_identical_captions_of_different_pictures_stay_apart(folder):
    entries = [{"image": name, "captions": ["a dog"]} for name in ("a.jpg", "b.jpg")]
    dataset = read(write(folder, entries))
    assert [r.text for r in dataset.records if r.text] == ["a dog", "a dog"]
    assert qrels(dataset)["text->image"] == {"caption:1.1": {"image:a.jpg"}, "caption:2.1": {"image:b.jpg"}}


@pytest.mark.parametrize(("key", "suffix"), [("audio", "ogg"), ("image", "jpg")])
def test_labels_are_asked_once_each_and_are_the_targets(folder, key, suffix):
    labels = {"a": "dog bark", "b": "rain", "c": "dog bark"}
    dataset = read(write(folder, [{key: f"{n}.{suffix}", "label": label, "fold": 1} for n, label in labels.items()]))
    assert sorted(r.text for r in dataset.records if r.text) == ["dog bark", "rain"]
    assert qrels(dataset) == {
        f"text->{key}": {
            "label:dog bark": {f"{key}:a.{suffix}", f"{key}:c.{suffix}"},
            "label:rain": {f"{key}:b.{suffix}"},
        },
        f"{key}->text": {f"{key}:{n}.{suffix}": {f"label:{label}"} for n, label in labels.items()},
    }


def test_sounds_can_have_captions(folder):
    dataset = read(write(folder, [{"audio": "a.ogg", "captions": ["a dog barks"]}]))
    assert qrels(dataset) == {
        "text->audio": {"caption:1.1": {"audio:a.ogg"}},
        "audio->text": {"audio:a.ogg": {"caption:1.1"}},
    }


TOPICS = {
    "items": [
        {"id": "dog.jpg", "image": "a.jpg", "topics": ["dog", "animal"]},
        {"id": "bark", "audio": "a.ogg", "topics": ["dog"]},
        {"id": "dogs", "text": "Dogs bark.", "topics": ["dog"]},
        {"id": "cat.jpg", "image": "b.jpg", "topics": ["cat", "animal"]},
        {"id": "moon", "image": "c.jpg", "topics": []},
    ]
}


def test_topics_relate_items_of_all_modalities_but_none_to_itself(folder):
    dataset = read(write(folder, TOPICS))
    assert [r.id for r in dataset.records] == ["dog.jpg", "bark", "dogs", "cat.jpg", "moon"]
    assert qrels(dataset) == {
        "image->image": {"dog.jpg": {"cat.jpg"}, "cat.jpg": {"dog.jpg"}},
        "image->text": {"dog.jpg": {"dogs"}},
        "image->audio": {"dog.jpg": {"bark"}},
        "text->image": {"dogs": {"dog.jpg"}},
        "text->audio": {"dogs": {"bark"}},
        "audio->image": {"bark": {"dog.jpg"}},
        "audio->text": {"bark": {"dogs"}},
    }


def test_an_item_with_topics_can_carry_several_media(folder):
    items = [
        {"id": "both", "image": "a.jpg", "text": "a dog", "topics": ["dog"]},
        {"id": "bark", "audio": "a.ogg", "topics": ["dog"]},
    ]
    dataset = read(write(folder, {"items": items}))
    assert dataset.records[0].image == folder / "a.jpg"
    assert dataset.records[0].text == "a dog"
    assert sorted(qrels(dataset)) == ["audio->image", "audio->text", "image->audio", "text->audio"]


@pytest.mark.parametrize("entries", [TOPICS["items"], [{"audio": "a.ogg", "label": "rain"}]])
def test_json_lines_say_the_same_as_json(folder, entries):
    lines = "\ufeff" + "\n\n".join(json.dumps(entry) for entry in entries) + "\r\n"
    found = read(write(folder, lines, "manifest.jsonl"))
    expected = read(write(folder, entries))
    assert found.records == expected.records
    assert found.judgements == expected.judgements


def test_a_line_separator_inside_a_json_line_is_text(folder):
    line = json.dumps({"image": "a.jpg", "captions": ["a\u2028dog"]}, ensure_ascii=False)
    assert read(write(folder, line, "manifest.jsonl")).records[1].text == "a\u2028dog"


def test_missing_media_are_left_out_and_counted(folder):
    entries = [
        {"image": "a.jpg", "captions": ["a dog"]},
        {"image": "gone.jpg", "captions": ["a ghost"]},
        {"image": "x" * 300, "captions": ["a name that no file can have"]},
        {"image": ".", "captions": ["a folder"]},
    ]
    dataset = read(write(folder, entries))
    assert [r.id for r in dataset.records] == ["image:a.jpg", "caption:1.1"]
    assert qrels(dataset)["text->image"] == {"caption:1.1": {"image:a.jpg"}}
    assert dataset.warnings == ("missing files left out: 3 of 4, the first: gone.jpg",)


def test_items_with_topics_whose_media_are_missing_are_left_out(folder):
    items = [*TOPICS["items"], {"id": "ghost", "image": "gone.jpg", "text": "a ghost", "topics": ["dog"]}]
    dataset = read(write(folder, {"items": items}))
    assert "ghost" not in [r.id for r in dataset.records]
    assert dataset.judgements == read(write(folder, TOPICS)).judgements
    assert dataset.warnings == ("missing files left out: 1 of 5, the first: gone.jpg",)


def test_blank_captions_are_left_out_and_counted_and_their_picture_stays_as_a_distractor(folder):
    entries = [{"image": "a.jpg", "captions": ["", " \n"]}, {"image": "b.jpg", "captions": ["a cat"]}]
    dataset = read(write(folder, entries))
    assert [r.id for r in dataset.records] == ["image:a.jpg", "image:b.jpg", "caption:2.1"]
    assert list(qrels(dataset)["image->text"]) == ["image:b.jpg"]
    assert dataset.warnings == ("blank captions left out: 2",)


def test_entries_of_one_file_are_taken_together(folder):
    entries = [{"image": "a.jpg", "captions": ["a dog"]}, {"image": "./a.jpg", "captions": ["an animal"]}]
    dataset = read(write(folder, entries))
    assert qrels(dataset)["image->text"] == {"image:a.jpg": {"caption:1.1", "caption:2.1"}}
    assert len([r for r in dataset.records if r.image]) == 1
    assert "taken together: 1" in dataset.warnings[0]


def test_captions_win_over_a_label(folder):
    dataset = read(write(folder, [{"image": "a.jpg", "captions": ["a dog"], "label": "dog"}]))
    assert [r.text for r in dataset.records if r.text] == ["a dog"]
    assert "labels ignored" in dataset.warnings[0]


GOOD = {"image": "a.jpg", "captions": ["a dog"]}


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({}, "is an empty object; expected"),
        ({"file": "a.jpg", "caption": "a dog"}, "has 'file', 'caption'; expected \"image\" or \"audio\""),
        ({"image": "a.jpg"}, "has 'image'; expected"),
        ({"captions": ["a dog"]}, "has 'captions'; expected"),
        ({"text": "a dog", "label": "dog"}, "has 'text', 'label'; expected"),
        ({"topics": ["dog"]}, "has 'topics'; expected"),
        ({"image": "a.jpg", "audio": "a.ogg", "captions": ["a"]}, 'has both "image" and "audio"'),
        ({"image": "a.jpg", "captions": "a dog"}, "\"captions\" is 'a dog'; expected a list of texts"),
        ({"image": "a.jpg", "captions": [1]}, '"captions" is \\[1\\]; expected a list of texts'),
        ({"image": "a.jpg", "captions": None}, '"captions" is None; expected a list of texts'),
        ({"image": "a.jpg", "captions": ["\ud83d"]}, '"captions" is .*; expected a list of texts'),
        ({"image": 7, "captions": ["a dog"]}, '"image" is 7; expected a text'),
        ({"image": "", "captions": ["a dog"]}, "\"image\" is ''; expected a text that is not empty"),
        ({"image": "a.jpg", "label": "x", "split": 3}, '"split" is 3; expected a text'),
        ({"query": "a dog"}, '"relevant" is None; expected a list such as'),
        ({"query": "a dog", "relevant": {"image": "a.jpg"}}, "\"relevant\" is {'image': 'a.jpg'}; expected a list"),
        ({"query": "a dog", "relevant": ["a.jpg"]}, "\"relevant\" holds 'a.jpg'; expected objects with"),
        ({"query": "a dog", "relevant": [{"text": "dog"}]}, "\"relevant\" holds {'text': 'dog'}; expected objects"),
        ({"query": "a dog", "relevant": [{"image": "a.jpg", "audio": "a.ogg"}]}, '"relevant" holds .*; expected'),
        ({"query": "a dog", "relevant": [{"image": 3}]}, '"image" is 3; expected a text'),
        (
            {"query": "a dog", "relevant": [{"image": "a.jpg", "grade": 0}]},
            '"grade" is 0; expected a whole number from 1',
        ),
        ({"query": "a dog", "relevant": [{"image": "a.jpg", "grade": 1.5}]}, '"grade" is 1.5; expected a whole number'),
        ({"query": "a dog", "relevant": [{"image": "a.jpg", "grade": True}]}, '"grade" is True; expected a whole'),
        ({"query": "a dog", "relevant": [{"image": "a.jpg"}, {"image": "./a.jpg"}]}, '"relevant" names a.jpg twice'),
        ({"query": " ", "relevant": [{"image": "a.jpg"}]}, "\"query\" is ' '; expected a text that is not empty"),
        ({"image": "a.jpg", "label": 3}, '"label" is 3; expected a text'),
        ({"image": "a.jpg", "label": " "}, "\"label\" is ' '; expected a text that is not empty"),
        ({"image": "a.jpg", "topics": "dog"}, "\"topics\" is 'dog'; expected a list of texts"),
        ({"id": 3, "image": "a.jpg", "topics": ["dog"]}, '"id" is 3; expected a text'),
        ({"text": "", "topics": ["dog"]}, "\"text\" is ''; expected a text that is not empty"),
        ("a.jpg", "found a text; expected an object"),
        (["a.jpg"], "found a list; expected an object"),
        (None, "found null; expected an object"),
        (3.5, "found a number; expected an object"),
    ],
)
@pytest.mark.parametrize("name", ["manifest.json", "manifest.jsonl"])
def test_a_bad_entry_is_named_with_file_number_and_what_is_expected(folder, entry, complaint, name):
    entries = [GOOD, entry]
    content = entries if name.endswith(".json") else "\n".join(map(json.dumps, entries))
    path = write(folder, content, name)
    place = "entry 2" if name.endswith(".json") else r"entry 2 \(line 2\)"
    with pytest.raises(DatasetError, match=rf"{name}, {place}: {complaint}"):
        read(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "not JSON: Expecting value"),
        ("[{]", r"not JSON: .* \(line 1, column 3\); expected a JSON list"),
        ("not json", "not JSON"),
        ("[]", "there are no entries; expected a JSON list"),
        ('{"items": []}', "there are no entries"),
        ('{"items": 3}', "found a number; expected a JSON list"),
        ('{"images": []}', "found an object; expected a JSON list"),
        ("true", "found a truth value; expected a JSON list"),
        ("1" * 5_000, "JSON that cannot be read"),
        ('{"image": "a.jpg", "label": "x"}\n{"image": "b.jpg", "label": "x"}', "not JSON: Extra data .*line"),
    ],
)
def test_a_bad_manifest_is_refused(folder, content, complaint):
    with pytest.raises(DatasetError, match=f"manifest.json: {complaint}"):
        read(write(folder, content))


def test_json_nested_too_deep_is_refused(folder):
    with pytest.raises(DatasetError, match="JSON that cannot be read"):
        read(write(folder, "[" * 200_000))


def test_a_bad_line_of_json_lines_is_named(folder):
    with pytest.raises(DatasetError, match=r"manifest.jsonl, entry 2 \(line 3\): not JSON"):
        read(write(folder, json.dumps(GOOD) + "\n\n{oops\n", "manifest.jsonl"))


def test_json_lines_without_a_line_are_refused(folder):
    with pytest.raises(DatasetError, match="there are no entries"):
        read(write(folder, "\n \n", "manifest.jsonl"))


def test_a_manifest_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no.json: there is no such file or folder"):
        read(tmp_path / "no.json")


def test_a_manifest_is_found_in_its_folder(folder):
    path = write(folder, json.dumps(GOOD), "mine.jsonl")
    (folder / "package.json").write_text('{"name": "something else", "items": []}')
    assert read(folder) == read(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(DatasetError, match="is not a regular file"):
        read(tmp_path / "manifest.json")


def test_a_manifest_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_bytes('[{"image": "ä"}]'.encode("latin-1"))
    with pytest.raises(DatasetError, match=r"is not UTF-8 text \(byte 12\)"):
        read(tmp_path / "manifest.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_manifest_that_may_not_be_read_is_refused(tmp_path):
    path = write(tmp_path, [GOOD])
    path.chmod(0)
    with pytest.raises(DatasetError, match="cannot be read: Permission denied"):
        read(path)


def test_a_manifest_whose_media_are_all_missing_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"none of the files that it names exists \(1, the first: a.jpg\)"):
        read(write(tmp_path, [GOOD]))


@pytest.mark.parametrize(
    "entries",
    [
        [{"image": "a.jpg", "captions": []}],
        [{"id": "a", "image": "a.jpg", "topics": ["dog"]}, {"id": "b", "image": "b.jpg", "topics": ["cat"]}],
    ],
)
def test_a_manifest_that_judges_nothing_is_refused(folder, entries):
    with pytest.raises(DatasetError, match="nothing to evaluate"):
        read(write(folder, entries))


def test_an_id_given_twice_is_refused(folder):
    items = [{"id": "a", "text": "one", "topics": ["x"]}, {"id": "a", "text": "two", "topics": ["x"]}]
    with pytest.raises(DatasetError, match='entry 2: the id "a" is that of an earlier item'):
        read(write(folder, {"items": items}))


def test_a_file_that_a_query_names_may_be_captioned_too(folder):
    entries = [{"query": "dogs", "relevant": [{"image": "a.jpg"}]}, {"image": "a.jpg", "captions": ["a dog"]}]
    dataset = read(write(folder, entries))
    assert qrels(dataset)["text->image"] == {"query:1": {"image:a.jpg"}, "caption:1.1": {"image:a.jpg"}}
    assert dataset.warnings == ()


QUERIES = [
    {
        "query": "a dog",
        "relevant": [{"image": "a.jpg", "grade": 3}, {"image": "b.jpg"}, {"audio": "a.ogg", "grade": 2}],
    },
    {"query": "rain", "relevant": [{"audio": "b.ogg"}]},
    {"image": "c.jpg", "captions": ["a cat"]},
]


def test_queries_have_graded_answers_and_answer_nothing(folder):
    dataset = read(write(folder, QUERIES))
    assert qrels(dataset) == {
        "text->image": {"query:1": {"image:a.jpg", "image:b.jpg"}, "caption:1.1": {"image:c.jpg"}},
        "text->audio": {"query:1": {"audio:a.ogg"}, "query:2": {"audio:b.ogg"}},
        "image->text": {"image:c.jpg": {"caption:1.1"}},
    }
    assert {judged.direction: judged.grades for judged in dataset.judgements} == {
        "text->image": {"query:1": {"image:a.jpg": 3}},
        "text->audio": {"query:1": {"audio:a.ogg": 2}},
        "image->text": None,
    }
    assert [r.text for r in dataset.records if r.text] == ["a dog", "rain", "a cat"]


def test_queries_without_relevant_items_are_left_out_and_counted(folder):
    entries = [
        *QUERIES,
        {"query": "nothing", "relevant": []},
        {"query": "a ghost", "relevant": [{"image": "gone.jpg"}]},
    ]
    dataset = read(write(folder, entries))
    assert dataset.judgements == read(write(folder, QUERIES)).judgements
    assert "nothing" not in [record.text for record in dataset.records]
    assert dataset.warnings == (
        "missing files left out: 1 of 6, the first: gone.jpg",
        "queries without relevant items left out: 2, the first: nothing",
    )


def test_a_manifest_of_queries_without_relevant_items_is_refused(folder):
    with pytest.raises(DatasetError, match=r"nothing to evaluate: .*; queries without relevant items left out: 1"):
        read(write(folder, [{"query": "nothing", "relevant": []}]))


SPLITS = [
    {"image": "a.jpg", "captions": ["a dog"], "split": "train"},
    {"image": "a.jpg", "captions": ["a brown dog"], "split": "train"},
    {"image": "b.jpg", "label": "cat", "split": "test"},
    {"id": "rain", "audio": "b.ogg", "topics": ["wet"], "split": "test"},
    {"id": "Rain.", "text": "It rains.", "topics": ["wet"], "split": "test"},
    {"query": "animals", "relevant": [{"image": "a.jpg"}, {"image": "b.jpg"}], "split": "test"},
    {"image": "c.jpg", "captions": ["of no split"]},
]


@pytest.mark.parametrize(
    ("split", "texts"),
    [
        (None, ["cat", "It rains.", "animals"]),
        ("test", ["cat", "It rains.", "animals"]),
        ("train", ["a dog", "a brown dog"]),
        ("all", ["a dog", "a brown dog", "cat", "It rains.", "animals", "of no split"]),
    ],
)
def test_entries_of_any_form_can_have_a_split(folder, split, texts):
    dataset = read(write(folder, SPLITS), split=split)
    assert [r.text for r in dataset.records if r.text] == texts
    assert dataset.split == {None: "test", "all": None}.get(split, split)
    assert ("only the split test is taken; there are also: train" in dataset.warnings) == (split is None)


def test_a_split_that_does_not_exist_is_refused(folder):
    with pytest.raises(
        DatasetError, match=r"manifest.json: there is no split 'val'; there are: test \(4\), train \(2\)"
    ):
        read(write(folder, SPLITS), split="val")
    with pytest.raises(DatasetError, match="there is no split 'val'; it states no splits"):
        read(write(folder, [GOOD]), split="val")


def test_a_file_in_two_splits_is_refused(folder):
    with pytest.raises(DatasetError, match="a.jpg is in two splits, train and test; what is learned from must not be"):
        read(write(folder, [*SPLITS, {"image": "./a.jpg", "label": "dog", "split": "test"}]))


def test_a_file_with_two_labels_has_both_and_is_counted(folder):
    entries = [{"image": "a.jpg", "label": label} for label in ("dog", "cat", "dog")]
    dataset = read(write(folder, entries))
    assert qrels(dataset)["image->text"] == {"image:a.jpg": {"label:dog", "label:cat"}}
    assert dataset.warnings == (
        "files named again, their entries taken together: 2",
        "files with several labels, all of them taken as right: 1, the first: a.jpg",
    )


def test_every_reader_is_one():
    for kind in READERS:
        known = reader(kind)
        assert callable(known.knows)
        assert callable(known.read)
        assert isinstance(known.SPLIT_BY_FILE, bool)
        assert all(name == name.lower() for name in known.NAMES)


def test_directions_are_named_by_modality(folder):
    judgements = read(write(folder, [GOOD])).judgements[0]
    assert (judgements.query, judgements.target) == (Modality.TEXT, Modality.IMAGE)
