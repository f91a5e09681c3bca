"""`mmsearch search --lexical`, as a user runs it."""

import json

import pytest
from made import picture

import mmsearch


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with three files, and an index of them."""
    folder = tmp_path_factory.mktemp("lexical")
    (folder / "media").mkdir()
    (folder / "media" / "invoice_2023-114.txt").write_text("dear customer, this is what you owe us")
    (folder / "media" / "walk.txt").write_text("the invoice of 2023 for 114 red things on the beach")
    picture("blue").save(folder / "media" / "IMG_beach1.png")
    with mmsearch.open(folder / "index", model="fake") as index:
        index.add([folder / "media"], isolate=False)
    return folder


@pytest.fixture
def run(place, monkeypatch, typed):
    """Runs a search: exit status, standard output, standard error."""
    monkeypatch.chdir(place)
    return lambda *arguments: typed("search", *arguments, "--index", place / "index")


def names(run, *arguments):
    status, said, error = run(*arguments, "--json")
    assert status == 0, error
    return [hit["path"].rpartition("/")[2] for hit in json.loads(said)["hits"]]


def test_words_count_beside_vectors_unless_they_are_off(run):
    assert names(run, "invoice 2023-114")[0] == "invoice_2023-114.txt"
    assert names(run, "invoice 2023-114", "--lexical", "off")[0] == "walk.txt"
    assert set(names(run, "bea*", "--lexical", "only")) == {"walk.txt", "IMG_beach1.png"}
    assert names(run, '"2023 for 114"', "--lexical", "only") == ["walk.txt"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["beach *", "--lexical", "on"], "  beach *\n        ^"),
        (['beach ""', "--lexical", "only"], "no word between these quotation marks"),
        (["beach", "--lexical", "onn"], "did you mean on?"),
        (["--image", "media/IMG_beach1.png", "--lexical", "only"], "the question has none"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(run, arguments, said):
    status, _, error = run(*arguments)
    assert status == 1
    assert said in error


def test_what_a_hit_went_by_is_told(run):
    _, said, _ = run("invoice 2023-114", "--explain", "--json")
    first = json.loads(said)["hits"][0]
    assert first["stages"][-1]["used"]["words"] == ["2023-114", "invoice"]
    assert "rank 1 by words: 2023-114, invoice" in first["why"][-1]
