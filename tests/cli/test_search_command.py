"""`mmsearch search` with sums, items and moments, as a user runs it."""

import json
import shlex

import numpy as np
import pytest
import soundfile
from made import RATE, tone

import mmsearch
from mmsearch.captions import own_bank
from mmsearch.types import Record


@pytest.fixture
def run(tmp_path, monkeypatch, typed, media):
    """Runs a command below a folder with an index of `media`: exit status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    soundfile.write(media / "long.wav", np.concatenate([tone("low", 60), tone("whistle", 20), tone("low", 40)]), RATE)

    assert typed("index", media, "--model", "fake")[0] == 0
    return typed


def found(run, *arguments):
    status, said, error = run("search", *arguments, "--target", "image", "--json")
    assert status == 0, error
    return [hit["path"].rpartition("/")[2] for hit in json.loads(said)["hits"]]


def test_sums(run, media):
    assert found(run, "red blue - blue")[0] == "red.png"
    assert found(run, "red blue", "--minus", "blue")[0] == "red.png"
    assert found(run, "red", "--plus", f"0.4:{media / 'green.png'}")[:2] == ["red.png", "green.png"]
    assert found(run, f"0.4*red + {media / 'green.png'}")[:2] == ["green.png", "red.png"]
    assert found(run, "--image", media / "green.png", "--minus", "0.1:red")[0] == "green.png"
    assert found(run, "--minus", "red")[-1] == "red.png"


def test_a_question_that_is_read_as_a_sum_is_told_and_how_to_ask_its_words(run):
    _, _, error = run("search", "red - it's blue")
    assert "note: asked as a sum, text 'red' - text \"it's blue\"; to ask the words as they stand: " in error
    (words,) = shlex.split(error.partition("as they stand: ")[2])
    for arguments in ([words], ["--plus", "red - blue"], ["--minus", "red"], ["red - it's blue", "--json"]):
        _, _, error = run("search", *arguments)
        assert "as a sum" not in error
    _, out, _ = run("search", words, "--json")
    assert json.loads(out)["query"]["text"] == "red - it's blue"


def test_what_begins_with_a_minus_can_stand_last(run):
    status, out, error = run("search", "--paths", "--target", "image", "--", "- red")
    assert status == 0 and out.splitlines()[-1].endswith("red.png") and "hint" not in error


def test_more_like_this_by_file_and_by_id(run, media):
    by_file = found(run, "--like", media / "red.png")
    assert "red.png" not in by_file
    assert len(by_file) == 3
    (hit,) = json.loads(run("search", "red", "--target", "image", "-k", 1, "--json")[1])["hits"]
    assert found(run, "--like", hit["id"]) == by_file
    assert found(run, "red blue", "--unlike", media / "green.png")[-1] == "yellow.png"


def test_an_expression_names_an_item_by_its_file(run, media):
    assert found(run, f"id:{media / 'red.png'}") == found(run, "--like", media / "red.png")


def test_each_hit_shows_what_it_can_be_asked_by(run, media, tmp_path):
    (media / "notes.jsonl").write_text('{"text": "crimson one"}\n{"text": "crimson two"}\n')
    (media / "\udcff.txt").write_text("crimson three")
    run("index", media)
    with mmsearch.open(tmp_path / "indexes" / "media") as index:
        index.add_items([Record(id="note/4", text="crimson four")])
    asked = ("crimson", "--lexical", "only")
    hits = json.loads(run("search", *asked, "--json")[1])["hits"]
    ids = {hit["excerpt"].split()[-1]: hit["id"] for hit in hits}
    for shown in ((), ("--explain",)):
        out = run("search", *asked, *shown)[1]
        lines = " ".join(out.split())
        assert {f"id {ids[of]}" in lines for of in ("one", "two", "three", "four")} == {True}
        assert ids["four"] == "note/4" and "media/notes.jsonl" in out.replace("\n", "").replace(" ", "")
    assert " id " not in run("search", "red", "--target", "image")[1]
    assert run("search", *asked, "--ids")[1].split() == [hit["id"] for hit in hits]
    for id_ in ids.values():
        assert id_ not in run("search", f"id:{id_}", "--ids")[1].split()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["red", "--ids", "--paths"], "--paths and --ids do not go together"),
        (["red", "--ids", "--json"], "--ids and --json do not go together"),
        (["red", "--ids", "--explain"], "--ids and --explain do not go together"),
        (["red", "--paths", "--json"], "--paths and --json do not go together"),
        (["inf*red"], "a weight is a finite number; write text:inf*red to ask for these words, at character 1"),
        (["red", "--within", "media/long.wav", "--target", "audoi"], "audoi: no modality; there are: image, text, "),
        (["red", "--within", "media/long.wav", "--target", "audoi"], "did you mean audio?"),
        (["red", "--within", "media/long.wav", "--target", "image,audio"], "image,audio: no modality; there are:"),
        (["red", "--within", "id:gone"], "nothing in the index has the id 'gone' or is at that path"),
        (["red", "--within", "media/long.wav", "--ids"], "leave out --ids,"),
        (["red + id:gone"], "at character 10\n  red + id:gone\n           ^"),
        (["red", "--target", "image,txt"], "txt: no modality; there are: image, text, audio; did you mean text?"),
        (["red + "], "query: a part of the question is missing, at character 6\n  red + \n       ^"),
        (['red - "blue'], "this quotation mark is not closed, at character 7"),
        (["red - red"], "nothing is left to ask with, at character 7\n  red - red\n        ^"),
        (["red", "--plus", "0.5:"], "a part of the question is missing, at character 5"),
        (["- red"], "hint: '- red' is read as an option; put it last, behind --"),
        (["red", "--plus", "gone.png"], "the image gone.png is not there; write text:gone.png"),
        (["--like", "gone"], "nothing in the index has the id 'gone' or is at that path"),
        (["--image", "gone.png"], "gone.png"),
        (["--image", "media/red.png", "--template", "a {}"], "a template is for a text, and the query has none"),
        (["red", "--within", "gone.wav"], "nothing in the index has the id 'gone.wav' or is at that path"),
        (["--like", "media"], "media stands for 9 items; name one by its id, such as "),
        (["red", "--unlike", "media/sounds"], "media/sounds stands for 2 items; name one by its id"),
        (["--like", "\udcff\udcfe"], "nothing in the index has the id"),
        (["red", "--within", "media/long.wav", "-k", "0"], "from 1 to 100000, not 0"),
        (
            ["red", "--within", "media/long.wav", "--where", "a = 1", "--rerank", "none", "--lexical", "on"],
            "--within lists the moments of one item: leave out --where, --rerank, --lexical,",
        ),
        (["red", "--within", "media/long.wav", "--explain"], "leave out --explain,"),
        (["red", "--within", "media/long.wav", "--paths", "--gallery", "x.html"], "leave out --paths, --gallery,"),
        (["red", "--within", "media/red.png"], "no sound and no text to look for moments in, only image"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(run, arguments, said):
    status, out, error = run("search", *arguments)
    assert status != 0
    assert not out
    assert said in error
    assert "Traceback" not in error


def test_moments(run, media):
    status, out, _ = run("search", "whistle", "--within", media / "long.wav")
    assert status == 0
    assert "long.wav\n" in out
    assert "1:20.0" in out
    assert "█" in out
    told = json.loads(run("search", "whistle", "--within", media / "long.wav", "--json")[1])
    (moment,) = told["moments"]
    assert (moment["start"], moment["end"]) == pytest.approx((60, 80), abs=5)
    assert told["path"].endswith("long.wav")
    assert told["curve"][0]["start"] == 0
    assert max(piece["score"] for piece in told["curve"]) == moment["score"]
    status, out, _ = run("search", "whistle", "--within", media / "sounds" / "low.wav")
    assert status == 0
    assert out.startswith("nothing stands out in ")
    ((_, _, sure, *_),) = [
        line.split()
        for line in run("search", "whistle", "--within", media / "long.wav")[1].splitlines()
        if line.lstrip().startswith("1 ")
    ]
    assert float(sure) == pytest.approx(moment["confidence"], abs=0.01)
    (media / "captions.txt").write_text(" ".join(f"{caption}." for caption in own_bank(200)))
    assert run("index", media)[0] == 0
    asked = ("search", "grass", "--within", media / "captions.txt")
    assert "captions.txt: nothing fits well; nearest is" in run(*asked)[1]
    assert "captions.txt reaches a confidence of 0.99 (the best has 0." in run(*asked, "--min-confidence", "0.99")[1]


def test_moments_of_an_item_that_is_named_as_in_a_sum(run, media):
    asked = ("search", "whistle", "--json", "--within")
    told = run(*asked, media / "long.wav")
    assert told[0] == 0
    id_ = json.loads(told[1])["id"]
    assert run(*asked, id_) == run(*asked, f"id:{id_}") == run(*asked, f"id:{media / 'long.wav'}") == told


def test_a_name_that_would_break_its_line_is_escaped(run, media, tmp_path):
    (media / "two\nlines.txt").write_text("crimson file")
    run("index", media)
    with mmsearch.open(tmp_path / "indexes" / "media") as index:
        index.add_items([Record(id="a\nb\x1b[31m\u2028c größe　1", text="crimson record")])
    asked = ("search", "crimson", "--lexical", "only")
    ids = run(*asked, "--ids")[1].splitlines()
    assert len(ids) == 2
    ids.remove("a\\nb\\x1b[31m\\u2028c größe　1")
    (path,) = run(*asked, "--paths")[1].splitlines()
    assert path == str(media / "two\\nlines.txt")
    shown = run(*asked, "--explain")[1]
    assert "id a\\nb\\x1b[31m\\u2028c größe　1" in shown
    assert f"{path}  id {ids[0]}" in shown
    assert "two\\nlines.txt" in run("search", "crimson", "--within", ids[0])[1]


def test_a_hit_shows_its_stretch(run):
    told = json.loads(run("search", "whistle", "--target", "audio", "--json")[1])["hits"]
    (span,) = (hit["span"] for hit in told if hit["path"].endswith("long.wav"))
    assert span == pytest.approx([60, 80], abs=5)
    assert "–1:20.0" in run("search", "whistle", "--target", "audio")[1]


def test_help_tells_how_to_say_it(run):
    told = " ".join(run("search", "--help")[1].replace("│", " ").split())
    assert "'text:3:1 win'" in told
    assert told.count("--minus leash") == 2


def test_words_that_begin_with_a_weight(run):
    (asked,) = (json.loads(run("search", "--plus", "text:3:1 win", "--json")[1])["query"],)
    assert asked["text"] == "3:1 win"
