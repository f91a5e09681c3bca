"""`mmsearch search --min-confidence`, and the answer to what is not there."""

import json
import re

import numpy as np
import pytest
from made import picture
from typer.testing import CliRunner

import mmsearch
from mmsearch import Record
from mmsearch.cli.app import app
from mmsearch.cli.present import notes
from mmsearch.encoders.fake import COLOURS
from mmsearch.errors import QueryError
from mmsearch.types import Hits

ABSENT = "purple brown orange"  # colours that no picture has


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An index of 24 pictures of each of five colours."""
    draw = np.random.default_rng(0)
    place = tmp_path_factory.mktemp("confidence") / "index"
    records = []
    for number in range(120):
        pixels = np.array(picture(list(COLOURS)[number % 5]))
        pixels[draw.random(pixels.shape[:2]) < 0.3] = draw.integers(0, 256, 3)
        records.append(Record(id=f"p{number}", image=pixels))
    with mmsearch.open(place, model="fake") as index:
        index.add_items(records)
    return place


def run(folder, *arguments):
    return CliRunner().invoke(app, ["search", *arguments, "--target", "image", "--index", str(folder)])


def test_confidence_is_a_column_of_its_own(folder):
    done = run(folder, "red")
    assert done.exit_code == 0, done.output
    header, _, first, *_ = (line.split() for line in done.stdout.splitlines() if line.strip())
    assert header[:3] == ["#", "confidence", "score"]
    assert 0.5 < float(first[1]) < 1


def test_the_answer_to_what_is_not_there_says_that_nothing_matches(folder):
    done = run(folder, ABSENT)
    assert "nothing found" in done.stdout
    assert "nothing matches well" in done.stderr
    assert "--min-confidence 0" in done.stderr
    shown = run(folder, ABSENT, "--min-confidence", "0")
    assert "nothing matches well" not in shown.stderr
    assert len(shown.stdout.splitlines()) > 10


def test_in_json(folder):
    found = json.loads(run(folder, "red", "--json").stdout)
    assert found["hits"][0]["confidence"] > 0.5
    nothing = json.loads(run(folder, ABSENT, "--json").stdout)
    assert nothing["hits"] == []
    assert 0 <= nothing["query"]["unmatched"] < 0.5
    some = json.loads(run(folder, "red", "--json", "--min-confidence", "0.5").stdout)
    assert some["hits"] == [hit for hit in found["hits"] if hit["confidence"] >= 0.5] != []


def test_a_run_for_evaluation_is_whole(folder, tmp_path):
    (tmp_path / "questions.txt").write_text(f"red\n{ABSENT}\n")
    done = run(folder, "--file", str(tmp_path / "questions.txt"), "--trec", "all")
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 20
    lines = [json.loads(line) for line in run(folder, "--file", str(tmp_path / "questions.txt")).stdout.splitlines()]
    assert [len(line["hits"]) for line in lines] == [10, 0]


def test_what_is_not_reached_is_told_in_enough_digits(folder, tmp_path):
    done = run(folder, "red", "--min-confidence", "1")
    best = re.search(r"nothing reaches a confidence of 1 \(the best has (0\.\d+)\)", done.stderr)
    assert best is not None and 0.5 < float(best[1]) < 1
    (tmp_path / "questions.txt").write_text("red\n")
    many = run(folder, "--file", str(tmp_path / "questions.txt"), "--min-confidence", "1")
    assert best[0] in many.stderr


@pytest.mark.parametrize(
    ("best", "least", "shown"),
    [(0.4, None, "0.40 at most"), (0.9987, 1.0, "has 0.999"), (0.99961, 1.0, "has 0.9996"), (0.89, 0.9, "has 0.89"),
     (1.0, 1.0, "has just less"), (0.999, None, "0.999 at most")],
)  # fmt: skip
def test_no_note_contradicts_itself(best, least, shown):
    (note,) = notes(Hits([], {"unmatched": best}), least)
    assert f"{shown})" in note


def test_what_is_no_confidence(folder):
    done = run(folder, "red", "--min-confidence", "7")
    assert isinstance(done.exception, QueryError)
    assert "from 0 to 1, not 7" in str(done.exception)
