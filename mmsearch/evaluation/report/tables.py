"""The tables of the page: measures, geometry, provenance."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmsearch.evaluation.measures import NAMED
from mmsearch.search.exhibit import escaped
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.geometry import Gap, Merged
    from mmsearch.evaluation.measures import Estimate
    from mmsearch.evaluation.result import Evaluation


def table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """Cells of HTML; the first of each row is its name."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr><th>{row[0]}</th>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>\n" for row in rows)
    return (
        f'<div class="wide"><table class="{kind}"><thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'
    )


def direction(query: str, target: str) -> str:
    """Such as text → image, in the colours of the modalities."""
    return f'{hue(query)} <span class="to">→</span> {hue(target)}'


def hue(modality: str) -> str:
    """The name of a modality in its colour."""
    return f'<span class="hue {modality}">{modality}</span>' if modality in set(Modality) else escaped(modality)


def figure(name: str, value: float) -> str:
    """A measure for people: percent, or a rank; a dash for what is infinite."""
    if not math.isfinite(value):
        return "–"
    if NAMED[name].is_rank:
        return f"{value:,.0f}" if name == "median_rank" else f"{value:,.1f}"
    return f"{100 * value:.1f}"


def label(name: str) -> str:
    """What people call a measure; what papers call it, too, is small."""
    first, _, other = (NAMED[name].label or name).partition(" (")
    return escaped(first) + (f" <small>({escaped(other)}</small>" if other else "")


def spread(name: str, found: Estimate) -> str:
    """The interval of a measure; empty where nothing of it is finite."""
    ends = [figure(name, end) for end in found.interval]
    return "–".join(ends) if math.isfinite(found.interval.low) else ""


def measures(evaluation: Evaluation) -> str:
    """Every measure of every direction, with its interval."""
    results = list(evaluation.directions.values())
    head = ["", *(direction(result.run.query, result.run.target) for result in results)]
    rows = [["questions", *(f"{result.queries:,}" for result in results)]]
    for name in results[0].measures:
        rows.append([label(name), *(_estimate(name, result.measures[name]) for result in results)])
    return table(head, rows, "figures")


def _estimate(name: str, found: Estimate) -> str:
    return f"{figure(name, found.value)} <small>{spread(name, found)}</small>"


def gaps(found: Sequence[Gap]) -> str:
    """How far apart the modalities lie, a column for every two."""
    spaces = {gap.space for gap in found}
    named = [f"{hue(gap.one)} and {hue(gap.other)}" for gap in found]
    if len(spaces) > 1:
        named = [f"{name} <small>{escaped(gap.space)}</small>" for name, gap in zip(named, found, strict=True)]
    rows = [
        ["gap", *(f"{gap.distance:.3f}" for gap in found)],
        ["mean cosine across", *(f"{gap.across:.3f}" for gap in found)],
        ["within the first", *(f"{gap.within[0]:.3f}" for gap in found)],
        ["within the second", *(f"{gap.within[1]:.3f}" for gap in found)],
    ]
    return table(["", *named], rows, "figures")


def shares(found: Sequence[Merged]) -> str:
    """What each modality is answered with when everything is asked, as stacked bars over what chance would give."""
    return "\n".join(
        f'<div class="stack"><h4>asked with {hue(one.query)}</h4>{_stack("first ten answers", one.shares)}'
        f"{_stack('the index', one.held)}</div>"
        for one in found
    )


def _stack(name: str, parts: Mapping[Modality, float]) -> str:
    bars = "".join(
        f'<i class="{modality}" style="width:{100 * share:.2f}%" title="{modality} {100 * share:.1f} %">'
        f"<b>{f'{modality} {100 * share:.0f} %' if share >= 0.12 else ''}</b></i>"
        for modality, share in parts.items()
    )
    return f'<div class="bar"><span>{name}</span><div>{bars}</div></div>'


def provenance(found: Mapping[str, Any]) -> str:
    """Everything that is needed to get the same figures again."""
    rows = [[escaped(name), f"<code>{_value(value)}</code>"] for name, value in _flat(found)]
    return table(["", ""], rows, "facts-table")


def _flat(found: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Names of nested values, joined."""
    listed: list[tuple[str, Any]] = []
    for name, value in found.items():
        if isinstance(value, Mapping) and value:
            listed += _flat(value, f"{before}{name} · ")
        else:
            listed.append((f"{before}{name}", value))
    return listed


def _value(value: object) -> str:
    return escaped(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
