"""The learning curve of a fit: what more pairs would bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from mmsearch.evaluation.report.axes import Axis, Paper, even
from mmsearch.evaluation.report.charts import figure

if TYPE_CHECKING:
    from collections.abc import Sequence

# By number of media with texts that were learnt from: figures by direction, way (`before`, `after`) and measure.
Curve: TypeAlias = Mapping[int, Mapping[str, Mapping[str, Mapping[str, float]]]]

_SHOWN = ("hit@10", "hit@5", "hit@1")


def curve_of(card: Mapping[str, Any]) -> Curve:
    """What the card of a fit says; empty if it says nothing."""
    return {int(size): one["figures"] for size, one in card.get("curve", {}).items()}


def charts(curve: Curve) -> str:
    """A plot for each direction."""
    directions = list(next(iter(curve.values())))
    return f'<div class="charts">\n{"".join(_chart(curve, name) for name in directions)}\n</div>'


def _chart(curve: Curve, direction: str) -> str:
    sizes = sorted(curve)
    query, _, target = direction.partition("->")
    ways = {size: curve[size][direction] for size in sizes}
    top = max(figures[name] for of_size in ways.values() for figures in of_size.values() for name in _SHOWN)
    ticks = tuple((float(size), f"{size:,}") for size in sizes)
    x = Axis("media with texts that it learnt from", sizes[0] / 1.15, sizes[-1] * 1.15, ticks, log=True)
    paper = Paper(x, even("", 0, min(1.0, 1.15 * top), percent=True))
    marks = []
    for name in _SHOWN:
        learnt = [ways[size]["after"][name] for size in sizes]
        before = ways[sizes[-1]]["before"][name]
        marks.append(paper.line([x.low, x.high], [before, before], "dashed"))
        marks.append(paper.line(sizes, learnt, target) + paper.dots(sizes, learnt, target))
        marks.append(paper.word(sizes[-1], learnt[-1], f"{name} {100 * learnt[-1]:.1f}", up=9))
    legend: Sequence[tuple[str, str]] = [(target, "with the fit"), ("dashed", "without")]
    said = "Of media that were held out. Where a curve still rises, more pairs would bring more."
    return figure(f"{query} → {target}", paper.svg(f"Learning curve of {direction}", *marks), said, legend)
