"""One small real file, or a few, of every row of `formats.TABLE`, made by a real encoder."""

import io
import json
from functools import cache

import numpy as np
from made_sounds import encoded as sound
from made_sounds import ffmpeg, sine
from PIL import Image

from mmsearch.types import Modality

RATE = 16_000
WORDS = "The quick brown fox jumps over the lazy dog. Grüße aus Köln!\n\nA second paragraph, with more words in it.\n"
CUES = "1\n00:00:01,000 --> 00:00:02,500\n<i>Hello</i> there\n\n2\n00:00:03,000 --> 00:00:04,000\nGeneral\n"


def _scene(mode="RGB", size=(48, 36)):
    small = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).convert(mode)


def _picture(kind, mode="RGB", **options):
    file = io.BytesIO()
    _scene(mode).save(file, kind, **options)
    return file.getvalue()


def _heif():
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(_scene(size=(64, 64))).save(file)
    return file.getvalue()


def _tone(rate=RATE):
    return np.repeat(sine(1.5, rate)[:, None], 2, axis=1)


def _docx():
    import docx

    document = docx.Document()
    document.add_paragraph(WORDS)
    document.add_table(2, 2).cell(0, 0).text = "a cell"
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _pdf():
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    for number in range(3):
        page = writer.add_blank_page(300, 300)
        kind = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
        font = DictionaryObject({NameObject(key): NameObject(value) for key, value in kind.items()})
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        content = DecodedStreamObject()
        content.set_data(f"BT /F1 12 Tf 20 200 Td (Page {number + 1} of a small document) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(content.flate_encode() if number else content)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


_MAKERS = {
    "JPEG": (Modality.IMAGE, ".jpg", lambda: _picture("JPEG", exif=_exif())),
    "progressive JPEG": (Modality.IMAGE, ".jpg", lambda: _picture("JPEG", progressive=True)),
    "CMYK JPEG": (Modality.IMAGE, ".jpg", lambda: _picture("JPEG", "CMYK")),
    "PNG": (Modality.IMAGE, ".png", lambda: _picture("PNG", "RGBA")),
    "palette PNG": (Modality.IMAGE, ".png", lambda: _picture("PNG", "P")),
    "animated PNG": (
        Modality.IMAGE,
        ".apng",
        lambda: _picture("PNG", save_all=True, append_images=[_scene().transpose(0)]),
    ),
    "WebP": (Modality.IMAGE, ".webp", lambda: _picture("WEBP")),
    "lossless WebP": (Modality.IMAGE, ".webp", lambda: _picture("WEBP", "RGBA", lossless=True)),
    "GIF": (Modality.IMAGE, ".gif", lambda: _picture("GIF", save_all=True, append_images=[_scene().transpose(0)])),
    "AVIF": (Modality.IMAGE, ".avif", lambda: _picture("AVIF", speed=10)),
    "HEIC": (Modality.IMAGE, ".heic", _heif),
    "TIFF": (Modality.IMAGE, ".tif", lambda: _picture("TIFF", save_all=True, append_images=[_scene()])),
    "TIFF, LZW": (Modality.IMAGE, ".tif", lambda: _picture("TIFF", compression="tiff_lzw")),
    "TIFF, JPEG": (Modality.IMAGE, ".tif", lambda: _picture("TIFF", compression="jpeg")),
    "BMP": (Modality.IMAGE, ".bmp", lambda: _picture("BMP")),
    "WAV": (Modality.AUDIO, ".wav", lambda: sound(_tone(), RATE)),
    "WAV, ADPCM": (Modality.AUDIO, ".wav", lambda: sound(_tone(), RATE, "WAV", "IMA_ADPCM")),
    "AIFF": (Modality.AUDIO, ".aiff", lambda: sound(_tone(), RATE, "AIFF")),
    "FLAC": (Modality.AUDIO, ".flac", lambda: sound(_tone(), RATE, "FLAC")),
    "OGG Vorbis": (Modality.AUDIO, ".ogg", lambda: sound(_tone(), RATE, "OGG", "VORBIS")),
    "Opus": (Modality.AUDIO, ".opus", lambda: sound(_tone(), RATE, "OGG", "OPUS")),
    "MP3": (Modality.AUDIO, ".mp3", lambda: sound(_tone(), RATE, "MP3")),
    "Core Audio": (Modality.AUDIO, ".caf", lambda: sound(_tone(), RATE, "CAF", "ALAC_16")),
    "AU": (Modality.AUDIO, ".au", lambda: sound(_tone(), RATE, "AU")),
    "M4A": (Modality.AUDIO, ".m4a", lambda: ffmpeg(_tone(), RATE, "ipod", "aac")),
    "AAC": (Modality.AUDIO, ".aac", lambda: ffmpeg(_tone(), RATE, "adts", "aac")),
    "WMA": (Modality.AUDIO, ".wma", lambda: ffmpeg(_tone(), RATE, "asf", "wmav2")),
    "WavPack": (Modality.AUDIO, ".wv", lambda: ffmpeg(_tone(), RATE, "wv", "wavpack")),
    "MP4": (Modality.AUDIO, ".mp4", lambda: ffmpeg(_tone(), RATE, "mp4", "aac", "mpeg4")),
    "Matroska": (Modality.AUDIO, ".mkv", lambda: ffmpeg(_tone(), RATE, "matroska", "flac", "mpeg4")),
    "WebM": (Modality.AUDIO, ".webm", lambda: ffmpeg(_tone(48_000), 48_000, "webm", "libopus")),
    "AVI": (Modality.AUDIO, ".avi", lambda: ffmpeg(_tone(), RATE, "avi", "pcm_s16le", "mpeg4")),
    "MPEG-TS": (Modality.AUDIO, ".mts", lambda: ffmpeg(_tone(), RATE, "mpegts", "mp2", "mpeg4")),
    "plain text": (Modality.TEXT, ".txt", lambda: WORDS.encode("cp1252")),
    "UTF-16 text": (Modality.TEXT, ".md", lambda: WORDS.encode("utf-16")),
    "HTML": (
        Modality.TEXT,
        ".html",
        lambda: (
            f"<!doctype html><html><head><title>A title</title><style>p {{}}</style></head><body><p>{WORDS}</p>"
            "<table><tr><td>a<td>b</table><ul><li>one<li>two</ul><script>x()</script>&amp;&#228;</body></html>"
        ).encode(),
    ),
    "PDF": (Modality.TEXT, ".pdf", _pdf),
    "Word": (Modality.TEXT, ".docx", _docx),
    "SubRip": (Modality.TEXT, ".srt", lambda: CUES.encode()),
    "WebVTT": (Modality.TEXT, ".vtt", lambda: ("WEBVTT\n\n" + CUES.replace(",", ".")).encode()),
    "CSV": (Modality.TEXT, ".csv", lambda: b'id,text,year\n1,"a, b",2020\n2,"two\nlines",\n3,x,y\n'),
    "CSV without text": (Modality.TEXT, ".tsv", lambda: b"a\tb\n1\t2\nx y\tz\n"),
    "JSON Lines": (
        Modality.TEXT,
        ".jsonl",
        lambda: b"".join(json.dumps({"id": n, "text": WORDS, "tags": [n]}).encode() + b"\n" for n in range(4)),
    ),
}

NAMES = tuple(_MAKERS)


def _exif():
    tags = Image.Exif()
    tags[0x0112] = 6
    tags.get_ifd(0x8769)[0x9003] = "2021:07:03 18:05:09"
    return tags


@cache
def seed(name):
    """Bytes, modality and suffix."""
    modality, suffix, make = _MAKERS[name]
    return make(), modality, suffix
