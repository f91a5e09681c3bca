"""The installed command, as a user runs it; in this process, but for what needs one of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import typer
from made import picture
from typer.testing import CliRunner

from mmsearch.cli.app import app


@pytest.fixture
def run(tmp_path, monkeypatch, typed):
    """Runs a command below an empty folder: exit status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    return typed


@pytest.fixture
def indexed(run, media):
    status, _, _ = run("index", media, "--model", "fake")
    assert status == 0
    return media


def test_help_names_every_command():
    said = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    listed = re.findall(r"^│ ([a-z]+) +(?=[A-Z])", said, re.MULTILINE)
    assert listed == list(typer.main.get_command(app).commands)
    assert {"index", "search", "classify", "eval", "fit", "tune", "optimize", "verify", "demo"} < set(listed)


@pytest.mark.parametrize(
    "command",
    ["import mmsearch", "import sys; sys.argv = ['mmsearch', '--help']; import mmsearch.cli; mmsearch.cli.main()"],
)
def test_nothing_heavy_is_imported(command):
    code = f"""
import sys
try:
    {command.replace("; ", chr(10) + "    ")}
except SystemExit:
    pass
heavy = {{"torch", "faiss", "numpy", "onnxruntime", "sqlalchemy", "PIL", "librosa"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_indexing_names_the_index_after_the_folder(run, media, tmp_path):
    status, out, _ = run("index", media, "--model", "fake")
    assert status == 0
    assert "8 added" in out
    assert (tmp_path / "indexes" / "media" / "catalog.sqlite").is_file()
    status, out, _ = run("index", media)
    assert "8 unchanged" in out


def test_a_bare_word_is_a_name_and_a_separator_makes_a_path(run, media, tmp_path):
    run("index", media, "--model", "fake", "--index", "mine")
    assert (tmp_path / "indexes" / "mine" / "catalog.sqlite").is_file()
    run("index", media, "--model", "fake", "--index", "./other")
    assert (tmp_path / "other" / "catalog.sqlite").is_file()
    assert run("info", "--index", "./other", "--json")[0] == 0


def test_without_a_name_the_only_index_is_taken(run, indexed):
    status, out, _ = run("search", "red", "--target", "image", "-k", "1", "--paths")
    assert (status, out.strip()) == (0, str(indexed / "red.png"))
    run("index", indexed, "--model", "fake", "--index", "second")
    status, _, err = run("search", "red")
    assert status == 1
    assert "media, second" in err


def test_search_as_json(run, indexed):
    status, out, _ = run("search", "red", "--target", "image,text", "-k", "2", "--where", "size > 1", "--json")
    found = json.loads(out)
    assert status == 0
    asked = {"text": "red", "target": ["image", "text"], "k": 2, "where": "size > 1", "rerank": [], "lexical": "on"}
    assert found["query"] == asked
    assert [hit["rank"] for hit in found["hits"]] == [1, 2]
    first = found["hits"][0]
    assert {"rank", "id", "path", "modality", "score", "confidence", "start", "end", "excerpt"} <= set(first)
    assert first["confidence"] is None


@pytest.mark.parametrize(("option", "name"), [("--image", "red.png"), ("--audio", "sounds/low.wav")])
def test_search_with_a_file(run, indexed, option, name):
    _, out, _ = run("search", option, indexed / name, "-k", "1", "--json")
    assert json.loads(out)["hits"][0]["path"] == str(indexed / name)


def test_search_as_a_table_and_as_a_page(run, indexed, tmp_path):
    status, out, _ = run("search", "blue sea", "--gallery", "out.html", "--rerank", "mmr")
    assert status == 0
    assert "sea.md" in out
    page = (tmp_path / "out.html").read_text()
    assert "the blue sea" in page
    assert "data:image/jpeg;base64," in page


def test_info_and_verify(run, indexed, tmp_path):
    _, out, _ = run("info", "--json")
    found = json.loads(out)
    assert (found["items"], found["segments"], found["model"]) == (8, 8, "fake")
    assert all(isinstance(found[name], int) for name in ("items", "segments", "bytes"))
    assert found["modalities"]["image"] == {"items": 4, "segments": 4}
    assert "8 items" in run("info")[1]
    assert run("verify")[0] == 0
    shard = next((tmp_path / "indexes" / "media").rglob("*.vec"))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(bytes(data))
    status, _, err = run("verify")
    assert status == 1
    assert "checksum" in err
    assert json.loads(run("verify", "--json")[1])["ok"] is False


def test_repair(run, indexed, tmp_path):
    status, said, _ = run("verify", "--repair")
    assert (status, said.splitlines()) == (
        0,
        ["nothing had to be repaired", "8 items are kept", "indexes/media: everything agrees"],
    )
    for shard in (tmp_path / "indexes" / "media" / "shards").glob("*/audio/*.vec"):
        shard.write_bytes(shard.read_bytes()[:4100])
    assert run("verify")[0] == 1
    status, _, said = run("search", "red")
    assert status == 1
    assert "mmsearch verify --repair" in said
    status, said, _ = run("verify", "--repair", "--json")
    found = json.loads(said)
    assert (status, found["ok"], found["repaired"]["kept"]) == (0, True, 6)
    assert {name.rpartition("/")[2] for name in found["repaired"]["again"]} == {"low.wav", "whistle.wav"}
    assert run("index", indexed)[1].startswith("2 added, 6 unchanged")
    assert run("verify")[0] == 0


def test_standard_error_may_be_closed(tmp_path, media):
    command = f'"{sys.executable}" -m mmsearch index "{media}" --model fake --index "{tmp_path}/ix" 2>&-'
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stdout.partition("\n")[0]) == (0, "8 added")


def test_formats(run):
    status, said, _ = run("formats")
    assert status == 0
    assert "| image | HEIC | `.heic` `.heif` `.hif` |" in said


@pytest.mark.usefixtures("hostile_text")
def test_a_decoder_that_hangs_is_given_up(run, media):
    (media / "bad.txt").write_text("hang")
    status, said, failed = run("index", media, "--model", "fake", "--timeout", "1")
    assert (status, said.splitlines()[0]) == (0, "8 added, 1 failed")
    assert "bad.txt: given up: its decoder delivered nothing for 1 s" in failed


def test_verify_of_a_folder_that_is_no_index(run, media):
    status, _, err = run("verify", "--index", media)
    assert status == 1
    assert "no index" in err


def test_remove(run, indexed):
    status, out, _ = run("remove", indexed / "red.png")
    assert (status, out) == (0, "1 item removed from the index\n")
    assert "red.png" not in run("search", "red", "--paths")[1]
    assert (indexed / "red.png").exists()


def test_failures_are_listed_and_strict_makes_them_fail(run, media):
    (media / "broken.png").write_bytes(b"no picture")
    status, out, err = run("index", media, "--model", "fake")
    assert (status, "1 failed" in out, "broken.png" in err) == (0, True, True)
    status, _, err = run("index", media, "--strict")
    assert (status, "broken.png" in err) == (1, True)
    found = json.loads(run("index", media, "--json")[1])
    assert (found["unchanged"], found["items"], found["failed"][0]["path"]) == (8, 8, str(media / "broken.png"))


def test_a_folder_without_media_and_one_where_all_fails(run, tmp_path):
    (tmp_path / "empty").mkdir()
    status, _, err = run("index", "empty", "--model", "fake")
    assert status == 1
    assert "no picture, sound or text" in err
    assert not (tmp_path / "indexes" / "empty").exists()
    (tmp_path / "empty" / "gone.png").symlink_to("nowhere.png")
    status, _, err = run("index", "empty", "--model", "fake")
    assert (status, "gone.png" in err) == (1, True)
    (tmp_path / "empty" / "bad.png").write_bytes(b"x")
    assert run("index", "empty", "--model", "fake")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "red", "--index", "nowhere"], "no index"),
        (["search", "red", "--where", "nonsense ~ 3"], "filter"),
        (["search"], "empty"),
        (["search", "red", "--target", "smell"], "smell"),
        (["search", "red", "-k", "0"], "k must be"),
        (["search", "--image", "nowhere.png"], "nowhere.png"),
        (["search", "red", "--rerank", "nonsense"], "nonsense"),
        (["search", "red", "--gallery", "no/such/folder.html"], "gallery"),
        (["index", "nowhere"], "nowhere"),
        (["index", ".", "--model", "nonsense", "--index", "new"], "nonsense"),
        (["eval", "nowhere.json"], "nowhere.json"),
        (["eval", "nowhere.json", "--index", "media", "--model", "lite"], "built with the model fake"),
        (["search", "red", "--where", "width < 99999999999999999999"], "filter"),
        (["search", "red", "--where", " or ".join(["width = 1"] * 2000)], "filter"),
        (["search", "red", "--index", ""], "blank"),
        (["search", "red", "--index", "~nosuchuser/x"], "home"),
        (["index", "~nosuchuser/x"], "home"),
        (["index", "a" * 300], "name too long"),
        (["remove", ""], "blank"),
        (["remove"], "name a file"),
        (["remove", "nowhere"], "nowhere"),
        (["models", "pull", "nonsense"], "nonsense"),
    ],
)
def test_errors_are_one_line_and_status_1(run, indexed, arguments, said):
    status, out, err = run(*arguments)
    assert status == 1
    assert err.startswith("error: ")
    assert said in err.lower()
    assert "Traceback" not in out + err


def test_eval_in_a_temporary_index_and_on_an_existing_one(run, indexed, tmp_path):
    rows = [
        {"image": f"media/{colour}.png", "captions": [f"something {colour}"]} for colour in ("red", "green", "blue")
    ]
    (tmp_path / "data.json").write_text(json.dumps(rows))
    _, out, _ = run("eval", "data.json", "--model", "fake", "--json")
    found = json.loads(out)["directions"]
    assert set(found) == {"text->image", "image->text"}
    assert (found["text->image"]["queries"], found["text->image"]["hit@1"], found["text->image"]["median_rank"]) == (
        3,
        1,
        1,
    )
    _, out, _ = run("eval", "data.json", "--index", "media", "--json")
    found = json.loads(out)
    assert found["items"] == 8
    assert found["directions"]["text->image"]["hit@1"] == 1
    assert "hit@1" in run("eval", "data.json", "--model", "fake")[1]


def test_models(run):
    found = {card["name"]: card for card in json.loads(run("models", "list", "--json")[1])}
    assert found["fake"]["installed"] is True
    assert found["lite"]["dim"] <= 512
    assert "lite2" in run("models")[1]
    assert json.loads(run("models", "--json")[1]) == list(found.values())


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_keeps_what_was_finished_and_goes_on(tmp_path, stop):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1500):
        picture("red", (300, 200 + number % 50)).save(folder / f"{number}.png")
    command = [sys.executable, "-m", "mmsearch", "index", folder, "--index", tmp_path / "i", "--model", "fake"]
    held = 0
    for _ in range(20):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline and count(tmp_path / "i") <= held:
            os.sched_yield()
        process.send_signal(stop)
        _, err = process.communicate()
        assert "Traceback" not in err
        assert stop is signal.SIGKILL or process.returncode == 0 or "the same command goes on" in err
        assert verified(tmp_path / "i")
        assert count(tmp_path / "i") >= held
        held = count(tmp_path / "i")
        if held:
            break
    assert held > 0
    assert subprocess.run(command, capture_output=True, check=True)
    assert count(tmp_path / "i") == 1500
    assert verified(tmp_path / "i")


def count(folder):
    import sqlite3

    if not (folder / "catalog.sqlite").exists():
        return 0
    connection = sqlite3.connect(folder / "catalog.sqlite")
    try:
        return connection.execute("SELECT count(*) FROM items").fetchone()[0]
    except sqlite3.OperationalError:  # not yet made, or just being made
        return 0
    finally:
        connection.close()


def verified(folder):
    import mmsearch

    with mmsearch.open(folder, create=False) as index:
        return index.verify() == []
