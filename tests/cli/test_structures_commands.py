"""`mmsearch optimize` and `audit`, as a user types them."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mmsearch
from mmsearch.cli.app import app


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    with mmsearch.open(tmp_path / "index", model="fake") as index:
        index.add_items(
            mmsearch.Record(vectors={modality: row})
            for modality in ("image", "text")
            for row in random.standard_normal((500, 64))
        )
    return str(tmp_path / "index")


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_the_choice_is_explained(folder):
    said = run("optimize", "-i", folder)
    assert said.exit_code == 0 and "exact" in said.stdout and "rows are scanned at once" in said.stdout
    said = run("optimize", "-i", folder, "--structure", "hnsw", "--recall", "0.9")
    assert said.exit_code == 0 and "image in fake: HNSW32_SQ8, asked for" in said.stdout


def test_json_has_every_direction(folder):
    run("optimize", "-i", folder, "--structure", "hnsw", "--recall", "0.9")
    parts = json.loads(run("audit", "-i", folder, "--json").stdout)["parts"]
    assert {(part["modality"], asked) for part in parts for asked in part["settings"]} == {
        (target, asked) for target in ("image", "text") for asked in ("image", "text")
    }
    assert all(one["recall"] >= 0.9 for part in parts for one in part["settings"].values())


def test_info_shows_structures(folder):
    assert json.loads(run("info", "-i", folder, "--json").stdout)["structures"] == []
    run("optimize", "-i", folder, "--structure", "hnsw", "--recall", "0.9")
    audited = json.loads(run("audit", "-i", folder, "--json").stdout)["parts"]
    found = json.loads(run("info", "-i", folder, "--json").stdout)["structures"]
    assert {one["modality"]: one["asked_by"] for one in found} == {one["modality"]: one["settings"] for one in audited}
    files = sorted(path.stat().st_size for path in Path(folder).rglob("*.ann"))
    assert [(one["kind"], one["rows"], one["covered"]) for one in found] == [("hnsw", 500, 500)] * 2
    assert sorted(one["bytes"] for one in found) == files
    said = run("info", "-i", folder).stdout
    assert f"structure hnsw for image in fake: 500 rows, {files[0]:,} bytes" in said
    assert f"text→image: recall@10 {found[0]['asked_by']['text']['recall']:.3f}" in said


def test_questions_come_from_a_file(folder, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(f"red {n}" for n in range(40)))
    said = run("optimize", "-i", folder, "--structure", "hnsw", "--texts", str(tmp_path / "texts.txt"), "--json")
    assert {part["settings"]["text"]["queries"] for part in json.loads(said.stdout)["parts"]} == {20}


@pytest.mark.parametrize(
    "arguments", [("--memory", "lots"), ("--structure", "ivf"), ("--recall", "2"), ("--texts", "no")]
)
def test_arguments_that_make_no_sense(folder, arguments):
    said = run("optimize", "-i", folder, *arguments)
    assert isinstance(said.exception, mmsearch.errors.QueryError) and arguments[1] in str(said.exception)


def test_sizes_are_read(folder):
    from mmsearch.cli.structures import _bytes

    assert [_bytes(text) for text in ("4GiB", "800MB", "1.5 g", "12")] == [2**32, 800 * 2**20, 3 * 2**29, 12]
