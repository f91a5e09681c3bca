"""One text from the parts that a reader found, cut into passages that know their page or their time.

::

    reader ─► parts: pages of a PDF, subtitles, or all of a plain text at once
      ─► runs: one page, subtitles without a pause, or all ─► joined by line ends ─► passages
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate
from typing import Final

from mmsearch.errors import MediaError
from mmsearch.media.text.passages import passages
from mmsearch.types import Medium, Segment, TextSpec

MAX_CHARACTERS: Final = 1 << 28
"""Longer texts are refused: a text is held in memory, at up to four bytes a character."""


PAUSE_SECONDS: Final = 10.0
SCENE_SECONDS: Final = 60.0
"""Subtitles are cut together while there is no longer pause between them, and they last no longer in all."""


def in_passages(medium: Medium, spec: TextSpec) -> Medium:
    """The same medium with passages in place of parts. Reads all parts.

    Start and end of a passage count characters of the joined text. No passage goes from one page to the next: its page
    is all of where it is. Subtitles that follow each other are cut together; their time goes from the first to the last
    that the passage has a part of.

    Args:
        medium: of a reader; each segment is a part, with its page or its time if it has one.
        spec: the encoder's wishes.

    Raises:
        MediaError: there is no text in it, it is too long, or it is no valid Unicode.
    """
    parts, length = list[Segment](), 0
    for part in medium.segments:
        assert isinstance(part.content, str)
        parts.append(part)
        length += len(part.content) + bool(length)
        if length > MAX_CHARACTERS:
            raise MediaError(f"more than {MAX_CHARACTERS >> 20} million characters; cut it into several files")
    if not any(str(part.content).strip() for part in parts):
        raise MediaError("no text: nothing but white space" if length else "no text")
    at = 0
    for part in parts:
        try:
            str(part.content).encode("utf-8")
        except UnicodeEncodeError as error:
            raise MediaError(f"no valid Unicode: half a surrogate pair at character {at + error.start}") from error
        at += len(part.content) + 1
    return replace(medium, segments=_passages(parts, spec), properties={**medium.properties, "characters": length})


def _passages(parts: list[Segment], spec: TextSpec) -> Iterator[Segment]:
    begin = 0
    for run in _runs(parts):
        starts = list(accumulate((len(part.content) + 1 for part in run), initial=0))
        text = "\n".join(str(part.content) for part in run)
        for start, end in passages(text, spec):
            first, last = run[bisect_right(starts, start) - 1], run[bisect_right(starts, end - 1) - 1]
            time = (first.time[0], last.time[1]) if first.time and last.time else None
            yield Segment(text[start:end], begin + start, begin + end, first.page, time)
        begin += starts[-1]


def _runs(parts: list[Segment]) -> Iterator[list[Segment]]:
    """Parts that are cut together."""
    run = parts[:1]
    for part in parts[1:]:
        if _apart(run, part):
            yield run
            run = []
        run.append(part)
    yield run


def _apart(run: list[Segment], part: Segment) -> bool:
    first, last = run[0], run[-1]
    if part.time and last.time and first.time:
        return part.time[0] - last.time[1] > PAUSE_SECONDS or part.time[1] - first.time[0] > SCENE_SECONDS
    return part.page != last.page
