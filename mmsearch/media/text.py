"""Text: a file, bytes or a string to passages that fit the encoder; a file of records to one medium per record."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from mmsearch.errors import MediaError
from mmsearch.media import jsonl
from mmsearch.media.passages import passages
from mmsearch.media.source import open_source, reason
from mmsearch.types import Medium, Metadata, Modality, Segment, TextSpec

MAX_BYTES: Final = 1 << 28
"""Larger text files are refused: a text is held in memory, at up to four bytes a character."""

_TEXT_FIELDS: Final = ("text", "caption", "content")

# Longest first: UTF-32's mark begins with UTF-16's.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS: Final = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def decode(source: str | bytes | Path, spec: TextSpec) -> Medium:
    """Cut one text into passages.

    Bytes are UTF-8, UTF-16 or UTF-32 if they begin with a byte order mark, else UTF-8, else Windows-1252, else
    Latin-1. Line ends stay as they are: spans count characters of the decoded text, without the mark.

    Args:
        source: a path, encoded bytes, or the text itself as `str`.
        spec: the encoder's wishes.

    Returns:
        Segments with content `str`, start and end in characters, `text[start:end] == content`; property `characters`.

    Raises:
        MediaError: it cannot be opened, is binary, holds no text, or is larger than `MAX_BYTES`.
    """
    text = source if isinstance(source, str) else _decoded(_content(source))
    return _medium(text, spec)


def records(source: bytes | Path, spec: TextSpec) -> Iterator[Medium | MediaError]:
    """The records of a JSON lines file, one at a time, in constant memory.

    A record is an object with its text in `text`, else `caption`, else `content`. Its `id`, a string or an integer,
    becomes the key; all other fields become its metadata. Blank lines are skipped.

    Yields:
        A medium for every good line, and for every bad one a `MediaError` that names the line: it is a value here, so
        that one bad line does not lose the others.

    Raises:
        MediaError: the file as a whole cannot be read. Raised by the call itself.
    """
    return _records(open_source(source), spec)


def _records(file: BinaryIO, spec: TextSpec) -> Iterator[Medium | MediaError]:
    with file:
        empty = True
        for line, fields in jsonl.objects(file):
            empty = False
            if isinstance(fields, MediaError):
                yield fields
                continue
            try:
                yield _record(fields, spec)
            except MediaError as error:
                yield MediaError(f"line {line}: {error}")
        if empty:
            yield MediaError("no text: only blank lines")


def _record(fields: dict[str, Any], spec: TextSpec) -> Medium:
    name = next((name for name in _TEXT_FIELDS if fields.get(name) is not None), None)
    if name is None:
        raise MediaError(f"no text: none of the fields {', '.join(_TEXT_FIELDS)}")
    text, key = fields.pop(name), fields.pop("id", None)
    if not isinstance(text, str):
        raise MediaError(f"{name} must be a string, not {type(text).__name__}")
    if key is not None and (isinstance(key, bool) or not isinstance(key, (str, int))):
        raise MediaError(f"id must be a string or an integer, not {type(key).__name__}")
    return _medium(text, spec, None if key is None else str(key), fields)


def _medium(text: str, spec: TextSpec, key: str | None = None, metadata: Metadata | None = None) -> Medium:
    if not text or text.isspace():
        raise MediaError("no text: nothing but white space" if text else "no text")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MediaError(f"no valid Unicode: half a surrogate pair at character {error.start}") from error
    segments = (Segment(text[start:end], start, end) for start, end in passages(text, spec))
    return Medium(Modality.TEXT, segments, {"characters": len(text)}, key, metadata or {})


def _content(source: bytes | Path) -> bytes:
    with open_source(source) as file:
        try:
            content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise MediaError(reason(error)) from error
    if len(content) > MAX_BYTES:
        raise MediaError(f"larger than {MAX_BYTES >> 20} MiB; cut it into several files")
    return content


def _decoded(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError as error:
                raise MediaError(f"begins with the mark of {encoding} and is not: {error.reason}") from error
    if b"\0" in content:
        raise MediaError("not text: binary content")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        # Any bytes are valid Latin-1. Noise gives itself away by control characters, which old text files do not have.
        if len(_CONTROLS.findall(content)) * 50 > len(content):
            raise MediaError("not text: binary content") from None
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")
