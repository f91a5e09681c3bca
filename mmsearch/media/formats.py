"""The table of file formats: which suffix is read as what, by what, and which first bytes give a content away.

A new format is one row here, and nothing else where a decoder already reads it. The suffix says which modality a file
is of. Within a modality the content decides: a PNG named `.jpg` is read as PNG. A file whose content is of another
modality than its suffix says is reported and not indexed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from mmsearch.types import Modality

READER: Final = 2
"""Grows when files can be read that could not be before: those that failed are tried again then."""


class Decoder(StrEnum):
    """The function that reads a file, below `mmsearch.media`. Only `decode.read` looks at it."""

    IMAGE = "image.decode.decode"
    AUDIO = "audio.decode.decode"
    TEXT = "text.plain.read"
    RECORDS = "text.plain.records"
    TABLE = "text.table.read"
    HTML = "text.html.read"
    PDF = "text.pdf.read"
    DOCX = "text.docx.read"
    SUBTITLES = "text.subtitles.read"


@dataclass(frozen=True, slots=True)
class Format:
    """A row of the table.

    Attributes:
        name: what people call it.
        suffixes: of file names, lower case.
        modality: what such files are.
        decoder: what reads them.
        library: what it is read with.
        found: what becomes of a file: how many items, of which segments.
    """

    name: str
    suffixes: tuple[str, ...]
    modality: Modality
    decoder: Decoder
    library: str
    found: str


def _picture(name: str, suffixes: str, library: str = "Pillow", found: str = "one picture") -> Format:
    return Format(name, tuple(suffixes.split()), Modality.IMAGE, Decoder.IMAGE, library, found)


def _sound(name: str, suffixes: str, library: str = "libsndfile") -> Format:
    return Format(name, tuple(suffixes.split()), Modality.AUDIO, Decoder.AUDIO, library, "windows with their seconds")


def _text(name: str, suffixes: str, decoder: Decoder, library: str, found: str) -> Format:
    return Format(name, tuple(suffixes.split()), Modality.TEXT, decoder, library, found)


_PASSAGES: Final = "passages"

TABLE: Final = (
    _picture("JPEG", ".jpg .jpeg .jpe .jfif"),
    _picture("PNG", ".png .apng", found="one picture, the first frame"),
    _picture("WebP", ".webp", found="one picture, the first frame"),
    _picture("GIF", ".gif", found="one picture, the first frame"),
    _picture("AVIF", ".avif", found="one picture, the first frame"),
    _picture("HEIC", ".heic .heif .hif", "pillow-heif", "one picture, the main one"),
    _picture("TIFF", ".tif .tiff", found="a picture for each page; of a pyramid, its whole"),
    _picture("BMP", ".bmp .dib"),
    _sound("WAV", ".wav .wave .rf64 .w64", "libsndfile, else PyAV (FFmpeg)"),
    _sound("AIFF", ".aif .aiff .aifc"),
    _sound("FLAC", ".flac"),
    _sound("OGG", ".ogg .oga .opus", "libsndfile, else PyAV (FFmpeg)"),
    _sound("MP3", ".mp3"),
    _sound("Core Audio, AU", ".caf .au .snd"),
    _sound("AAC, Apple Lossless", ".m4a .m4b .aac", "PyAV (FFmpeg)"),
    _sound("Windows Media Audio", ".wma", "PyAV (FFmpeg)"),
    _sound("Matroska audio, AC-3, AMR, APE, WavPack", ".mka .weba .ac3 .amr .ape .wv", "PyAV (FFmpeg)"),
    _sound(
        "the sound of video", ".mp4 .m4v .mov .3gp .mkv .webm .avi .wmv .flv .mpg .mpeg .mts .m2ts", "PyAV (FFmpeg)"
    ),
    _text("plain text", ".txt .text .md .markdown .rst", Decoder.TEXT, "charset-normalizer", _PASSAGES),
    _text("HTML", ".html .htm .xhtml", Decoder.HTML, "inscriptis", "passages of what a reader sees"),
    _text("PDF", ".pdf", Decoder.PDF, "pypdf", "passages with their page"),
    _text("Word", ".docx", Decoder.DOCX, "python-docx", "passages, those of tables included"),
    _text("subtitles", ".srt .vtt", Decoder.SUBTITLES, "mmsearch", "passages with their times"),
    _text("CSV", ".csv .tsv", Decoder.TABLE, "csv", "an item for each row with a text; else passages of rows"),
    _text("JSON Lines", ".jsonl .ndjson", Decoder.RECORDS, "json", "an item for each record"),
)

FORMATS: Final = {suffix: row for row in TABLE for suffix in row.suffixes}

_BY_ENDING: Final = {os.fsencode(suffix[1:]): known for suffix, known in FORMATS.items()}


@dataclass(frozen=True, slots=True)
class Content:
    """What the first bytes of a file say it is, whatever its name."""

    name: str
    modality: Modality


# In the order of a scan of a mixed folder; every pattern is anchored and looks at 16 bytes at most.
_MAGIC: Final = (
    (rb"\xff\xd8\xff", Content("JPEG", Modality.IMAGE)),
    (rb"\x89PNG\r\n\x1a\n", Content("PNG", Modality.IMAGE)),
    (rb"RIFF....WEBP", Content("WEBP", Modality.IMAGE)),
    (rb"GIF8[79]a", Content("GIF", Modality.IMAGE)),
    (rb"II[*+]\0|MM\0[*+]", Content("TIFF", Modality.IMAGE)),
    (rb"BM.{4}\0\0\0\0", Content("BMP", Modality.IMAGE)),
    (rb"....ftypavi[fs]", Content("AVIF", Modality.IMAGE)),
    (rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", Content("HEIF", Modality.IMAGE)),
    (rb"(RIFF|RF64|RIFX)....WAVE|riff\x2e\x91\xcf\x11", Content("WAV", Modality.AUDIO)),
    (rb"FORM....AIF[FC]", Content("AIFF", Modality.AUDIO)),
    (rb"fLaC", Content("FLAC", Modality.AUDIO)),
    (rb"OggS", Content("OGG", Modality.AUDIO)),
    (rb"caff\x00\x01", Content("CAF", Modality.AUDIO)),
    (rb"\.snd", Content("AU", Modality.AUDIO)),
    # An ID3 tag, or the header of an MPEG frame: sync, a version, layer III, a bit rate that exists.
    (rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb][^\xf0-\xff]", Content("MP3", Modality.AUDIO)),
    (rb"....(ftyp|moov|mdat|wide)", Content("MP4", Modality.AUDIO)),
    (rb"\x1a\x45\xdf\xa3", Content("Matroska", Modality.AUDIO)),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Content("ASF", Modality.AUDIO)),
    (rb"RIFF....AVI ", Content("AVI", Modality.AUDIO)),
    (rb"FLV\x01", Content("FLV", Modality.AUDIO)),
    (rb"\x00\x00\x01[\xba\xb3]", Content("MPEG", Modality.AUDIO)),
    (rb"\xff[\xf0\xf1\xf8\xf9]", Content("AAC", Modality.AUDIO)),
    (rb"\x0b\x77", Content("AC-3", Modality.AUDIO)),
    (rb"#!AMR", Content("AMR", Modality.AUDIO)),
    (rb"MAC \x96|MAC [\x80-\xff]", Content("APE", Modality.AUDIO)),
    (rb"wvpk", Content("WavPack", Modality.AUDIO)),
)

# Of texts, and so of files that may have no other than printable characters.
_MARKUP: Final = (
    (rb"%PDF-", Content("PDF", Modality.TEXT)),
    (rb"(\xef\xbb\xbf)?WEBVTT\s", Content("WebVTT", Modality.TEXT)),
    (rb"(?i:(\xef\xbb\xbf)?\s*<(!doctype\s+html|html)[\s>])", Content("HTML", Modality.TEXT)),
)

_HEAD_BYTES: Final = 16

# No media file begins with 16 bytes without one of these; many a text begins with a word such as `GIF89a`.
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")

_HELD: Final = {"PDF": Decoder.PDF, "WebVTT": Decoder.SUBTITLES, "HTML": Decoder.HTML}


def format_of(path: str | bytes | os.PathLike[str]) -> Format | None:
    """The row of the table for a file's name, or None. Case does not matter; `.jpg` alone has no suffix."""
    name = os.fsencode(path).rpartition(b"/")[2]
    stem, dot, ending = name.rpartition(b".")
    return _BY_ENDING.get(ending.lower()) if stem and dot else None


def modality_of(path: str | bytes | os.PathLike[str]) -> Modality | None:
    """The modality that a file's name promises, or None where mmsearch does not read such files."""
    known = format_of(path)
    return known.modality if known else None


def is_collection(path: str | bytes | os.PathLike[str]) -> bool:
    """Whether a file of that name can hold several items, such as the records of JSON Lines."""
    known = format_of(path)
    return known is not None and known.decoder in (Decoder.RECORDS, Decoder.TABLE)


def content_of(head: bytes) -> Content | None:
    """What a file that begins with `head` (at least 16 bytes, if it has them) holds, or None if that cannot be told.

    Text has no magic bytes: it is what has no NUL and is valid UTF-8, but for a character that `head` cuts off.
    """
    may_be_media = len(head) < _HEAD_BYTES or _CONTROL.search(head)
    for pattern, content in (*_MARKUP, *_MAGIC) if may_be_media else _MARKUP:
        if _compiled(pattern).match(head):
            return content
    if not head or b"\0" in head:
        return None
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(head) or len(head) - error.start > 3:
            return None
    return Content("text", Modality.TEXT)


@cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """When a file is first looked at: most searches look at none."""
    return re.compile(pattern, re.DOTALL)


def decoder_of(suffix: str, modality: Modality, head: bytes) -> Decoder:
    """What reads a file of a modality: its content decides, then its suffix. The content is not of another modality.

    Pictures and sounds have one decoder each, which looks at the content itself. A text that is not the PDF or the
    Word file that its suffix says is read as plain text.
    """
    if modality is not Modality.TEXT:
        return _ONLY[modality]
    if head.startswith(b"PK\x03\x04"):  # a ZIP archive, as Word writes; any other is refused when it is read
        return Decoder.DOCX
    content = content_of(head)
    if content is not None and content.name in _HELD:
        return _HELD[content.name]
    row = FORMATS.get(suffix.lower())
    said = row.decoder if row is not None and row.modality is modality else Decoder.TEXT
    return Decoder.TEXT if said in (Decoder.PDF, Decoder.DOCX) and content is not None else said


_ONLY: Final = {Modality.IMAGE: Decoder.IMAGE, Modality.AUDIO: Decoder.AUDIO}


def markdown() -> Iterator[str]:
    """The table for people, as lines of Markdown."""
    yield "| | format | suffixes | becomes | read with |"
    yield "|---|---|---|---|---|"
    for row in TABLE:
        cells = (row.modality, row.name, " ".join(f"`{suffix}`" for suffix in row.suffixes), row.found, row.library)
        yield f"| {' | '.join(cells)} |"
