"""Text: a file as it is; a file of records as one medium per record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mmsearch.errors import MediaError
from mmsearch.media.source import open_source
from mmsearch.media.text import encodings, jsonl
from mmsearch.types import Medium, Metadata, Modality, Segment

FIELDS: Final = ("text", "caption", "content")
"""Where a record has its text: the first of these that it has."""


def read(source: bytes | Path) -> Iterator[Medium | MediaError]:
    """A plain text, as one part. Line ends stay as they are; `encodings` says how bytes are understood.

    Raises:
        MediaError: it cannot be opened, is binary, or is larger than `encodings.MAX_BYTES`.
    """
    yield whole(encodings.read(source))


def records(source: bytes | Path) -> Iterator[Medium | MediaError]:
    """The records of a JSON lines file, one at a time, in constant memory; each has its text as one part.

    A record is an object with its text in `text`, else `caption`, else `content`. Its `id`, a string or an integer,
    becomes the key; all other fields become its metadata. Blank lines are skipped.

    Yields:
        A medium for every good line, and for every bad one a `MediaError` that names the line: it is a value here, so
        that one bad line does not lose the others.

    Raises:
        MediaError: the file as a whole cannot be read.
    """
    with open_source(source) as file:
        empty = True
        for line, fields in jsonl.objects(file):
            empty = False
            yield fields if isinstance(fields, MediaError) else record(line, fields)
        if empty:
            raise MediaError("no text: only blank lines")


def record(line: int, fields: dict[str, Any]) -> Medium | MediaError:
    """A record of a file, or what is wrong with it; `line` is where it begins."""
    try:
        return _record(fields)
    except MediaError as error:
        return MediaError(f"line {line}: {error}")


def whole(text: str, properties: Metadata | None = None) -> Medium:
    """A text that is one part."""
    return Medium(Modality.TEXT, iter((Segment(text),)), properties or {})


def _record(fields: dict[str, Any]) -> Medium:
    name = next((name for name in FIELDS if fields.get(name) is not None), None)
    if name is None:
        raise MediaError(f"no text: none of the fields {', '.join(FIELDS)}")
    text, key = fields.pop(name), fields.pop("id", None)
    if not isinstance(text, str):
        raise MediaError(f"{name} must be a string, not {type(text).__name__}")
    if not text or text.isspace():
        raise MediaError("no text: nothing but white space" if text else "no text")
    if key is not None and (isinstance(key, bool) or not isinstance(key, (str, int))):
        raise MediaError(f"id must be a string or an integer, not {type(key).__name__}")
    return Medium(Modality.TEXT, iter((Segment(text),)), {}, None if key is None else str(key), fields)
