"""`mmsearch fit`, as a user types it."""

import json
import shutil

import numpy as np
import pytest
from made_pairs import caption, painting, paintings
from PIL import Image
from typer.testing import CliRunner

import mmsearch
from mmsearch.cli.app import app
from mmsearch.errors import DatasetError, FitError, IndexNotFound, QueryError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index of sixty pictures on disk, and pairs: of the pictures with their captions, and with others'."""
    folder = tmp_path_factory.mktemp("fit")
    (folder / "photos").mkdir()
    random, entries = np.random.default_rng(0), []
    for number in range(60):
        pixels, names = painting(random)
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
        entries.append({"image": f"photos/{number}.png", "captions": [caption(random, names)]})
    (folder / "colours.json").write_text(json.dumps(entries))
    said = [record.metadata["caption"] for record in paintings(60, seed=77)]
    mixed = [{**entry, "captions": [text]} for entry, text in zip(entries, said, strict=True)]
    (folder / "noise.json").write_text(json.dumps(mixed))
    with mmsearch.open(folder / "index", model="fake") as index:
        index.add([folder / "photos"])
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made / "index", tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture
def run(folder):
    def call(*arguments):
        return CliRunner().invoke(app, ["fit", *map(str, arguments), "--index", str(folder)])

    return call


@pytest.fixture(scope="module")
def learnt(made, tmp_path_factory):
    """The same index with a fit, and what was said."""
    copy = shutil.copytree(made / "index", tmp_path_factory.mktemp("learnt") / "index")
    return copy, CliRunner().invoke(app, ["fit", str(made / "colours.json"), "--index", str(copy)])


@pytest.fixture
def fitted(learnt, folder):
    shutil.rmtree(folder)
    shutil.copytree(learnt[0], folder)
    return folder


def way(folder, text="rot"):
    with mmsearch.open(folder) as index:
        return index.search(text, target="image", k=1)[0].why[0]


def test_it_tells_what_was_gained(learnt):
    folder, said = learnt
    assert said.exit_code == 0
    assert "Learnt from 60 images with 60 texts in" in said.stdout
    assert "On 12 images with 12 texts that were held out:" in said.stdout
    for words in ("text->image", "image->text", "hit@10", "before", "after", "gain (95 % interval)"):
        assert words in said.stdout
    assert "The index uses it now, as colours; `mmsearch fit --undo` goes back." in said.stdout
    assert way(folder) == "text→image in fake.fit-image"


def test_what_is_no_better_leaves_the_index_as_it_is(run, folder, made):
    said = run(made / "noise.json")
    assert said.exit_code == 1
    assert "It is not clearly better (p = " in said.stdout and "--force uses it all the same" in said.stdout
    assert way(folder) == "text→image in fake"
    assert run("--list").stdout == "The index keeps no fit.\n"
    assert run(made / "noise.json", "--force", "--name", "mine").exit_code == 0
    assert way(folder) == "text→image in fake.fit-image"
    assert run("--list").stdout.startswith("mine (in use): noise; 60 images; cca")


def test_json_says_the_same(run, made):
    said = run(made / "noise.json", "--json")
    (one,) = json.loads(said.stdout)["fits"]
    assert said.exit_code == 1 and not one["installed"] and one["held_out"]["p"] >= 0.05
    assert (one["name"], one["data"], one["media"]) == ("noise", "noise", 60)


def test_undo_and_use(run, fitted):
    assert run("--undo").stdout == "colours is no longer in use; the index has no fit\n"
    assert way(fitted) == "text→image in fake"
    assert run("--list").stdout.startswith("colours: colours; 60 images;")
    assert run("--use", "colours").stdout == "colours is in use\n"
    assert way(fitted) == "text→image in fake.fit-image"
    (one,) = json.loads(run("--list", "--json").stdout)["fits"]
    assert one["name"] == "colours" and one["in_use"] and one["space"] == "fake"
    run("--undo")
    said = run("--undo")
    assert isinstance(said.exception, FitError) and "nothing to undo" in str(said.exception)


def test_several_fits(run, fitted, made):
    said = run(made / "colours.json", "--seed", "1", "--name", "again")
    assert said.exit_code == 1 and "not clearly better" in said.stdout  # than the one that is in use
    assert run(made / "colours.json", "--seed", "1", "--name", "again", "--force").exit_code == 0
    assert [line.split(":")[0] for line in run("--list").stdout.splitlines()] == ["colours", "again (in use)"]
    assert run("--undo").stdout == "again is no longer in use; colours is again\n"
    assert run("--forget", "again").stdout == "again is forgotten\n"
    said = run("--forget", "colours")
    assert said.exit_code == 1 and "'colours' is in use" in str(said.exception)


def test_a_fit_is_carried_to_another_index(run, fitted, made, tmp_path):
    file = tmp_path / "colours.fit"
    assert run("--export", file).stdout == f"colours is in {file}\n"
    shutil.copytree(made / "index", tmp_path / "other")
    said = CliRunner().invoke(app, ["fit", "--import", str(file), "--name", "theirs", "-i", str(tmp_path / "other")])
    assert said.stdout == "theirs is in use\n"
    assert way(tmp_path / "other") == "text→image in fake.fit-image"
    said = run("--export", file)
    assert isinstance(said.exception, FitError) and "File exists" in str(said.exception)
    run("--undo")
    said = run("--export", tmp_path / "more.fit")
    assert isinstance(said.exception, QueryError) and "no fit is in use" in str(said.exception)
    assert run("--export", tmp_path / "more.fit", "--name", "colours").exit_code == 0
    assert (tmp_path / "more.fit").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (["--undo", "--list"], QueryError, "--undo and --list do not go together"),
        (["pairs.json", "--use", "x"], QueryError, "--use and PAIRS do not go together"),
        (["--export", "a", "--import", "b", "--forget", "c"], QueryError, "--forget and --export and --import do not"),
        (["pairs.json", "--field", "caption"], QueryError, "PAIRS and --field do not go together"),
        (["--undo", "--field", "caption"], QueryError, "--undo and --field do not go together"),
        (["--split", "train"], QueryError, "--split is of a dataset"),
        (["--use", ""], FitError, "keeps no fit ''"),
        (["--use", "x"], FitError, "keeps no fit 'x'; there are: none"),
        (["--forget", "x"], FitError, "keeps no fit 'x'"),
        (["--export", "a", "--name", "x"], FitError, "keeps no fit 'x'"),
        (["--import", "missing.fit"], FitError, "cannot read the fit missing.fit: No such file"),
        (["missing.json"], DatasetError, "missing.json"),
        ([], FitError, "say nothing of their own pictures and sounds"),
        (["--field", "sagt"], FitError, "looked for: sagt"),
    ],
)
def test_what_makes_no_sense(run, arguments, kind, said):
    found = run(*arguments)
    assert found.exit_code == 1
    assert isinstance(found.exception, kind), found.exception
    assert said in str(found.exception)


def test_what_is_no_fit_is_not_imported(run, made):
    found = run("--import", made / "colours.json")
    assert isinstance(found.exception, FitError) and "is no fit of mmsearch" in str(found.exception)


def test_no_index():
    found = CliRunner().invoke(app, ["fit", "--list", "--index", "./nowhere"])
    assert isinstance(found.exception, IndexNotFound)


def test_own_captions_and_the_names_of_fields(run, folder):
    with mmsearch.open(folder) as index:
        index.add_items(
            mmsearch.Record(id=record.id, image=record.image, metadata={"sagt": record.metadata["caption"]})
            for record in paintings(50)
        )
    assert run("--field", "sagt", "--field", "unused").exit_code == 0
    assert run("--list").stdout.startswith("own (in use): 50 images; ")


def test_other_data_is_checked(run, made):
    said = run(made / "colours.json", "--check", made / "noise.json")
    assert "Elsewhere, on" in said.stdout and "hit@1 before" in said.stdout


def test_info_shows_the_fit(fitted):
    said = CliRunner().invoke(app, ["info", "--index", str(fitted)])
    assert "colours" in said.stdout and "60 images" in said.stdout
    (one,) = json.loads(CliRunner().invoke(app, ["info", "--index", str(fitted), "--json"]).stdout)["fits"]
    assert one["name"] == "colours" and one["in_use"] and one["held_out"]["p"] < 0.05
