"""The table of file formats: which suffix is read as what, and which first bytes give a content away.

A new format is one row here, and nothing else where the decoder already reads it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mmsearch.types import Modality


class Decoder(StrEnum):
    """The function that reads a file. `decode.decode` is the only place that branches on it."""

    IMAGE = "image.decode"
    AUDIO = "audio.decode"
    TEXT = "text.decode"
    RECORDS = "text.records"


@dataclass(frozen=True, slots=True)
class Format:
    """What files of one suffix are."""

    modality: Modality
    decoder: Decoder


_IMAGE = Format(Modality.IMAGE, Decoder.IMAGE)
_AUDIO = Format(Modality.AUDIO, Decoder.AUDIO)
_TEXT = Format(Modality.TEXT, Decoder.TEXT)
_RECORDS = Format(Modality.TEXT, Decoder.RECORDS)

FORMATS: Final = {
    ".jpg": _IMAGE,
    ".jpeg": _IMAGE,
    ".png": _IMAGE,
    ".webp": _IMAGE,
    ".gif": _IMAGE,
    ".bmp": _IMAGE,
    ".tif": _IMAGE,
    ".tiff": _IMAGE,
    ".wav": _AUDIO,
    ".flac": _AUDIO,
    ".ogg": _AUDIO,
    ".oga": _AUDIO,
    ".mp3": _AUDIO,
    ".txt": _TEXT,
    ".md": _TEXT,
    ".jsonl": _RECORDS,
}

_BY_ENDING: Final = {os.fsencode(suffix[1:]): known for suffix, known in FORMATS.items()}


@dataclass(frozen=True, slots=True)
class Content:
    """What the first bytes of a file say it is, whatever its name."""

    name: str
    modality: Modality


# In the order of a scan of a mixed folder; every pattern is anchored and looks at 16 bytes at most.
_MAGIC: Final = (
    (re.compile(rb"\xff\xd8\xff"), Content("JPEG", Modality.IMAGE)),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), Content("PNG", Modality.IMAGE)),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), Content("WEBP", Modality.IMAGE)),
    (re.compile(rb"GIF8[79]a"), Content("GIF", Modality.IMAGE)),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), Content("TIFF", Modality.IMAGE)),
    (re.compile(rb"BM.{4}\0\0\0\0", re.DOTALL), Content("BMP", Modality.IMAGE)),
    (re.compile(rb"(RIFF|RF64|RIFX)....WAVE", re.DOTALL), Content("WAV", Modality.AUDIO)),
    (re.compile(rb"fLaC"), Content("FLAC", Modality.AUDIO)),
    (re.compile(rb"OggS"), Content("OGG", Modality.AUDIO)),
    # An ID3 tag, or the header of an MPEG frame: sync, a version, layer III, a bit rate that exists.
    (re.compile(rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb][^\xf0-\xff]"), Content("MP3", Modality.AUDIO)),
)


def format_of(path: str | bytes | os.PathLike[str]) -> Format | None:
    """The row of the table for a file's name, or None. Case does not matter; `.jpg` alone has no suffix."""
    name = os.fsencode(path).rpartition(b"/")[2]
    stem, dot, ending = name.rpartition(b".")
    return _BY_ENDING.get(ending.lower()) if stem and dot else None


def modality_of(path: str | bytes | os.PathLike[str]) -> Modality | None:
    """The modality that a file's name promises, or None where mmsearch does not read such files."""
    known = format_of(path)
    return known.modality if known else None


def content_of(head: bytes) -> Content | None:
    """What a file that begins with `head` (at least 16 bytes, if it has them) holds, or None if that cannot be told.

    Text has no magic bytes: it is what has no NUL and is valid UTF-8, but for a character that `head` cuts off.
    """
    for pattern, content in _MAGIC:
        if pattern.match(head):
            return content
    if not head or b"\0" in head:
        return None
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(head) or len(head) - error.start > 3:
            return None
    return Content("text", Modality.TEXT)
