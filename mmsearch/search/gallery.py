"""Answers to look at and listen to: one HTML page that holds everything, pictures and sounds included.

The page works offline, without scripts, and wherever it is moved. What cannot be shown has a placeholder that says why:
files come and go, and a page about ten hits must not fail on one of them.
"""

from __future__ import annotations

import base64
import html
import re
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

import numpy as np

from mmsearch.errors import MediaError
from mmsearch.types import AudioSpec, Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch.types import Hit, Hits, Metadata

EXCERPT: Final = 280
"""Characters shown of a passage."""

QUERY_SECONDS: Final = 30.0
"""How much of a sound that asks is played."""

_SETTINGS: Final = ("target", "k", "where", "rerank", "vector")
_BARS: Final = 72
_WAVE_RATE: Final = 4000  # Hz; enough to see where a sound is loud
# What has no glyph or would garble a page: controls, half surrogates (bytes of names that are not UTF-8).
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def gallery(sections: Sequence[tuple[str, Hits]], title: str) -> str:
    """One self-contained HTML page: for each section its heading, the question, and a card for each hit.

    Pictures are thumbnails, passages are excerpts, and sounds can be played, cut to the seconds that matched.

    Args:
        sections: headings and answers, in the order of the page.
        title: of the page.

    Returns:
        HTML that is valid UTF-8. Files that are missing or broken have a placeholder.
    """
    template = Template(resources.files(__package__).joinpath("gallery.html").read_text("utf-8"))
    shown = [_section(heading, hits) for heading, hits in sections]
    return template.substitute(title=_text(title), sections="\n".join(shown) or _nothing("Nothing was asked."))


def _section(heading: str, hits: Hits) -> str:
    cards = "\n".join(_card(hit) for hit in hits)
    answer = f'<ol class="cards">\n{cards}\n</ol>' if hits else _nothing("Nothing found.")
    return f"<section>\n<h2 dir=auto>{_text(heading)}</h2>\n{_query(heading, hits.query)}\n{answer}\n</section>"


def _query(heading: str, query: Metadata) -> str:
    parts = []
    if (text := query.get(Modality.TEXT)) is not None and str(text) != heading:
        parts.append(f'<p class="said" dir=auto>“{_text(_shortened(str(text)))}”</p>')
    if (image := query.get(Modality.IMAGE)) is not None:
        parts.append(_figure(_picture(Path(str(image)).expanduser()), str(image)))
    if (audio := query.get(Modality.AUDIO)) is not None:
        parts.append(_figure(_player(Path(str(audio)).expanduser(), 0.0, QUERY_SECONDS)[1], str(audio)))
    settings = [f"<li>{name} {_text(_setting(query[name]))}</li>" for name in _SETTINGS if query.get(name)]
    if settings:
        parts.append(f'<ul class="chips">{"".join(settings)}</ul>')
    return f'<div class="query">{"".join(parts)}</div>' if parts else ""


def _figure(medium: str, path: str) -> str:
    return f'<figure>{medium}<figcaption dir=auto title="{_text(path)}">{_text(Path(path).name)}</figcaption></figure>'


def _setting(value: object) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, (list, tuple, set, frozenset)) else str(value)


def _card(hit: Hit) -> str:
    kind = str(hit.modality)
    name = hit.path.name if hit.path is not None else hit.id
    facts = [f'<span class="rank">{hit.rank}</span>', f'<span class="badge {kind}">{kind}</span>']
    if hit.place:
        facts.append(f"<span>{hit.place}</span>")
    facts.append(f'<span class="score" title="score">{hit.score:.3f}</span>')
    return (
        f'<li class="card"><div class="what">{_medium(hit)}</div><div class="about">'
        f'<div class="facts">{"".join(facts)}</div>'
        f'<div class="name" dir=auto title="{_text(str(hit.path or hit.id))}">{_text(name)}</div></div></li>'
    )


def _medium(hit: Hit) -> str:
    if hit.modality is Modality.TEXT:
        said = _shortened(hit.excerpt or "")
        return f"<blockquote dir=auto>{_text(said)}</blockquote>" if said else _none("no text")
    if hit.path is None:
        return _none(f"{hit.modality} without a file")
    if hit.modality is Modality.IMAGE:
        return _picture(hit.path)
    start = hit.start or 0.0
    return "".join(_player(hit.path, start, hit.end if hit.end is not None else start + QUERY_SECONDS))


def _picture(path: Path) -> str:
    from mmsearch.media.image import (
        decode as image,  # the page of a text search over texts loads neither Pillow nor soundfile
    )

    try:
        encoded = image.thumbnail(path)
    except MediaError as error:
        return _none(f"no picture: {error}")
    return f'<img src="{_data_uri(encoded, "image/jpeg")}" alt="{_text(path.name)}">'


def _player(path: Path, start: float, end: float) -> tuple[str, str]:
    """A drawing of the loudness from `start` to `end`, and a player for it; or no drawing, and a placeholder."""
    from mmsearch.media.audio import decode as audio

    try:
        encoded = audio.clip(path, start, end)
        (segment,) = audio.decode(encoded, AudioSpec(_WAVE_RATE, window=end - start + 1)).segments
    except MediaError as error:
        return "", _none(f"no sound: {error}")
    player = f'<audio controls preload="metadata" src="{_data_uri(encoded, audio.CLIP_TYPE)}"></audio>'
    return _wave(np.asarray(segment.content)), player


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


def _none(why: str) -> str:
    return f'<div class="none">{_text(why)}</div>'


def _nothing(what: str) -> str:
    return f'<div class="nothing">{what}</div>'


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else line[:EXCERPT].rsplit(" ", 1)[0].rstrip() + " …"


def _text(text: str) -> str:
    """Any string, safe between tags and in quoted attributes."""
    return html.escape(_UNPRINTABLE.sub(_escape, text))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # what os.fsdecode makes of a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return found[0].encode("unicode_escape").decode()
