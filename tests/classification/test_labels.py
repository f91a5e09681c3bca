"""Labels: from a list, a string, a file."""

import pytest

from mmsearch.classification.labels import Label, check_templates, of, parse
from mmsearch.errors import QueryError


def test_names_and_strings_and_files(tmp_path):
    file = tmp_path / "labels"
    file.write_text("\ufeff# what there is\ndog\n\n rain: rainfall | a heavy shower \ncat\n", "utf-8")
    wanted = (Label("dog"), Label("rain", ("rainfall", "a heavy shower")), Label("cat"))
    assert of(file) == of(str(file)) == of(wanted) == wanted
    assert of(" dog, sea waves ,cat,") == of(["dog", "sea waves", "cat"])
    assert [label.name for label in of(["a, b", "c"])] == ["a, b", "c"]


def test_a_label_is_said_in_every_way_in_every_template():
    assert Label("dog").prompts(["{}", "a {} and a {}"]) == ["dog", "a dog and a dog"]
    assert Label("rain", ("a shower", "drops")).prompts(["the sound of {}"]) == [
        "the sound of a shower",
        "the sound of drops",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "there is none"),
        ("dog,,", "there is one"),
        (["dog", " "], "blank"),
        (["cat", 5], "a label is a text, not 5"),
        ("dog,cat,dog", "'dog' is given twice"),
        ("labels-that-are-not-there.txt", "cannot read the labels labels-that-are-not-there.txt"),
    ],
)
def test_labels_that_make_no_sense(given, said):
    with pytest.raises(QueryError, match=said):
        of(given)


@pytest.mark.parametrize(
    ("line", "why", "caret"),
    [(": drops", "a name is missing", 0), ("rain: a | | b", "nothing is said", 9), ("rain:", "nothing is said", 5)],
)
def test_a_bad_line_is_shown_with_its_place(line, why, caret):
    with pytest.raises(QueryError, match=f"x, line 2: {why}") as raised:
        list(parse(["dog", line], "x"))
    assert str(raised.value).splitlines()[1:] == [f"  {line}", f"  {' ' * caret}^"]


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\x00d")
    with pytest.raises(QueryError, match="cannot read the labels"):
        of(tmp_path / "labels.txt")


def test_a_folder_is_no_file_of_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cats,dogs").mkdir()
    with pytest.raises(QueryError, match=f"{tmp_path} is a folder; labels are names"):
        of(str(tmp_path))
    assert of("cats,dogs") == (Label("cats"), Label("dogs"))


def test_a_template_says_where_the_label_goes():
    assert check_templates(["a {}"]) == check_templates("a {}") == ("a {}",)
    with pytest.raises(QueryError, match="'a photo' does not say where"):
        check_templates(["a {}", "a photo"])
