"""`mmsearch classify`, as a user types it."""

import json
import subprocess

import pytest
from typer.testing import CliRunner

import mmsearch
from mmsearch.cli.app import app
from mmsearch.errors import IndexNotFound, QueryError


@pytest.fixture
def run():
    def call(*arguments):
        return CliRunner().invoke(app, ["classify", *map(str, arguments)])

    return call


def test_files(run, media):
    done = run(media / "red.png", media / "sea.md", "--labels", "red,blue", "--model", "fake", "--top", 2)
    assert done.exit_code == 0
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{media / 'red.png'}: red 100.0 %, ") and "blue 0.0 %" in first
    assert second.startswith(f"{media / 'sea.md'}: blue ")


def test_a_name_that_would_break_its_line_is_escaped(run, media):
    (media / "red.png").rename(media / "two\nlines.png")
    (media / "no\nsound.wav").write_bytes(b"no sound")
    done = run(media / "two\nlines.png", media / "no\nsound.wav", "--labels", "red,blue", "--model", "fake")
    assert done.stdout.startswith(f"{media}/two\\nlines.png: red ") and done.stdout.count("\n") == 1
    assert f"{media}/no\\nsound.wav: " in done.stderr


def test_json_lines_and_one_broken_file(run, media):
    (media / "broken.wav").write_bytes(b"no sound")
    (media.parent / "labels.txt").write_text("red\nblue\nlow: low | hum\nwhistle\n")
    options = (media, "--labels", media.parent / "labels.txt", "--model", "fake", "--json")
    done = run(*options)
    assert done.exit_code == 0
    lines = {line["path"].removeprefix(f"{media}/"): line for line in map(json.loads, done.stdout.splitlines())}
    assert len(lines) == 9 and lines["broken.wav"]["error"]
    assert lines["sounds/low.wav"]["label"] == "low" and list(lines["red.png"]["labels"]) == ["red"]
    assert f"{media / 'broken.wav'}: " in done.stderr
    assert run(*options, "--strict").exit_code == 1
    assert run(media / "broken.wav", "--labels", "red,blue", "--model", "fake").exit_code == 1


def test_an_index(run, index, media):
    index.add([media])
    index.close()
    done = run("--index", index.folder, "--labels", "red,blue", "--where", "path like '%.png'", "--field", "colour")
    assert done.exit_code == 0 and "4 items classified" in done.stdout
    assert "red" in done.stdout and "colour_probability" in done.stdout
    done = run("--index", index.folder, "--labels", "red,blue", "--min-probability", "0.9", "--json")
    said = json.loads(done.stdout)
    assert said["items"] == 8 and said["labels"]["red"] >= 1 and said["unsure"] >= 1 and said["field"] == "label"
    with mmsearch.open(index.folder) as opened:
        hits = opened.search("x", where="colour = 'red' and modality = 'image' and label = 'red'")
        assert [hit.path.name for hit in hits] == ["red.png"]


def test_a_target_that_is_none(run, index):
    done = run("--index", index.folder, "--labels", "red,blue", "--target", "imge")
    assert isinstance(done.exception, QueryError) and "did you mean image?" in str(done.exception)


def test_an_index_is_untagged(run, index, media):
    index.add([media])
    index.close()
    here = ("--index", index.folder)
    run(*here, "--labels", "red,blue")
    done = run(*here, "--untag", "--where", "path like '%red.png'")
    assert (done.exit_code, done.stdout) == (0, "'label' and its probability are taken off 1 item\n")
    assert json.loads(run(*here, "--untag", "--json").stdout) == {"field": "label", "untagged": 7}
    with mmsearch.open(index.folder) as opened:
        assert not any(hit.metadata for hit in opened.search("x", k=20))
    done = run(*here, "--untag", "--field", "colour")
    assert isinstance(done.exception, QueryError) and "nothing is tagged" in str(done.exception)


def test_a_field_of_the_users_own_is_kept_and_told(run, index, media):
    (media / "metadata.jsonl").write_text('{"file_name": "red.png", "label": "mine"}\n')
    index.add([media])
    done = run("--index", index.folder, "--labels", "red,blue")
    assert "1 items have a field 'label' of your own" in done.stderr


@pytest.mark.parametrize("label", ["sea 'red'", '5" $red `a` b\\c'])
def test_the_hint_can_be_typed(run, index, media, label):
    index.add([media])
    (media.parent / "labels.txt").write_text(f"nobody: green\n{label}: red\n")
    options = ("--index", index.folder, "--labels", media.parent / "labels.txt", "--where", "path like '%red.png'")
    done = run(*options)
    assert done.stdout.splitlines()[-1].startswith("1 items classified; ")
    typed = f"printf %s {done.stdout.split('--where ')[1]}"
    where = subprocess.run(["sh", "-c", typed], check=True, capture_output=True, text=True).stdout
    assert [hit.path.name for hit in index.search("x", where=where)] == ["red.png"]
    assert "--where" not in run(*options, "--min-probability", 1, "--labels", "red,blue").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.png"], "name the labels"),
        (["--labels", "a,b"], "one of the two"),
        (["a.png", "--labels", "a,b", "--index", "x/y"], "one of the two"),
        (
            ["a.png", "--labels", "a,b", "--where", "x = 1", "--target", "image"],
            "--where and --target can only be given",
        ),
        (["a.png", "--labels", "a,b", "--field", "label"], "--field can only be given with an --index"),
        (["a.png", "--labels", "a,b", "--min-probability", "0"], "--min-probability can only be given with an --index"),
        (["--index", "x/y", "--labels", "a,b", "--top", "1"], "--top can only be given with files"),
        (["--index", "x/y", "--labels", "a,b", "--exclude", "*.gif"], "--exclude can only be given with files"),
        (["--index", "x/y", "--labels", "a,b", "--strict"], "--strict can only be given with files"),
        (["--untag"], "--untag takes labels off an --index"),
        (
            ["a.png", "--index", "x/y", "--untag", "--labels", "a,b", "--top", "2", "--target", "image"],
            "leave out FILE, --labels, --target, --top",
        ),
        (["--index", "x/y", "--untag", "--model", "lite", "--device", "cpu"], "leave out --model, --device"),
        (["a.png", "--labels", "a,b", "--template", "photo", "--model", "fake"], "where the label goes"),
    ],
)
def test_what_makes_no_sense(run, arguments, said):
    done = run(*arguments)
    assert isinstance(done.exception, QueryError) and said in str(done.exception)


def test_no_such_index(run):
    assert isinstance(run("--labels", "a,b", "--index", "no/where").exception, IndexNotFound)


def test_nothing_there(run, tmp_path):
    (tmp_path / "empty").mkdir()
    done = run(tmp_path / "empty", "--labels", "a,b", "--model", "fake")
    assert done.exit_code == 1 and "no picture, sound or text" in done.stderr
