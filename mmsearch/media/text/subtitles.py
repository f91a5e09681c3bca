"""Subtitles, SubRip (`.srt`) and WebVTT (`.vtt`): what is shown, with the seconds from and to which it is shown.

::

    12                                    a number or a name, skipped
    00:01:02,500 --> 00:01:04,000         the times; hours may be absent, a full stop may stand for the comma
    <i>Where is</i> the cat?              the text, up to a blank line; tags are removed

Headers and the blocks `NOTE`, `STYLE` and `REGION` of WebVTT are skipped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mmsearch.errors import MediaError
from mmsearch.media.text import encodings
from mmsearch.media.text.plain import whole
from mmsearch.types import Medium, Modality, Segment

_TIME: Final = r"(?:(\d{1,4}):)?(\d{1,2}):([0-5]?\d)(?:[.,](\d{1,3}))?"
_TIMES: Final = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_TAG: Final = re.compile(r"</?(?:[a-zA-Z][^<>]*|\d[\d:.]*)?>|\{\\[^{}]*\}")
_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_SKIPPED: Final = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)(\s|$)")


def read(source: bytes | Path) -> Iterator[Medium | MediaError]:
    """The subtitles of a file, each a part with its time; a file that has none is read as plain text.

    Yields:
        The medium; then, if there are subtitles whose times make no sense, one `MediaError` that counts them and names
        the line of the first.

    Raises:
        MediaError: it is no text, or WebVTT without a subtitle, or no subtitle in it makes sense.
    """
    text = encodings.read(source)
    bad: list[int] = []
    parts = [part for part in _parts(text, bad) if part.content]
    wrong = MediaError(f"line {bad[0]}: times that make no sense, in {len(bad)} subtitles, skipped") if bad else None
    if parts:
        yield Medium(Modality.TEXT, iter(parts))
        if wrong:
            yield wrong
    elif wrong or text.startswith("WEBVTT"):
        raise wrong or MediaError("no text: no subtitle in it")
    else:
        yield whole(text)


def _parts(text: str, bad: list[int]) -> Iterator[Segment]:
    """One part for each subtitle; appends to `bad` the lines of times that make no sense."""
    webvtt = text.startswith("WEBVTT")
    time: tuple[float, float] | None = None
    lines: list[str] = []
    for number, block in _blocks(text, webvtt):
        if webvtt and _SKIPPED.match(block[0]):
            continue
        starts = [i for i, line in enumerate(block) if _TIMES.fullmatch(line)]
        starts = starts or [i for i, line in enumerate(block[:2]) if "-->" in line]
        if not starts and not webvtt:
            lines += block  # SubRip as people write it has blank lines inside a subtitle
        for start, end in zip(starts, [*starts[1:], len(block)], strict=False):
            if time:
                yield Segment(_shown(lines), time=time)
            time, lines = _time(block[start]), block[start + 1 : end]
            if end < len(block) and lines and lines[-1].strip().isdigit():  # the next one's, no blank line before it
                lines.pop()
            if time is None:
                bad.append(number + start)
    if time:
        yield Segment(_shown(lines), time=time)


def _blocks(text: str, webvtt: bool) -> Iterator[tuple[int, list[str]]]:
    """What stands between blank lines, with the number of its first line. In WebVTT a line of spaces is not blank."""
    block: list[str] = []
    number = 0
    for number, line in enumerate(_LINE_END.split(text), 1):
        if line if webvtt else line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield number + 1 - len(block), block


def _time(line: str) -> tuple[float, float] | None:
    found = _TIMES.fullmatch(line)
    if found is None:
        return None
    start, end = _seconds(*found.groups()[:4]), _seconds(*found.groups()[4:])
    return (start, end) if start <= end else None


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int((fraction or "").ljust(3, "0")) / 1000


def _shown(lines: list[str]) -> str:
    text = html.unescape(_TAG.sub("", "\n".join(lines)))
    return "\n".join(filter(None, map(str.strip, text.split("\n"))))
