"""Text: files and strings to passages, and files of records to one text each."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mmsearch.errors import MediaError
from mmsearch.media import jsonl
from mmsearch.media.passages import passages
from mmsearch.media.source import open_source, reason
from mmsearch.types import Medium, Modality, Segment, TextSpec

MAX_BYTES: Final = 1 << 28
"""Larger text files are refused: a text is held in memory while it is cut."""

_TEXTS: Final = ("text", "caption", "content")
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(source: Path | bytes | str, spec: TextSpec) -> Medium:
    """Cut one text into passages that fit the encoder.

    Bytes are UTF-8, or UTF-16 if they begin with its mark, or else Windows-1252 and, where that has no character,
    Latin-1.

    Args:
        source: a path, the bytes of a file, or the text itself.
        spec: the encoder's wishes.

    Returns:
        Segments with content `str`, start and end in characters; the property `characters`.

    Raises:
        MediaError: it cannot be read, is no text, or has nothing but white space.
    """
    text = source if isinstance(source, str) else _decoded(_read(source))
    if not text or text.isspace():
        raise MediaError("no text")
    segments = (Segment(text[start:end], start, end) for start, end in passages(text, spec))
    return Medium(Modality.TEXT, segments, {"characters": len(text)})


def records(source: Path | bytes, spec: TextSpec) -> Iterator[Medium | MediaError]:
    """One text for each line of a `.jsonl` file, read line by line.

    A line is an object with `text` (or `caption` or `content`); `id` becomes the key, everything else metadata. A bad
    line is yielded as the `MediaError` that says what is wrong with it, and the others are read all the same.

    Raises:
        MediaError: the file cannot be read, or has no line with anything in it. Raised while reading.
    """
    found = False
    with open_source(source) as file:
        for line, fields in jsonl.objects(file):
            found = True
            if isinstance(fields, MediaError):
                yield fields
                continue
            try:
                yield _record(fields, spec)
            except MediaError as error:
                yield MediaError(f"line {line}: {error}")
    if not found:
        raise MediaError("no records")


def _record(fields: dict[str, Any], spec: TextSpec) -> Medium:
    name = next((name for name in _TEXTS if name in fields), None)
    if name is None:
        raise MediaError(f"no text: one of {', '.join(_TEXTS)} must be there")
    text = fields.pop(name)
    if not isinstance(text, str):
        raise MediaError(f"{name} must be a text, not {text!r:.40}")
    key = fields.pop("id", None)
    medium = decode(text, spec)
    return Medium(medium.modality, medium.segments, medium.properties, None if key is None else str(key), fields)


def _read(source: Path | bytes) -> bytes:
    with open_source(source) as file:
        try:
            data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise MediaError(reason(error)) from error
    if len(data) > MAX_BYTES:
        raise MediaError(f"more than {MAX_BYTES // 2**20} MiB of text")
    return data


def _decoded(data: bytes) -> str:
    try:
        if data.startswith(_UTF16):
            return data.decode("utf-16")
        if b"\0" in data:
            raise MediaError("no text: it has NUL bytes")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")
