"""Bad input: what it is, and what is said about it. The good files beside it are indexed, and nothing else is lost."""

import os
import re
import shutil
import struct
import tempfile
import threading
import unicodedata
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made import RATE, picture, tone
from made_pictures import Directory, bmp, png_file, tiff
from made_pictures import encoded as encoded_picture
from made_sounds import encoded as sound
from PIL import Image
from seeds import seed

from mmsearch.media.isolated import Isolated

GOOD = {"red.png", "low.wav", "sea.txt"}
INDEXED = None


@dataclass(frozen=True)
class Row:
    """A file, and the reason with which it is refused; `INDEXED` if it is not."""

    what: str
    name: str
    data: object  # bytes, or a function that makes them
    reason: str | None

    def __str__(self):
        return self.what


def half(name):
    data, _, suffix = seed(name)
    return Row(f"half a {name}", f"half{suffix}", data[: len(data) // 2], r"broken|truncated|cut short|not ")


def wav(samples, rate=RATE, **options):
    return lambda: sound(np.asarray(samples, np.float32), rate, **({"subtype": "FLOAT"} | options))


def png_header(width, height):
    return png_file(
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * 99))
    )


def text_bomb():
    """A comment of PNG that unpacks to 200 MB, in front of a picture."""
    whole = encoded_picture(picture("red"), "PNG")
    comment = png_file((b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200 << 20), 9)))[8:]
    return whole[:33] + comment + whole[33:]


def flac_bomb():
    """Eighty hours of silence."""
    import io

    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 1_000, 1, format="FLAC") as out:
        for _ in range(80 * 6):
            out.write(np.zeros(600_000, np.int16))
    return file.getvalue()


def pdf(*, bomb=0, password=None):
    import io

    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import NameObject, StreamObject

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(seed("PDF")[0])))
    if bomb:
        content = StreamObject()
        content[NameObject("/Filter")] = NameObject("/FlateDecode")
        content._data = zlib.compress(b" " * bomb, 9)
        writer.pages[0][NameObject("/Contents")] = writer._add_object(content)
    if password:
        writer.encrypt(password, algorithm="AES-256")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def webp_canvas():
    """VP8X: a canvas of 16,384 x 16,384 with a picture of 64 x 48 in it."""
    whole = encoded_picture(Image.new("RGBA", (64, 48), (1, 2, 3, 4)), "WEBP", lossless=True, exif=b"II*\0" + bytes(8))
    at = whole.index(b"VP8X") + 12
    return whole[:at] + (16_383).to_bytes(3, "little") * 2 + whole[at + 6 :]


def gif_screen():
    return b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + encoded_picture(picture("red"), "GIF")[13:]


BAD = (
    # pictures
    Row("no bytes at all", "a.png", b"", "empty: 0 bytes"),
    Row("a PNG of no pixels", "a.png", png_header(0, 5), "broken picture|0 x 5"),
    Row("a BMP of no pixels", "a.bmp", bmp(0, 0, 24, b""), "broken picture|0 x 0"),
    Row("a TIFF of no pixels", "a.tif", tiff(Directory({256: 0, 257: 0, 258: 8, 262: 1}, [b"x"])), "picture|0 x 0"),
    Row("a PNG bomb", "a.png", png_header(60_000, 60_000), "60000 x 60000 pixels; mmsearch reads up to 256 megapixels"),
    Row("a PNG with a bomb in a comment", "a.png", text_bomb, "broken picture"),
    Row(
        "a TIFF bomb",
        "a.tif",
        tiff(Directory({256: 90_000, 257: 90_000, 258: 8, 262: 1, 278: 90_000}, [b"x"])),
        "90000 x 90000 pixels",
    ),
    Row("a WebP bomb", "a.webp", webp_canvas, "broken picture|not enough memory|larger than"),
    Row("a GIF bomb", "a.gif", gif_screen, "65535 x 65535 pixels"),
    Row("words named as a picture", "a.jpg", b"only words", "the suffix .jpg says image, but the content is text"),
    Row("a sound named as a picture", "a.png", wav(tone("low")), "says image, but the content is audio (WAV)"),
    Row("a PNG named .jpg", "a.jpg", lambda: encoded_picture(picture("red"), "PNG"), INDEXED),
    Row("a JPEG header and junk", "a.jpg", b"\xff\xd8\xff\xe0\0\x10" + b"junk" * 99, "broken picture"),
    half("JPEG"),
    half("PNG"),
    half("WebP"),
    half("HEIC"),
    half("AVIF"),
    # sounds
    Row("a sound of no samples", "a.wav", wav([]), "no sound"),
    Row("one sample", "a.wav", wav([0.5]), INDEXED),
    Row("silence", "a.wav", wav(np.zeros(RATE)), INDEXED),
    Row("NaN among the samples", "a.wav", wav([0, np.nan, 0]), "NaN or infinite"),
    Row("infinity among the samples", "a.wav", wav([0, np.inf, 0]), "NaN or infinite"),
    Row("a FLAC bomb", "a.flac", flac_bomb, "reads up to 48 h"),
    Row("a WAV header and nothing", "a.wav", b"RIFF\0\0\0\0WAVE", "not a sound"),
    Row("a picture named as a sound", "a.mp3", lambda: encoded_picture(picture("red"), "GIF"), "is image (GIF)"),
    Row("a video without sound", "a.mp4", lambda: _silent_film(), "without sound"),
    half("FLAC"),
    half("M4A"),
    # texts
    Row("only white space", "a.txt", b" \n\t\n", "nothing but white space"),
    Row("binary content", "a.txt", bytes(range(256)) * 9, "not text"),
    Row("a PDF with a password", "a.pdf", lambda: pdf(password="secret"), "password"),
    Row("a PDF bomb", "a.pdf", lambda: pdf(bomb=1 << 28), "page 1"),
    Row("a picture named as a PDF", "a.pdf", lambda: encoded_picture(picture("red"), "PNG"), "content is image (PNG)"),
    Row("an archive named as Word", "a.docx", b"PK\x03\x04" + bytes(100), "Word"),
    Row("a PDF named .txt", "a.txt", lambda: seed("PDF")[0], INDEXED),
    Row("a bad line among records", "a.jsonl", b'{"text": "x"}\n{\n', "line 2"),
    half("Word"),
    # names
    Row("a newline in the name", "a\nb.txt", b"words", INDEXED),
    Row("quotes in the name", "a'\"`$(x).txt", b"words", INDEXED),
    Row("a name that is not UTF-8", "\udcff\udcfe.txt", b"words", INDEXED),
    Row("a name of 255 bytes", "n" * 251 + ".txt", b"words", INDEXED),
)


def _silent_film():
    from made_sounds import ffmpeg

    return ffmpeg(np.zeros((RATE, 1)), RATE, "mp4", None, "mpeg4")


@pytest.fixture
def folder(tmp_path):
    """Good files, for bad ones to be put beside."""
    folder = tmp_path / "folder"
    folder.mkdir()
    picture("red").save(folder / "red.png")
    soundfile.write(folder / "low.wav", tone("low"), RATE)
    (folder / "sea.txt").write_text("the blue sea")
    return folder


@pytest.mark.parametrize("row", BAD, ids=str)
def test_bad_files(index, folder, row):
    (folder / row.name).write_bytes(row.data() if callable(row.data) else row.data)
    report = index.add([folder])
    held = {item.path.name for item in index.items()}
    assert held >= GOOD
    if row.reason is INDEXED:
        assert report.failed == ()
        assert row.name in held
    else:
        ((path, reason),) = {(failure.path, failure.reason) for failure in report.failed}
        assert path == folder / row.name
        assert re.search(row.reason.replace("(", r"\(").replace(")", r"\)"), reason), reason
        assert "its decoder" not in reason  # it was refused, and did not crash what reads it
    assert index.verify() == []
    again = index.add([folder])
    failed = () if row.name in held else report.failed  # what is wrong with a part of a file is told once
    assert (again.added, again.unchanged, again.failed) == (0, len(held), failed)


def changing(monkeypatch, name, change):
    """Do something to a file when its content has been read and is about to be decoded."""
    read, opened = Isolated.read, Isolated.open
    place = threading.local()

    def opening(self, source, modality):
        place.path = source
        return opened(self, source, modality)

    def reading(self, suffix):
        if place.path.name == name:
            change(place.path)
        return read(self, suffix)

    monkeypatch.setattr(Isolated, "open", opening)
    monkeypatch.setattr(Isolated, "read", reading)


def grow(path):
    with path.open("ab") as file:
        file.write(b"more of it")


CHANGES = {
    "a picture that grows": ("red.png", grow, "changed while it was being read"),
    "a text that is replaced": ("sea.txt", lambda path: path.write_text("another"), "changed while it was being read"),
    "a sound that shrinks": ("low.wav", lambda path: os.truncate(path, 100), "changed while|no sound|not a sound"),
    "a picture that vanishes": ("red.png", os.unlink, "changed while it was being read"),
    "a sound that vanishes": ("low.wav", os.unlink, "no such file"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_files_that_change_while_they_are_read(index, folder, monkeypatch, what):
    name, change, reason = CHANGES[what]
    changing(monkeypatch, name, change)
    report = index.add([folder])
    ((failed, said),) = ((failure.path.name, failure.reason) for failure in report.failed)
    assert failed == name
    assert re.search(reason, said)
    assert {item.path.name for item in index.items()} == GOOD - {name}
    monkeypatch.undo()
    if (folder / name).exists() and name != "low.wav":
        os.utime(folder / name, ns=(5, 5))
        assert index.add([folder]).added == 1
        assert len(index) == 3
    assert index.verify() == []


def test_names_that_differ_only_by_unicode_normalisation(index, folder):
    names = [unicodedata.normalize(form, "né.txt") for form in ("NFC", "NFD")]
    for name in names:
        (folder / name).write_text(f"in {len(name)} characters")
    if len(list(folder.iterdir())) < 5:
        pytest.skip("this file system takes them for one name")
    assert index.add([folder]).added == 5
    assert {item.path.name for item in index.items()} == GOOD | set(names)
    index.remove(paths=[folder / names[0]])
    assert {item.path.name for item in index.items()} == GOOD | {names[1]}


def test_a_path_of_four_thousand_bytes(index, folder):
    deep = folder
    while len(os.fsencode(deep)) < 3_700:
        deep /= "d" * 200
    deep.mkdir(parents=True)
    path = deep / ("n" * (4_000 - len(os.fsencode(deep)) - 5) + ".txt")
    path.write_text("at the bottom of the sea")
    assert len(os.fsencode(path)) == 4_000
    report = index.add([folder])
    assert (report.added, report.failed) == (4, ())
    assert path in {hit.path for hit in index.search("sea", target="text")}
    assert index.add([folder]).unchanged == 4


def test_files_that_the_user_may_not_read(folder, as_nobody):
    (folder / "secret.png").write_bytes(b"x")
    (folder / "secret.png").chmod(0)
    add = "with mmsearch.open('{}', model='fake') as index: report = index.add(['media'], isolate=False)\n"
    with tempfile.TemporaryDirectory() as place:  # all users may go there, as they may not to `tmp_path`
        Path(place).chmod(0o777)
        shutil.copytree(folder, Path(place) / "media")
        (Path(place) / "media" / "closed").mkdir(0o000)
        said = as_nobody(
            f"{add.format('mine')}print(report.added, sorted((f.path.name, f.reason) for f in report.failed))",
            before=f"os.chdir({place!r})\n{add.format('warm')}",
        )
    reason = "permission denied"
    assert said == f"3 [('closed', 'folder cannot be read: {reason}'), ('secret.png', '{reason}')]\n"


def test_a_hundred_thousand_files_in_one_folder(tmp_path):
    import tracemalloc

    from mmsearch.media.scan import walk

    for number in range(100_000):
        os.close(os.open(tmp_path / f"{number}.png", os.O_CREAT | os.O_WRONLY))
    tracemalloc.start()
    last, found = b"", 0
    for entry in walk(tmp_path):
        assert last < entry.path
        last, found = entry.path, found + 1
    assert found == 100_000
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()
