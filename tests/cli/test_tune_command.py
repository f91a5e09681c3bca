"""`mmsearch tune`, as a user types it."""

import json
import shutil

import pytest
from made_hubs import dataset, fill
from PIL import Image
from typer.testing import CliRunner

import mmsearch
from mmsearch.cli.app import app
from mmsearch.encoders.fake import COLOURS
from mmsearch.errors import DatasetError, IndexNotFound, QueryError
from mmsearch.store.chains import Tuned

CARD = {"gains": {"mrr": [0.2, 0.1, 0.3]}, "queries": [60, 60], "data": "hubs", "made": "2026-11-21"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index of sixty pictures on disk, and their captions."""
    folder = tmp_path_factory.mktemp("tune")
    (folder / "photos").mkdir()
    entries = []
    for number in range(60):
        colours = [list(COLOURS)[number % 10], list(COLOURS)[number // 10]]
        picture = Image.new("RGB", (32, 32), COLOURS[colours[0]])
        picture.paste(COLOURS[colours[1]], (0, 0, 32, 12))
        picture.save(folder / "photos" / f"{number}.png")
        entries.append({"image": f"photos/{number}.png", "captions": [" and ".join(colours)]})
    (folder / "captions.json").write_text(json.dumps(entries))
    (folder / "few.json").write_text(json.dumps(entries[:20]))
    with mmsearch.open(folder / "index", model="fake") as index:
        index.add([folder / "photos"])
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made / "index", tmp_path / "index")


@pytest.fixture
def run(folder):
    def call(*arguments, command="tune"):
        return CliRunner().invoke(app, [command, *map(str, arguments), "--index", str(folder)])

    return call


@pytest.fixture
def tuned(folder):
    with mmsearch.open(folder) as index, index._store.writer() as writer:
        writer.keep_chains([Tuned("text", "image", "fake", "1", "mmr:0.5", CARD)])


def test_it_tells_what_was_measured(run, made):
    done = run(made / "captions.json")
    assert done.exit_code == 0, done.exception
    said = done.stdout
    assert "half of the questions chose, the others, shown, confirm." in said
    for words in ("text->image", "rerankers", "hit@10", "gain in mrr", "none"):
        assert words in said


def test_what_helps_is_used_by_searches(tmp_path):
    with mmsearch.open(tmp_path / "hubby", model="fake") as index:
        fill(index)
        found = index.tune(dataset())
    assert found.kept
    listed = CliRunner().invoke(app, ["tune", "--list", "--index", str(tmp_path / "hubby")]).stdout
    assert f"audio→image in fake: {found.kept[0].chain} (mrr +" in listed
    assert "; 120 questions; hubs; " in listed


def test_json_has_all_figures(run, made):
    done = run(made / "captions.json", "--check", "--json")
    found = json.loads(done.stdout)
    assert [one["direction"] for one in found["directions"]] == ["text->image"]
    (one,) = found["directions"]
    assert {"before", "chosen", "gained", "p", "figures", "gains", "queries", "milliseconds"} <= one.keys()
    assert one["queries"] == [30, 30]
    assert found["kept"] == []


def test_a_list_and_info_show_what_is_tuned(run, tuned):
    line = "text→image in fake: mmr:0.5 (mrr +20.0 (+10.0 to +30.0); 120 questions; hubs; 2026-11-21)"
    assert run("--list").stdout == f"{line}\n"
    assert f"  tuned {line}" in run(command="info").stdout
    assert json.loads(run("--list", "--json").stdout)["tuned"][0]["chain"] == "mmr:0.5"
    assert json.loads(run("--json", command="info").stdout)["tuned"][0]["direction"] == "text->image"


def test_searches_take_it_and_may_say_otherwise(run, tuned):
    def chain(*more):
        return json.loads(run("red", "--target", "image", "--json", *more, command="search").stdout)["query"]["rerank"]

    assert chain() == ["mmr:0.5"]
    assert chain("--rerank", "none") == []


def test_undo(run, tuned):
    assert run("--undo").stdout == "1 direction is back to the model's own rerankers\n"
    assert run("--undo").stdout == "nothing was tuned\n"
    assert run("--list").stdout == "Nothing is tuned: all directions have the model's own rerankers.\n"


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["--undo", "--list"], QueryError, "--undo and --list do not go together"),
        (["--undo", "{pairs}"], QueryError, "--undo and PAIRS do not go together"),
        (["--list", "--check"], QueryError, "--list and --check do not go together"),
        (["{pairs}", "--field", "caption"], QueryError, "PAIRS and --field do not go together"),
        (["--split", "test"], QueryError, "--split is of a dataset"),
        (["{few}"], DatasetError, "it takes 40 in a direction, and there are 20 of text->image"),
        (["no.json"], DatasetError, "no.json"),
        ([], DatasetError, "name PAIRS"),
    ],
)
def test_what_makes_no_sense(run, made, arguments, error, said):
    files = {"pairs": made / "captions.json", "few": made / "few.json"}
    done = run(*(argument.format(**files) for argument in arguments))
    assert isinstance(done.exception, error)
    assert said in str(done.exception)


def test_no_index(tmp_path):
    done = CliRunner().invoke(app, ["tune", "--index", str(tmp_path / "none")])
    assert isinstance(done.exception, IndexNotFound)
