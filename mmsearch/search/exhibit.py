"""Media on a page: a picture, a sound to be played, a passage, as HTML that holds all of it.

What cannot be shown has a placeholder that says why: files come and go, and a page must not fail on one of them.
"""

from __future__ import annotations

import base64
import html
import re
from importlib import resources
from typing import TYPE_CHECKING, Final

import numpy as np

from mmsearch.errors import MediaError
from mmsearch.types import AudioSpec

if TYPE_CHECKING:
    from mmsearch.types import AudioInput, ImageInput

EXCERPT: Final = 280
"""Characters shown of a passage."""

_BARS: Final = 72
_WAVE_RATE: Final = 4000  # Hz; enough to see where a sound is loud
# What has no glyph or would garble a page: controls, half surrogates (bytes of names that are not UTF-8).
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def look() -> str:
    """The style that all pages share, light and dark: colours, and cards of media."""
    return resources.files(__package__).joinpath("look.html").read_text("utf-8")


def picture(source: ImageInput, name: str, side: int = 320) -> str:
    """A thumbnail, its long side at most `side` pixels."""
    from mmsearch.media.image import (
        decode as image,  # the page of a text search over texts loads neither Pillow nor soundfile
    )

    try:
        encoded = image.thumbnail(source, side)
    except MediaError as error:
        return placeholder(f"no picture: {error}")
    return f'<img src="{_data_uri(encoded, "image/jpeg")}" alt="{escaped(name)}">'


def player(source: AudioInput, start: float, end: float) -> tuple[str, str]:
    """A drawing of the loudness from `start` to `end`, and a player for it; or no drawing, and a placeholder."""
    from mmsearch.media.audio import decode as audio

    try:
        encoded = audio.clip(source, start, end)
        (segment,) = audio.decode(encoded, AudioSpec(_WAVE_RATE, window=end - start + 1)).segments
    except MediaError as error:
        return "", placeholder(f"no sound: {error}")
    control = f'<audio controls preload="metadata" src="{_data_uri(encoded, audio.CLIP_TYPE)}"></audio>'
    return _wave(np.asarray(segment.content)), control


def passage(text: str) -> str:
    """The beginning of a text."""
    said = shortened(text)
    return f"<blockquote dir=auto>{escaped(said)}</blockquote>" if said else placeholder("no text")


def placeholder(why: str) -> str:
    """In the place of what cannot be shown."""
    return f'<div class="none">{escaped(why)}</div>'


def shortened(text: str) -> str:
    """One line of at most `EXCERPT` characters."""
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else line[:EXCERPT].rsplit(" ", 1)[0].rstrip() + " …"


def escaped(text: str) -> str:
    """Any string, safe between tags and in quoted attributes."""
    return html.escape(_UNPRINTABLE.sub(_escape, text))


def _wave(samples: np.ndarray) -> str:
    """Loudness over time, as bars; the loudest reaches the top."""
    peaks = [np.abs(part).max(initial=0.0) for part in np.array_split(samples, _BARS)]
    scale = 48 / max(*peaks, 1e-4)
    bars = "".join(
        f"M{10 * i + 5} {50 - max(1, p * scale):.0f}v{2 * max(1, p * scale):.0f}" for i, p in enumerate(peaks)
    )
    return (
        f'<svg class="wave" viewBox="0 0 {10 * _BARS} 100" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="{bars}" stroke="currentColor" stroke-width="6"/></svg>'
    )


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # what os.fsdecode makes of a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return found[0].encode("unicode_escape").decode()
