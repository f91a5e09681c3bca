"""`mmsearch eval`, as a user runs it."""

import json

import pytest
from made import picture

from mmsearch.encoders.fake import COLOURS


@pytest.fixture
def run(tmp_path, monkeypatch, typed):
    """Runs `mmsearch eval` beside a dataset of ten pictures, `data.json`: exit status, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for colour in COLOURS:
        picture(colour).save(tmp_path / f"{colour}.png")
    rows = [{"image": f"{one}.png", "captions": [f"something {one}", f"{one} and [b]nothing"]} for one in COLOURS]
    (tmp_path / "data.json").write_text(json.dumps(rows))

    return lambda *arguments, command="eval": typed(command, *arguments)


@pytest.fixture
def per_query(run, tmp_path):
    """Two files of figures: of a model that finds everything, and of one whose answers were turned round."""
    assert run("data.json", "--model", "fake", "--per-query", "good.jsonl")[0] == 0
    rows = [json.loads(line) for line in (tmp_path / "good.jsonl").read_text().splitlines()]
    worse = [
        {**row, "rank": 7, **{name: 0.0 for name, value in row.items() if isinstance(value, float)}} for row in rows
    ]
    (tmp_path / "bad.jsonl").write_text("".join(json.dumps(row) + "\n" for row in worse))
    return rows


def test_the_table_has_both_names_where_papers_disagree(run):
    status, out, _ = run("data.json", "--model", "fake")
    assert status == 0
    for said in ("hit@1 (CLIP's R@1)", "recall@1 (fractional)", "nDCG@10 (linear gain)", "R-precision", "mean rank"):
        assert said in out
    assert "text->image" in out and "image->text" in out
    assert "captions of one picture" in " ".join(out.split())


def test_json_carries_the_command_and_repeats(run):
    first, second = (run("data.json", "--model", "fake", "--json") for _ in range(2))
    assert first == second
    found = json.loads(first[1])
    assert found["provenance"]["command"] == "mmsearch eval data.json --model fake --json"
    assert found["directions"]["text->image"]["hit@1"] == 1
    assert "variants" not in found


def test_split_is_handed_to_the_reader(run):
    status, _, err = run("data.json", "--model", "fake", "--split", "nonsense")
    assert status == 1 and "nonsense" in err


def test_per_query_files(run, per_query, tmp_path):
    assert len(per_query) == 30
    assert per_query[0]["text"] == "something black" and per_query[0]["rank"] == 1
    assert {row["text"] for row in per_query[20:]} == {f"{colour}.png" for colour in COLOURS}
    assert run("data.json", "--model", "fake", "--per-query", "q.csv")[0] == 0
    assert len((tmp_path / "q.csv").read_text().splitlines()) == 31
    status, _, err = run("data.json", "--model", "fake", "--per-query", "q.txt")
    assert status == 1 and ".csv or .jsonl" in err


def test_trec_files_hold_whole_runs(run, tmp_path):
    assert run("data.json", "--model", "fake", "--trec", "trec")[0] == 0
    lines = (tmp_path / "trec" / "text-image.run").read_text().splitlines()
    assert len(lines) == 20 * 10
    assert lines[0].split()[:4] == ["caption:1.1", "Q0", "image:black.png", "1"]
    assert len((tmp_path / "trec" / "image-text.qrels").read_text().splitlines()) == 20


def test_variants_as_tables_and_as_json(run):
    status, out, _ = run("data.json", "--model", "fake", "--variants", "--stored")
    assert status == 0
    for said in (
        "exact",
        "hubness-corrected",
        "merged, calibrated",
        "of exact",
        "approximate: the index has no structure",
    ):
        assert said in out
    found = json.loads(run("data.json", "--model", "fake", "--variants", "--json")[1])["variants"]
    assert set(found) == {"text->image", "image->text"}
    assert found["text->image"][0]["name"] == "exact" and found["text->image"][0]["hit@1"] == 1


def test_comparing_two_files(run, per_query):
    status, out, _ = run("data.json", "--compare", "good.jsonl", "bad.jsonl")
    assert status == 0
    flat = " ".join(out.split())
    assert "A: good.jsonl B: bad.jsonl" in flat
    assert "text->image, 20 queries" in flat and "worse with B" in flat
    assert "black and [b]nothing" in flat, "markup in captions is text"
    found = json.loads(run("data.json", "--compare", "good.jsonl", "bad.jsonl", "--json")[1])
    row = found["differences"][0]
    assert (row["measure"], row["a"], row["b"], row["difference"]) == ("hit@1", 1, 0, -1)
    assert row["p"] < row["adjusted"] < 0.05
    assert found["fallen"]["text->image"][0]["text"] in {f"something {c}" for c in COLOURS} | {
        f"{c} and [b]nothing" for c in COLOURS
    }


def test_comparing_a_model_with_an_index(run):
    assert run(".", "--index", "./built", "--model", "fake", command="index")[0] == 0
    status, out, _ = run("data.json", "--compare", "fake", "./built", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["names"] == ["fake", "./built"]
    assert found["queries"] == {"text->image": 20}
    assert {row["p"] for row in found["differences"]} == {1}
    assert any(warning.startswith("image->text") for warning in found["warnings"])


@pytest.mark.parametrize("other", [["--model", "fake"], ["--trec", "t"], ["--per-query", "q.csv"], ["--variants"]])
def test_comparing_goes_with_few_options(run, per_query, other):
    status, _, err = run("data.json", "--compare", "good.jsonl", "bad.jsonl", *other)
    assert status == 1 and "--compare A B" in err


@pytest.mark.parametrize("side", ["nonsense", "", "./nowhere"])
def test_comparing_with_what_is_not_there(run, per_query, side):
    status, _, err = run("data.json", "--compare", "good.jsonl", side)
    assert status == 1
    assert "is no model, no index and no file of --per-query" in err and "Traceback" not in err


def test_reports_of_an_evaluation_and_of_a_comparison(run, per_query, tmp_path):
    status, out, _ = run("data.json", "--model", "fake", "--variants", "--report", "one.html", "--json")
    assert status == 0
    assert json.loads(out)["geometry"].keys() >= {"gaps", "hubness", "scores", "merged"}
    assert run("data.json", "--compare", "good.jsonl", "bad.jsonl", "--report", "two.html")[0] == 0
    for page in ("one.html", "two.html"):
        assert "<!doctype html>" in (tmp_path / page).read_text("utf-8")[:100].lower()
