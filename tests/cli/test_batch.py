"""`mmsearch search --file`, as a user types it."""

import json
import os
import sys
from pathlib import Path

import pytest
from made import picture
from typer.testing import CliRunner

import mmsearch
from mmsearch.cli import batch
from mmsearch.cli.app import app
from mmsearch.errors import ModelError, QueryError
from mmsearch.search.searcher import Searcher


@pytest.fixture
def filled(index, media):
    index.add([media])
    index.close()
    return index.folder


@pytest.fixture
def run(filled):
    def call(*arguments, **options):
        return CliRunner().invoke(app, ["search", "--index", str(filled), *map(str, arguments)], **options)

    return call


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_text_in_each_line_means_what_it_says(run, filled, tmp_path):
    (tmp_path / "queries.txt").write_text("\ufeffred\n\na dog - leash + 0.5*cat\n  blue  \n", "utf-8")
    done = run("--file", tmp_path / "queries.txt", "-k", 3, "--target", "image,text")
    assert done.exit_code == 0
    found = lines(done.stdout)
    assert [one["id"] for one in found] == ["1", "3", "4"]
    assert [one["query"]["text"] for one in found] == ["red", "a dog - leash + 0.5*cat", "blue"]
    with mmsearch.open(filled) as index:
        for one in found:
            hits = index.search(one["query"]["text"], k=3, target=["image", "text"])
            assert [hit["id"] for hit in one["hits"]] == [hit.id for hit in hits]
            assert [hit["score"] for hit in one["hits"]] == pytest.approx([hit.score for hit in hits], abs=1e-5)


def test_json_lines(run, media, tmp_path):
    picture("yellow").save(tmp_path / "asked.png")
    objects = [
        {"id": "one", "text": "red - blue"},
        {"id": 2, "image": str(tmp_path / "asked.png")},
        {"audio": str(media / "sounds" / "whistle.wav"), "note": "left alone"},
        {"id": "four", "expression": "red - blue"},
        {"id": "five", "text": "red", "image": str(media / "blue.png")},
    ]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, objects)))
    done = run("--file", tmp_path / "queries.jsonl", "-k", 1)
    found = lines(done.stdout)
    assert [one["id"] for one in found] == ["one", "2", "3", "four", "five"]
    assert found[0]["query"]["text"] == "red - blue" and "parts" in found[3]["query"]
    assert [found[place]["hits"][0]["path"].rpartition("/")[2] for place in (1, 2)] == ["yellow.png", "whistle.wav"]


def test_bad_lines_are_told_and_the_others_go_on(run, tmp_path):
    bad = [b'{"id": "gone", "image": "gone.png"}', b"{no json", b'["a list"]', b'{"id": "x"}', b'{"text": 5}', b"\xff",
           b'{"item": "nobody"}', b'{"expression": "a dog +"}']  # fmt: skip
    good = [b'{"id": "a", "text": "red"}', b'{"id": "b", "text": "blue"}']
    (tmp_path / "queries.jsonl").write_bytes(b"\n".join([good[0], *bad, good[1]]))
    done = run("--file", tmp_path / "queries.jsonl")
    assert done.exit_code == 0
    found = lines(done.stdout)
    assert [one["id"] for one in found] == ["a", "gone", "3", "4", "x", "6", "7", "8", "9", "b"]
    assert ["hits" in one for one in found] == [True, *[False] * 8, True]
    assert [one["line"] for one in found[1:-1]] == list(range(2, 10))
    for number, said in ((2, "gone.png"), (3, "no JSON"), (5, "none of text"), (6, "must be a string"), (7, "UTF-8"),
                         (8, "nobody"), (9, "^")):  # fmt: skip
        assert f"line {number}: " in done.stderr and said in done.stderr
    assert "2 questions asked, 8 lines could not be" in done.stderr
    assert run("--file", tmp_path / "queries.jsonl", "--strict").exit_code == 1
    (tmp_path / "bad.jsonl").write_bytes(b"\n".join(bad))
    assert run("--file", tmp_path / "bad.jsonl").exit_code == 1


def test_many_bad_lines_do_not_fill_the_screen(run, tmp_path):
    (tmp_path / "queries.jsonl").write_text("{\n" * 300 + '{"text": "red"}')
    done = run("--file", tmp_path / "queries.jsonl", "--trec", "mine")
    assert done.stderr.count("line ") == batch.SHOWN and "300 lines could not be" in done.stderr


def test_answers_are_json_lines_whether_or_not_that_is_said(run, tmp_path):
    (tmp_path / "q.txt").write_text("red\nblue\n")
    plain, said = (run("--file", tmp_path / "q.txt", *more) for more in ((), ("--json",)))
    assert said.exit_code == 0 and said.stdout == plain.stdout and len(lines(said.stdout)) == 2


def test_standard_input(run):
    found = lines(run("--file", "-", input="red\nblue\n").stdout)
    assert [one["query"]["text"] for one in found] == ["red", "blue"]
    found = lines(run("--file", "-", input='\n{"id": "q", "text": "red"}\n{"text": "blue"}\n').stdout)
    assert [(one["id"], one["query"]["text"]) for one in found] == [("q", "red"), ("3", "blue")]


def test_a_trec_run_into_a_file(run, tmp_path):
    (tmp_path / "queries.jsonl").write_text('{"id": "a query", "text": "red"}\n{"id": "b", "text": "blue"}\n')
    done = run("--file", tmp_path / "queries.jsonl", "--trec", "mine", "--out", tmp_path / "out.run", "-k", 5)
    assert done.exit_code == 0 and not done.stdout
    rows = [line.split() for line in (tmp_path / "out.run").read_text().splitlines()]
    assert [row[0] for row in rows] == ["a%20query"] * 5 + ["b"] * 5
    assert {(row[1], row[5]) for row in rows} == {("Q0", "mine")} and [int(row[3]) for row in rows[:5]] == [
        1,
        2,
        3,
        4,
        5,
    ]
    scores = [float(row[4]) for row in rows]
    assert all(a > b for a, b in zip(scores[:4], scores[1:5], strict=True))


def test_a_run_has_each_question_once(run, tmp_path):
    (tmp_path / "q.jsonl").write_text(
        '{"id": "a", "text": "red"}\n{"id": "3", "text": "low"}\n{"text": "blue"}\n{"id": "a", "text": "blue"}\n'
    )
    done = run("--file", tmp_path / "q.jsonl", "--trec", "mine", "-k", 2)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["a", "a", "3", "3"]
    assert "line 3: a run has one list for each id, and '3' is the id of line 2 already" in done.stderr
    assert "line 4: a run has one list for each id, and 'a' is the id of line 1 already" in done.stderr
    assert len(lines(run("--file", tmp_path / "q.jsonl").stdout)) == 4


def test_options_are_those_of_a_search(run, tmp_path):
    (tmp_path / "q.txt").write_text("red\n")
    plain, asked = (
        lines(run("--file", tmp_path / "q.txt", "--where", "modality = 'image'", *more).stdout)[0]
        for more in ((), ("--template", "a {} photo", "--rerank", "none"))
    )
    assert {hit["modality"] for hit in plain["hits"]} == {"image"}
    assert asked["query"]["templates"] == ["a {} photo"] and asked["query"]["rerank"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["a text", "--file", "-"],
        ["--file", "-", "--paths"],
        ["a text", "--out", "x"],
        ["a text", "--strict"],
        ["--file", "nowhere.txt"],
        ["--file", "-", "--out", "no/such/folder"],
        ["--file", "-", "--trec", "two words"],
        ["--file", "-", "--trec", " padded"],
        ["--file", "-", "--trec", "\udcff"],
        ["--file", "-"],
        ["--file", "-", "-k", "0"],
    ],
)
def test_what_makes_no_sense(run, arguments):
    assert isinstance(run(*arguments, input="").exception, QueryError)


@pytest.mark.parametrize("way", ["same", "link", "hard"])
def test_answers_do_not_go_over_the_questions(run, tmp_path, way):
    asked, out = tmp_path / "q.txt", tmp_path / "other.txt"
    asked.write_text("red\n")
    {"link": lambda: out.symlink_to(asked), "hard": lambda: out.hardlink_to(asked)}.get(way, lambda: None)()
    done = run("--file", asked, "--out", asked if way == "same" else out)
    assert isinstance(done.exception, QueryError) and "the questions are read from it" in str(done.exception)
    assert asked.read_text() == "red\n"


def test_nor_over_standard_input(tmp_path, monkeypatch):
    asked = tmp_path / "q.txt"
    asked.write_text("red\n")
    with asked.open() as given, monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", given)
        with pytest.raises(QueryError, match="the questions are read from it"):
            batch.batch(Path("-"), lambda _: iter(()), out=asked, trec=None, templates=(), strict=False)
    assert asked.read_text() == "red\n"


@pytest.mark.parametrize(
    "options",
    [
        ("--rerank", "foo"),
        ("--rerank", "mmr:7"),
        ("--rerank", "tags,nnn:x"),
        ("--target", "smell"),
        ("--where", "x ="),
        ("-k", 0),
        ("--lexical", "yes"),
        ("--trec", "a b"),
    ],
)
def test_options_that_make_no_sense_leave_the_answers_of_before(run, tmp_path, options):
    (tmp_path / "q.txt").write_text("red\n")
    (tmp_path / "out").write_text("old\n")
    assert isinstance(run("--file", tmp_path / "q.txt", "--out", tmp_path / "out", *options).exception, QueryError)
    assert (tmp_path / "out").read_text() == "old\n"
    run("--file", tmp_path / "q.txt", "--out", tmp_path / "new", *options)
    assert not (tmp_path / "new").exists()


def test_answers_of_before_go_when_there_are_new_ones(run, tmp_path, monkeypatch):
    (tmp_path / "q.txt").write_text("red\n")
    (tmp_path / "out").write_text("old\n" * 1_000)
    command = ("--file", tmp_path / "q.txt", "--out", tmp_path / "out")
    with monkeypatch.context() as patched:
        patched.setattr(Searcher, "search_many", raising(ModelError("no weights")))
        assert isinstance(run(*command).exception, ModelError)
        assert (tmp_path / "out").read_text() == "old\n" * 1_000
    assert run(*command).exit_code == 0
    assert len(lines((tmp_path / "out").read_text())) == 1
    assert run("--file", "-", "--out", os.devnull, input="red\n").exit_code == 0


def test_an_interrupted_run_keeps_what_was_answered(run, tmp_path, monkeypatch):
    (tmp_path / "q.txt").write_text("red\nblue\ngreen\n")
    real, asked = batch._write, []

    def stopping(sink, line, *more):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(line)
        real(sink, line, *more)

    monkeypatch.setattr(batch, "_write", stopping)
    run("--file", tmp_path / "q.txt", "--out", tmp_path / "out")
    assert [one["id"] for one in lines((tmp_path / "out").read_text())] == ["1", "2"]


def raising(error):
    def raises(*_):
        raise error

    return raises


@pytest.mark.parametrize("more", [(), ("--trec", "mine")])
def test_half_surrogate_pairs_stop_nothing(run, tmp_path, more):
    bad = [{"item": "\ud800"}, {"item": "\udcff"}, {"expression": "\ud800 - red"}, {"text": "\ud800"},
           {"expression": f"/{'a' * 5_000}.png"}]  # fmt: skip
    asked = [{"id": "\ud800", "text": "red"}, *bad, {"id": "last", "text": "red"}]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, asked)))
    done = run("--file", tmp_path / "q.jsonl", "--out", tmp_path / "out", "-k", 1, *more)
    assert done.exit_code == 0 and f"2 questions asked, {len(bad)} lines could not be" in done.stderr
    if more:
        told = (tmp_path / "out").read_text("utf-8").splitlines()
        assert [line.split()[0] for line in told] == ["%ED%A0%80", "last"]
    else:
        told = lines((tmp_path / "out").read_text("utf-8"))
        assert (told[0]["id"], told[-1]["id"]) == ("\ud800", "last")


def test_an_id_that_is_null_is_none(run):
    asked = '{"id": null, "text": "red"}\n{"id": 0, "text": "red"}\n{"id": "", "text": "red"}\n'
    assert [one["id"] for one in lines(run("--file", "-", input=asked).stdout)] == ["1", "0", ""]


def test_templates_are_for_all_texts(run):
    asked = '{"text": "red"}\n{"expression": "red"}\n{"expression": "red - 0.5*blue"}\n'
    found = lines(run("--file", "-", "--template", "a {} photo", input=asked).stdout)
    assert [one["query"]["templates"] for one in found] == [["a {} photo"]] * 3
    assert found[0]["hits"] == found[1]["hits"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a text", "--file", "-", "--paths", "--like", "x"], "leave out QUESTION, --like, --paths,"),
        (["", "--file", "-"], "leave out QUESTION,"),
        (["red", "--trec", "mine", "--out", "x"], "--out, --trec: only with --file"),
        (["red", "--trec", ""], "--trec: only with --file"),
        (["--file", "-", "--trec", "mine", "--json"], "leave out --json"),
    ],
)
def test_what_does_not_go_together_is_named(run, arguments, said):
    done = run(*arguments, input="")
    assert isinstance(done.exception, QueryError) and said in str(done.exception)
