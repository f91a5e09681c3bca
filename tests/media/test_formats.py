import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from mmsearch.media.formats import FORMATS, Decoder, content_of, format_of, markdown, modality_of
from mmsearch.types import Modality


def picture(name):
    encoded = io.BytesIO()
    Image.new("RGB", (5, 4), "red").save(encoded, name)
    return encoded.getvalue()


def sound(name):
    encoded = io.BytesIO()
    soundfile.write(encoded, np.zeros(4000), 16000, format=name)
    return encoded.getvalue()


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("a.jpg", Modality.IMAGE),
        ("a.b.JPEG", Modality.IMAGE),
        (b"\xff.WebP", Modality.IMAGE),
        ("folder.png/a.mp3", Modality.AUDIO),
        ("\n.ogg", Modality.AUDIO),
        ("a.md", Modality.TEXT),
        ("a.jsonl", Modality.TEXT),
        (".jpg", None),
        ("folder/.jpg", None),
        ("folder.jpg/readme", None),
        ("jpg", None),
        ("a.jpg.", None),
        ("a.jpg ", None),
        ("a.json", None),
        ("a.oga", Modality.AUDIO),
        ("a.b.Tif", Modality.IMAGE),
        ("a.jpg.part", None),
        ("", None),
    ],
)
def test_the_suffix_promises_a_modality(name, modality):
    assert modality_of(name) == modality


def test_records_are_text_with_a_decoder_of_their_own():
    assert format_of("a.JSONL").decoder is Decoder.RECORDS
    assert format_of("a.txt").decoder is Decoder.TEXT
    assert {known.modality for known in FORMATS.values()} == set(Modality)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_pictures_are_known_by_their_first_bytes(name):
    found = content_of(picture(name)[:16])
    assert (found.name, found.modality) == (name, Modality.IMAGE)


@pytest.mark.parametrize("name", ["WAV", "FLAC", "OGG", "MP3"])
def test_sounds_are_known_by_their_first_bytes(name):
    found = content_of(sound(name)[:16])
    assert (found.name, found.modality) == (name, Modality.AUDIO)


def test_an_mp3_may_begin_with_a_tag_or_a_frame():
    assert content_of(b"ID3\x04\0\0\0\0\0\x00").name == "MP3"
    assert content_of(b"\xff\xfb\x90\x64").name == "MP3"


def test_text_is_valid_utf8_without_nul_even_when_the_head_cuts_a_character():
    euro = "€uro".encode()
    assert content_of(b"BMW drives").modality is Modality.TEXT
    assert content_of(b"x" * 14 + euro[:2]).modality is Modality.TEXT
    assert content_of(euro[1:]) is None
    assert content_of(b"a\0b") is None
    assert content_of(b"caf\xe9 in latin-1") is None
    assert content_of(b"\xff\xfe\xfa\xf0" * 4) is None
    assert content_of(b"") is None


def test_the_readme_has_the_table():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert "\n".join(markdown()) in readme


@pytest.mark.parametrize(
    "text",
    [
        b"The wide river",
        b"GIF89a is a format",
        b"ID3 tags are",
        b"OggS and",
        b"wvpk etc",
        b"RIFFs of WAVEs",
        b"BM",
        b".snd",
    ],
)
def test_words_that_formats_begin_with_are_words(text):
    assert content_of(text + b" and so on, for a while.\r\n\tAnd on.").name == "text"


def test_an_old_code_page_is_no_mp3():
    assert content_of("явление природы, которое".encode("cp1251")) is None


@pytest.mark.parametrize(
    ("head", "name"),
    [(b"%PDF-1.7\n", "PDF"), (b"WEBVTT\n\n", "WebVTT"), (b" <!DOCTYPE html>", "HTML"), (b"<html lang=en>", "HTML")],
)
def test_texts_with_a_form_of_their_own(head, name):
    assert (content_of(head).name, content_of(head).modality) == (name, Modality.TEXT)
