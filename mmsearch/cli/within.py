"""How the moments of one recording are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmsearch.cli.present import UNKNOWN, excerpt, one_line, printable, unmatched
from mmsearch.types import Modality, clock

if TYPE_CHECKING:
    from mmsearch.types import Moments

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60  # pieces of the curve that are drawn


def moments_json(found: Moments) -> dict[str, Any]:
    """Moments and the whole curve as JSON values."""
    return {
        "query": dict(found.query),
        "id": found.id,
        "path": printable(found.path),
        "modality": str(found.modality),
        "moments": [
            {
                "rank": one.rank,
                "start": one.start,
                "end": one.end,
                "score": round(one.score, 6),
                "cosine": round(one.cosine, 6),
                "best": {"start": one.best[0], "end": one.best[1]},
                "excerpt": excerpt(one.excerpt),
                "page": one.page,
                "confidence": None if one.confidence is None else round(one.confidence, 4),
            }
            for one in found
        ],
        "curve": [{"start": start, "end": end, "score": round(score, 6)} for start, end, score in found.curve.tolist()],
    }


def moments(found: Moments, least: float | None = None) -> None:
    """A table of moments, and the curve as a row of bars.

    Args:
        found: the moments.
        least: the confidence that was asked for.
    """
    console = Console()
    name = escape(one_line(printable(found.path) or found.id))
    console.print(_headed(name, found, least), highlight=False, soft_wrap=True)
    if found:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in ("#", "score", "confidence", "from", "to"):
            table.add_column(heading, justify="right")
        table.add_column("what", overflow="fold")
        for one in found:
            page = f"p. {one.page}  " if one.page is not None else ""
            passage = f"{page}{excerpt(one.excerpt) or ''}"
            ends = (_place(found.modality, place) for place in (one.start, one.end))
            sure = "" if one.confidence is None else f"{one.confidence:.2f}"
            table.add_row(str(one.rank), f"{one.score:.3f}", sure, *ends, escape(passage))
        console.print(table)
    first, last = (_place(found.modality, place) for place in (found.curve[0, 0], found.curve[-1, 1]))
    console.print(f"{first} {_bars(found.curve)} {last}", highlight=False, soft_wrap=True)


def _headed(name: str, found: Moments, least: float | None) -> str:
    """The name of the item, and whether anything in it is an answer."""
    if (best := found.query.get("unmatched")) is None:
        if found.query.get("uncalibrated"):
            return f"{name}: {UNKNOWN}"
        return name if found else f"nothing stands out in {name}"
    if found:
        return f"{name}: nothing fits well; nearest is"
    return unmatched(f"nothing in {name}", best, least)


def _place(modality: Modality, place: float) -> str:
    return clock(place) if modality is Modality.AUDIO else f"{place:g}"


def _bars(curve: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    """The highest piece in each part of the length, from the average of the index to the best."""
    edges = np.linspace(curve[0, 0], curve[-1, 1], min(WIDTH, len(curve)) + 1)
    heights = [
        max((score for start, end, score in curve.tolist() if start < high and end > low), default=0.0)
        for low, high in zip(edges, edges[1:], strict=False)
    ]
    top = max([1e-9, *heights])
    return "".join(BARS[round((len(BARS) - 1) * max(0.0, height) / top)] for height in heights)
