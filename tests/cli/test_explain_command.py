"""`search --explain`."""

import json

import pytest
from made import picture
from typer.testing import CliRunner

from mmsearch import Record
from mmsearch.cli.app import app


@pytest.fixture
def run(index, monkeypatch):
    """Ask an index of five pictures, of which two are the same."""
    monkeypatch.setenv("COLUMNS", "200")
    colours = ("red", "red", "blue", "green", "grey")
    for n, colour in enumerate(colours):  # one by one: of equal ones, the first that was added is the first
        index.add_items([Record(id=f"{colour}{n}", image=picture(colour))])

    def search(*options):
        done = CliRunner().invoke(app, ["search", "red red blue", "--index", str(index.folder), *options])
        assert done.exit_code == 0, done.output
        return done.stdout

    return search


def test_a_block_for_each_hit(run):
    said = run("--explain", "--rerank", "tags,mmr:0.4,collapse", "-k", "3")
    block = said.split("\n\n")[1].splitlines()
    assert block[0].split() == ["2", "image", "id", "blue2"]
    words = [line.split() for line in block[1:]]
    assert words[0] == ["asked", "text→image", "in", "fake"]
    assert words[1][:3] == ["found", "rank", "3"] and "cosine" in words[1]
    assert words[2][0] == "tags" and "blue" in words[2]
    assert words[3][:4] == ["mmr:0.4", "rank", "2", "↑1"]
    assert "nearly the same: red1" in said.split("\n\n")[0]
    assert "Each line is a step" in said


def test_json_has_ranks_and_scores_before_and_after(run):
    found = json.loads(run("--explain", "--rerank", "tags,collapse", "--json"))["hits"]
    assert found[0]["same"] == ["red1"]
    first, tags, collapse = found[1]["stages"]
    assert (first["rank before"], first["rank"]) == (None, 3)
    assert (tags["step"], tags["rank before"], tags["rank"], list(tags["used"]["classes"])) == ("tags", 3, 3, ["blue"])
    assert (collapse["rank before"], collapse["rank"], collapse["score"]) == (3, 2, collapse["score before"])


def test_json_without_it_has_no_stages(run):
    assert ["stages" in hit for hit in json.loads(run("--json"))["hits"]] == [False] * 5


def test_the_plain_table_says_what_a_hit_stands_for_too(run):
    assert "red0  (and 1 nearly the same)" in run("--rerank", "collapse")


def test_nothing_found_is_said(run):
    assert run("--explain", "--where", "modality = 'audio'").strip() == "nothing found"
