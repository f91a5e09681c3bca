"""A fit on a page: what it gains on what it has never seen, what more pairs would bring, what it forgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmsearch.evaluation.report import learning
from mmsearch.evaluation.report.tables import direction, label, provenance, table
from mmsearch.search.exhibit import escaped

MEASURES = ("hit@1", "hit@5", "hit@10", "mrr")
WAYS = ("before", "fit alone", "after")
_APART = ("held_out", "curve", "checks", "warnings", "agreement")


def sections(name: str, card: Mapping[str, Any], *, alone: bool = True) -> Iterator[tuple[str, str, str]]:
    """Anchor, heading and body of each section.

    Args:
        name: of the fit.
        card: as it is kept with it.
        alone: whether the page is about no other fit.
    """
    of_it = "" if alone else f" of {escaped(name)}"
    apart = "" if alone else f"-{card['medium']}"
    for anchor, heading, body in _sections(card):
        yield f"{anchor}{apart}", f"{heading}{of_it}", body


def _sections(card: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    yield "gains", "The gain", _gains(card["medium"], card["held_out"])
    curve = learning.curve_of(card)
    if len(curve) > 1:
        yield "learning", "The learning curve", learning.charts(curve)
    yield "elsewhere", "Elsewhere", _elsewhere(card)
    about = {key: value for key, value in card.items() if key not in _APART}
    yield "again", "How it was made", provenance(about)


def _gains(medium: str, held: Mapping[str, Any]) -> str:
    said = (
        f"Percent, of {held['media']:,} {escaped(medium)}s with {held['texts']:,} texts that the fit never saw. "
        "Before: as the index answered without it. The gain has a 95 % bootstrap interval over media, each with its "
        f"texts; p = {held['p']:.4f} that it is luck (paired randomisation test, one-sided)."
    )
    return f'{_figures(held)}\n<p class="soft">{said}</p>'


def _figures(found: Mapping[str, Any]) -> str:
    """A table for each direction."""
    parts = []
    for way, figures in found["figures"].items():
        rows = []
        for measure in MEASURES:
            value, low, high = (f"{100 * end:+.1f}" for end in found["gains"][way][measure])
            kind = "unsure" if found["gains"][way][measure][1] <= 0 <= found["gains"][way][measure][2] else "sure"
            gain = f'<span class="{kind}">{value}</span> <small>{low} to {high}</small>'
            rows.append([label(measure), *(f"{100 * figures[column][measure]:.1f}" for column in WAYS), gain])
        head = ["", "before", "fit alone", "after", "gain"]
        parts.append(f"<h3>{direction(*way.split('->'))}</h3>\n{table(head, rows, 'figures')}")
    return "\n".join(parts)


def _elsewhere(card: Mapping[str, Any]) -> str:
    parts = []
    if agreement := card.get("agreement"):
        parts.append(
            f"<p>Of the ten best answers to questions about anything, {10 * agreement['mixed']:.1f} stay as they were; "
            f"with the fit alone it would be {10 * agreement['alone']:.1f}.</p>"
        )
    for name, one in card["checks"].items():
        parts.append(f"<h3>{escaped(name)}</h3>\n{_figures(one)}")
    if not parts:
        parts.append("<p>No other data were asked; <code>--check DATASET</code> does.</p>")
    notes = "".join(f"<li>{escaped(warning)}</li>" for warning in card["warnings"])
    return "\n".join(parts) + (f'\n<h3>Notes</h3>\n<ul class="notes">{notes}</ul>' if notes else "")
