"""One text from the parts that a reader found, cut into passages that know their page or their time.

::

    reader ─► parts: pages of a PDF, subtitles, or all of a plain text at once ─► joined by line ends ─► passages
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from mmsearch.errors import MediaError
from mmsearch.media.text.passages import passages
from mmsearch.types import Medium, Segment, TextSpec

MAX_CHARACTERS: Final = 1 << 28
"""Longer texts are refused: a text is held in memory, at up to four bytes a character."""


def in_passages(medium: Medium, spec: TextSpec) -> Medium:
    """The same medium with passages in place of parts. Reads all parts: a passage may span several.

    Start and end of a passage count characters of the joined text. Its page is the one that it begins on; its time goes
    from the first to the last subtitle that it has a part of.

    Args:
        medium: of a reader; each segment is a part, with its page or its time if it has one.
        spec: the encoder's wishes.

    Raises:
        MediaError: there is no text in it, it is too long, or it is no valid Unicode.
    """
    parts, starts, length = [], [], 0
    for part in medium.segments:
        assert isinstance(part.content, str)
        starts.append(length)
        parts.append(part)
        length += len(part.content) + 1
        if length > MAX_CHARACTERS:
            raise MediaError(f"more than {MAX_CHARACTERS >> 20} million characters; cut it into several files")
    text = "\n".join(str(part.content) for part in parts)
    if not text or text.isspace():
        raise MediaError("no text: nothing but white space" if text else "no text")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MediaError(f"no valid Unicode: half a surrogate pair at character {error.start}") from error
    for_parts = [replace(part, content="") for part in parts]  # where they are; what they say is in `text` by now
    properties = {**medium.properties, "characters": len(text)}
    return replace(medium, segments=_passages(text, starts, for_parts, spec), properties=properties)


def _passages(text: str, starts: list[int], parts: list[Segment], spec: TextSpec) -> Iterator[Segment]:
    for start, end in passages(text, spec):
        first, last = parts[bisect_right(starts, start) - 1], parts[bisect_right(starts, end - 1) - 1]
        time = (first.time[0], last.time[1]) if first.time and last.time else None
        yield Segment(text[start:end], start, end, first.page, time)
