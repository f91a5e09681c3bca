"""The gallery page, read back: what a browser would show and play."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from read_page import Page, unpacked

from mmsearch.search.exhibit import EXCERPT
from mmsearch.search.gallery import gallery
from mmsearch.types import Hit, Hits, Modality

RATE = 8000


def hit(rank=1, path=None, modality=Modality.IMAGE, score=0.5, **more):
    return Hit(rank, f"id{rank}", path, modality, score, score, **more)


def page_of(*hits, title="Title", heading="Heading", **query):
    return Page(gallery([(heading, Hits(hits, query))], title))


def loudest(samples, rate):
    return np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (800, 400), (200, 30, 40)).save(path)
    return path


@pytest.fixture
def sound(tmp_path):
    """Two seconds of 200 Hz, two of 1,000 Hz, two of 3,000 Hz."""
    path = tmp_path / "sound.wav"
    time = np.arange(2 * RATE) / RATE
    soundfile.write(path, np.concatenate([0.5 * np.sin(2 * np.pi * f * time) for f in (200, 1000, 3000)]), RATE)
    return path


def test_a_picture_is_a_thumbnail_in_its_colour(photo):
    (shown,) = page_of(hit(path=photo)).named("img")
    with Image.open(io.BytesIO(unpacked(shown["src"], "image/jpeg"))) as thumbnail:
        assert thumbnail.size == (320, 160)
        assert np.abs(np.asarray(thumbnail, int) - (200, 30, 40)).max() <= 3
    assert shown["alt"] == "photo.png"


def test_a_sound_plays_the_matching_seconds_only(sound):
    page = page_of(hit(path=sound, modality=Modality.AUDIO, start=2.0, end=4.0))
    (player,) = page.named("audio")
    samples, rate = soundfile.read(io.BytesIO(unpacked(player["src"], "audio/ogg")))
    assert "controls" in player
    assert len(samples) / rate == pytest.approx(2, abs=0.01)
    assert loudest(samples, rate) == pytest.approx(1000, abs=5)
    assert "0:02.0–0:04.0" in page.text
    assert len(page.classed("wave")) == 1


def test_the_wave_is_high_where_the_sound_is_loud(tmp_path):
    path = tmp_path / "late.wav"
    quiet = np.random.default_rng(0).normal(size=4 * RATE) * 0.001
    quiet[3 * RATE :] *= 300
    soundfile.write(path, quiet, RATE)
    (drawn,) = page_of(hit(path=path, modality=Modality.AUDIO, start=0.0, end=4.0)).named("path")
    heights = [float(bar.partition("v")[2]) for bar in drawn["d"].split("M")[1:]]
    assert max(heights[: len(heights) * 7 // 10]) < 10 < 40 < min(heights[len(heights) * 8 // 10 :])


def test_a_passage_is_an_excerpt_in_one_line():
    page = page_of(hit(modality=Modality.TEXT, excerpt="first\n\n  second " + "word " * 200))
    (shown,) = [line for line in page.text.splitlines() if line.startswith("first")]
    assert shown.startswith("first second word word")
    assert shown.endswith("word …")
    assert EXCERPT - 10 < len(shown) <= EXCERPT + 2


def test_rank_score_name_and_kind_of_every_hit_in_order(photo, sound):
    page = page_of(
        hit(1, photo, score=0.98765),
        hit(2, sound, Modality.AUDIO, score=-0.5, start=0.0, end=1.0),
        hit(3, None, Modality.TEXT, score=-1.25, excerpt="words"),
    )
    assert [badge["class"] for badge in page.classed("badge")] == ["badge image", "badge audio", "badge text"]
    lines = page.text.split("\n")
    seen = [lines.index(word) for word in ("0.988", "photo.png", "-0.500", "sound.wav", "-1.250", "id3")]
    assert seen == sorted(seen)


def test_sections_and_titles_come_in_order(photo):
    page = Page(gallery([("One", Hits([hit(path=photo)], {})), ("Two", Hits([], {}))], "All of it"))
    assert page.text.index("All of it") < page.text.index("One") < page.text.index("photo.png") < page.text.index("Two")


def test_the_question_is_shown_and_played(photo, sound):
    page = page_of(
        text="a <dog>", image=str(photo), audio=str(sound), target=["image", "text"], k=7, where="width > 8", rerank=[]
    )
    assert "“a <dog>”" in page.text
    assert len(page.named("img")) == len(page.named("audio")) == 1
    assert unpacked(page.named("audio")[0]["src"], "audio/ogg")[:4] == b"OggS"
    for setting in ("target image, text", "k 7", "where width > 8"):
        assert setting in page.text
    assert "rerank" not in page.text


def test_a_question_that_is_the_heading_is_not_said_twice():
    assert page_of(heading="a dog", text="a dog").text.count("a dog") == 1


def test_no_hits_are_said():
    assert "Nothing found." in page_of().text
    assert "Nothing was asked." in Page(gallery([], "Empty")).text


@pytest.mark.parametrize("modality", [Modality.IMAGE, Modality.AUDIO])
def test_missing_broken_and_absent_files_have_a_placeholder(tmp_path, modality):
    broken, empty, fifo = tmp_path / "broken", tmp_path / "empty", tmp_path / "fifo"
    broken.write_bytes(b"no picture and no sound")
    empty.touch()
    os.mkfifo(fifo)
    paths = (tmp_path / "gone", broken, empty, fifo, tmp_path, tmp_path / ("x" * 300), None)
    page = page_of(
        *(hit(rank, path, modality, start=0.0, end=5.0) for rank, path in enumerate(paths, 1)),
        image=str(tmp_path / "gone"),
        audio="<tuple>",
    )
    assert len(page.classed("card")) == len(paths)
    assert len(page.classed("none")) == len(paths) + 2
    for reason in ("no such file", "empty: 0 bytes", "not a regular file", "without a file"):
        assert reason in page.text


def test_a_sound_that_became_shorter_has_a_placeholder(sound):
    page = page_of(hit(path=sound, modality=Modality.AUDIO, start=60.0, end=70.0))
    assert "no sound between 60 and 70 s" in page.text


def test_a_sound_without_a_span_is_played_from_its_beginning(sound):
    (player,) = page_of(hit(path=sound, modality=Modality.AUDIO)).named("audio")
    assert soundfile.info(io.BytesIO(unpacked(player["src"], "audio/ogg"))).duration == pytest.approx(6, abs=0.01)


def test_a_text_hit_without_text_has_a_placeholder():
    assert "no text" in page_of(hit(modality=Modality.TEXT)).text


def test_nothing_that_a_file_or_a_user_says_becomes_markup(tmp_path):
    evil = "<script>alert(1)</script>\"'><img src=http://example.org/x onerror=y>&amp;${title}"
    page = page_of(
        hit(path=tmp_path / evil.replace("/", "_")),
        hit(2, modality=Modality.TEXT, excerpt=evil),
        title=evil,
        heading=evil,
        text=evil + evil,
        image=evil,
        where=evil,
    )
    assert not page.named("script")
    assert not page.named("img")
    assert page.text.count("<script>alert(1)</script>\"'>") == 6


def test_every_byte_of_a_name_can_be_shown(tmp_path):
    name = b"caf\xe9\n\x01\x7f" + "\u202eé".encode() + b".png"
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    Image.new("RGB", (8, 8)).save(os.fsencode(path), "PNG")
    text = gallery([("\ud800", Hits([hit(path=path)], {"text": "\udcff"}))], "\0")
    page = Page(text.encode("utf-8").decode("utf-8"))
    assert "caf\\xe9\\n\\x01\\x7f\u202eé.png" in page.text
    assert "\\ud800" in page.text
    assert "“\\xff”" in page.text
    assert len(page.named("img")) == 1


def test_the_page_needs_nothing_else(photo, sound):
    page = page_of(hit(path=photo), hit(2, sound, Modality.AUDIO, start=0.0, end=1.0), image=str(photo))
    addresses = [
        value for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href")
    ]
    assert len(addresses) == 3
    assert all(address.startswith("data:") for address in addresses)
    assert not page.named("script") + page.named("link")


def test_the_answer_of_a_search_can_be_shown(full):
    hits = full.search("red whistle blue", k=20)
    page = Page(gallery([("all", hits)], "mmsearch"))
    assert len(page.classed("card")) == len(hits) == 8
    assert (len(page.named("img")), len(page.named("audio")), len(page.named("blockquote"))) == (4, 2, 2)
