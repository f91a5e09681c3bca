from pathlib import Path

import pytest

from mmsearch.media.formats import FORMATS, Decoder, content_of, format_of, modality_of
from mmsearch.types import Modality


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("a.jpg", Modality.IMAGE),
        ("a.JPEG", Modality.IMAGE),
        ("folder.d/a.b.Tif", Modality.IMAGE),
        ("a.oga", Modality.AUDIO),
        ("a.mp3", Modality.AUDIO),
        ("read me.MD", Modality.TEXT),
        ("a.jsonl", Modality.TEXT),
        ("a.json", None),
        ("a", None),
        ("jpg", None),
        (".jpg", None),
        ("folder.jpg/a", None),
        ("a.jpg.part", None),
    ],
)
def test_modality_follows_the_suffix_in_any_case(name, modality):
    assert modality_of(name) == modality
    assert modality_of(Path("x") / name) == modality
    assert modality_of(name.encode()) == modality


def test_names_that_are_not_utf8_have_a_modality():
    assert modality_of(b"caf\xe9\n.JPG") is Modality.IMAGE


def test_records_are_text_with_a_decoder_of_their_own():
    assert format_of("a.jsonl").decoder is Decoder.RECORDS
    assert format_of("a.txt").decoder is Decoder.TEXT
    assert {known.modality for known in FORMATS.values()} == set(Modality)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "WEBP"),
        (b"RIFF\n\x00\x00\x00WAVEfmt ", "WAV"),
        (b"ID3\x04", "MP3"),
        (b"\xff\xfb\x90\x64", "MP3"),
        (b"plain words", "text"),
        ("ends within an é".encode()[:-1], "text"),
    ],
)
def test_content_is_told_by_its_first_bytes(head, name):
    assert content_of(head).name == name


@pytest.mark.parametrize("head", [b"", b"\x00\x01\x02\x03", b"caf\xe9 in latin-1", b"\xfe\xfe\xfe\xfe"])
def test_content_that_cannot_be_told(head):
    assert content_of(head) is None
