"""Two systems over the same questions, on a page: what differs, and what got worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmsearch.evaluation.report.tables import direction, label, table
from mmsearch.search.exhibit import escaped, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch.evaluation.compare import Comparison, Difference, Fallen

_SIGNIFICANT = 0.05


def sections(found: Comparison) -> list[tuple[str, str, str]]:
    """Anchor, heading and body of each direction."""
    return [
        (
            name.replace("->", "-to-"),
            direction(*name.split("->")),
            _direction(found, [row for row in found.differences if row.direction == name], found.fallen[name]),
        )
        for name in found.queries
    ]


def _direction(found: Comparison, rows: Sequence[Difference], fallen: Sequence[Fallen]) -> str:
    a, b = map(escaped, found.names)
    widest = max((abs(end) for row in rows for end in row.interval), default=0.0) or 1.0
    differences = table(
        ["", a, b, "difference", "", "p", "adjusted"],
        [[label(row.measure), *_cells(row, widest)] for row in rows],
        "figures",
    )
    said = (
        "Percent. The difference is the second less the first, with its 95 % interval (paired bootstrap). p is that of "
        "a paired randomisation test, two-sided, and adjusted for all tests of this page (Holm); bold is below .05."
    )
    worse = ""
    if fallen:
        listed = [[escaped(shortened(one.text) or one.query), _rank(one.a), _rank(one.b)] for one in fallen]
        worse = (
            f"<h3>What got worse most</h3>\n{table(['question', f'rank, {a}', f'rank, {b}'], listed, 'figures said')}"
        )
    return f'{differences}\n<p class="soft">{said}</p>\n{worse}'


def _cells(row: Difference, widest: float) -> list[str]:
    low, high = row.interval
    kind = "sure" if row.adjusted < _SIGNIFICANT else "unsure"
    at = [50 + 50 * end / widest for end in (low, high, row.difference)]
    track = (
        f'<div class="track change {kind}"><i class="range" style="left:{at[0]:.1f}%;width:{at[1] - at[0]:.1f}%"></i>'
        f'<i class="here" style="left:{at[2]:.1f}%"></i></div>'
    )
    return [
        f"{100 * row.a:.1f}",
        f"{100 * row.b:.1f}",
        f'<span class="{kind}">{100 * row.difference:+.1f}</span> <small>{100 * low:+.1f} to {100 * high:+.1f}</small>',
        track,
        _p(row.p),
        f'<span class="{kind}">{_p(row.adjusted)}</span>',
    ]


def _p(value: float) -> str:
    return f"{value:.4f}" if value < 0.001 else f"{value:.3f}"


def _rank(rank: int | None) -> str:
    return "not found" if rank is None else f"{rank:,}"
