"""Answers to look at and listen to: one HTML page that holds everything, pictures and sounds included.

The page works offline, without scripts, and wherever it is moved. What cannot be shown has a placeholder that says why:
files come and go, and a page about ten hits must not fail on one of them.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

from mmsearch.search.exhibit import escaped, look, passage, picture, placeholder, player, shortened
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch.types import Hit, Hits, Metadata

QUERY_SECONDS: Final = 30.0
"""How much of a sound that asks is played."""

_SETTINGS: Final = ("target", "k", "where", "rerank", "vector")


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
    return template.substitute(
        look=look(), title=escaped(title), sections="\n".join(shown) or _nothing("Nothing was asked.")
    )


def _section(heading: str, hits: Hits) -> str:
    cards = "\n".join(_card(hit) for hit in hits)
    answer = f'<ol class="cards">\n{cards}\n</ol>' if hits else _nothing("Nothing found.")
    return f"<section>\n<h2 dir=auto>{escaped(heading)}</h2>\n{_query(heading, hits.query)}\n{answer}\n</section>"


def _query(heading: str, query: Metadata) -> str:
    parts = []
    if (text := query.get(Modality.TEXT)) is not None and str(text) != heading:
        parts.append(f'<p class="said" dir=auto>“{escaped(shortened(str(text)))}”</p>')
    if (image := query.get(Modality.IMAGE)) is not None:
        parts.append(_figure(picture(Path(str(image)).expanduser(), Path(str(image)).name), str(image)))
    if (audio := query.get(Modality.AUDIO)) is not None:
        parts.append(_figure(player(Path(str(audio)).expanduser(), 0.0, QUERY_SECONDS)[1], str(audio)))
    settings = [f"<li>{name} {escaped(_setting(query[name]))}</li>" for name in _SETTINGS if query.get(name)]
    if settings:
        parts.append(f'<ul class="chips">{"".join(settings)}</ul>')
    return f'<div class="query">{"".join(parts)}</div>' if parts else ""


def _figure(medium: str, path: str) -> str:
    return (
        f'<figure>{medium}<figcaption dir=auto title="{escaped(path)}">{escaped(Path(path).name)}</figcaption></figure>'
    )


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
        f'<div class="name" dir=auto title="{escaped(str(hit.path or hit.id))}">{escaped(name)}</div></div></li>'
    )


def _medium(hit: Hit) -> str:
    if hit.modality is Modality.TEXT:
        return passage(hit.excerpt or "")
    if hit.path is None:
        return placeholder(f"{hit.modality} without a file")
    if hit.modality is Modality.IMAGE:
        return picture(hit.path, hit.path.name)
    start = hit.start or 0.0
    return "".join(player(hit.path, start, hit.end if hit.end is not None else start + QUERY_SECONDS))


def _nothing(what: str) -> str:
    return f'<div class="nothing">{what}</div>'
