"""What each way to search is worth and costs, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmsearch.evaluation.report.tables import direction, figure, label, spread, table
from mmsearch.evaluation.variants import SHOWN
from mmsearch.search.exhibit import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmsearch.evaluation.variants import Variant


def tables(found: Mapping[str, Sequence[Variant]]) -> str:
    """A table for each direction."""
    parts = [f"<h3>{direction(*name.split('->'))}</h3>\n{_table(rows)}" for name, rows in found.items()]
    said = (
        "Percent, of the first ten answers. Recall of exact: how many of exact search's ten answers are among them. "
        "Time: median of one question that is encoded already, on this machine; it alone differs from run to run."
    )
    return "\n".join([*parts, f'<p class="soft">{said}</p>'])


def _table(rows: Sequence[Variant]) -> str:
    there = [row for row in rows if row.measures]
    best = {m.name: max(row.measures[m.name].value for row in there) for m in SHOWN}
    head = ["", *(label(m.name) for m in SHOWN), "recall of exact", "time"]
    missing: dict[str, list[str]] = {}
    for row in rows:
        if not row.measures:
            missing.setdefault(row.note, []).append(row.name)
    notes = "".join(
        f'<p class="soft">{escaped(", ".join(names))}: {escaped(why)}.</p>' for why, names in missing.items()
    )
    return table(head, [_row(row, best) for row in there], "figures ways") + notes


def _row(row: Variant, best: Mapping[str, float]) -> list[str]:
    name = f"{escaped(row.name)}<small>{escaped(row.note)}</small>"
    figures = [_figure(m.name, row, best[m.name]) for m in SHOWN]
    recall = "" if row.recall is None else f"{100 * row.recall:.1f}"
    return [name, *figures, recall, "" if row.seconds is None else f"{1000 * row.seconds:.2f} ms"]


def _figure(name: str, row: Variant, best: float) -> str:
    found = row.measures[name]
    kind = "sure" if found.value == best else "some"
    return f'<span class="{kind}" title="{spread(name, found)}">{figure(name, found.value)}</span>'
