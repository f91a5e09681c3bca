"""The blocks of the README, run word for word in an empty folder, with the demo's media as the user's."""

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import made_clap
import made_clip
import pytest
from PIL import Image, ImageDraw

from mmsearch.demo import corpus

README = Path(__file__).parents[1] / "README.md"

COLOURS = ("red", "green", "blue", "yellow", "black", "orange", "purple", "brown", "pink", "gray", "cyan", "olive")
SHAPES = ("ellipse", "rectangle")

pytestmark = pytest.mark.lite


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def drawings(folder):
    """Pictures that their captions tell from each other, and that `lite` knows nothing of: enough to learn from."""
    folder.mkdir()
    rows = []
    for number, (colour, shape) in enumerate(product(COLOURS, SHAPES)):
        for turn in range(2):
            picture = Image.new("RGB", (224, 224), "white")
            corner = 20 + 10 * turn
            getattr(ImageDraw.Draw(picture), shape)((corner, corner, 190, 150 + 20 * turn), fill=colour)
            file = folder / f"{number}-{turn}.png"
            picture.save(file)
            rows.append({"image": str(file), "captions": [f"a {colour} {shape}", f"it is {colour}, the {shape}"]})
    return rows


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A user's home with media in it, and a folder to work in with the files that the README names."""
    home = tmp_path_factory.mktemp("home")
    demo = corpus.build(home / "demo")
    shutil.copytree(demo.media, home / "media")
    (home / "work").mkdir()
    shutil.copy(demo.media / "pictures" / "black-cat.jpg", home / "work" / "cat.jpg")
    shutil.copy(demo.media / "sounds" / "frog.mp3", home / "work" / "rain.ogg")
    rows = json.loads(demo.manifest.read_text())
    for row in rows:
        for kind in {"image", "audio"} & set(row):
            row[kind] = str(home / "media" / Path(row[kind]).relative_to("media"))
    (home / "work" / "dataset.json").write_text(json.dumps(rows))
    (home / "work" / "pairs.json").write_text(json.dumps(drawings(home / "media" / "drawings")))
    (home / "work" / "queries.txt").write_text("a cat\na frog\na piano\n")
    (home / "work" / "models" / "clap").mkdir(parents=True)
    made_clip.save(home / "work" / "models" / "clip")
    made_clap.save(home / "work" / "models" / "clap")
    return home


def call(home, *command):
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cache = os.environ.get("MMSEARCH_CACHE") or str(Path.home() / ".cache" / "mmsearch")
    environment = os.environ | {"HOME": str(home), "PATH": tools, "MMSEARCH_CACHE": cache, "COLUMNS": "300"}
    done = subprocess.run(command, cwd=home / "work", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands(home):
    index_and_search, ask, _, evaluate, fit = blocks("bash")
    said = call(home, "bash", "-ec", index_and_search)
    assert "everything agrees" in said
    assert (home / "work" / "found.html").read_text().startswith("<!doctype html>")
    said = call(home, "bash", "-ec", ask)
    for told in ("rank 1", "█", "piano"):  # how a hit got its rank; a curve; a label
        assert told in said
    assert len((home / "work" / "answers.jsonl").read_text().splitlines()) == 3
    assert "hit@10" in call(home, "bash", "-ec", evaluate)
    assert (home / "work" / "report.html").read_text().startswith("<!doctype html>")
    assert "pairs is no longer in use" in call(home, "bash", "-ec", fit)


def test_the_commands_for_clip_and_clap(home):
    """With small random models: their vectors mean nothing, and every command does what it says."""
    _, _, production, *_ = blocks("bash")
    said = call(home, "bash", "-ec", production)
    assert "10 audio" in said and "cat.jpg" in said and "pictures a second" in said


def test_the_python_block(home):
    (block,) = blocks("python")
    assert "x1" in call(home, sys.executable, "-c", block)


def test_every_figure_comes_from_a_committed_table():
    text = README.read_text(encoding="utf-8")
    names = re.findall(r"benchmarks/results/[\w.-]+", text)
    assert [name for name in names if not (README.parent / name).is_file()] == []
    assert len(names) > 10
