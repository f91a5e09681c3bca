"""How measured figures are printed: tables of measures, of differences, of ways to search."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmsearch.cli.present import excerpt
from mmsearch.evaluation.measures import NAMED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmsearch.evaluation.compare import Comparison, Difference
    from mmsearch.evaluation.measures import Estimate
    from mmsearch.evaluation.result import Evaluation
    from mmsearch.evaluation.variants import Variant

COLUMNS = 3  # directions side by side: they fit a terminal of 80 characters
IN_VARIANTS = ("hit@1", "hit@10", "recall@10", "ndcg@10")  # as many as fit
SIGNIFICANT = 0.05


def evaluation(found: Evaluation) -> None:
    """Tables of measures, a column per direction, with 95 % intervals."""
    console = Console()
    directions = list(found.directions.items())
    for start in range(0, len(directions), COLUMNS):
        some = directions[start : start + COLUMNS]
        table = _table("", *(direction for direction, _ in some))
        table.add_row("queries", *(str(result.queries) for _, result in some))
        for name in some[0][1].measures:
            table.add_row(label(name), *(_cell(name, result.measures[name]) for _, result in some))
        console.print(table)
    console.print(
        f"Model {found.model}, {found.items} items. Percent, and the 95 % bootstrap interval over queries; captions of "
        f"one picture or sound are drawn together. hit@K is what CLIP papers call Recall@K (R@K); recall@K is the "
        f"share of all right answers. Lists are cut at {found.depth}; equal scores stand in the order of their ids.",
        highlight=False,
    )
    _notes(console, found.warnings)


def comparison(found: Comparison) -> None:
    """A table for each direction, then the queries that got worse most."""
    console = Console()
    a, b = map(escape, found.names)
    console.print(f"A: {a}   B: {b}", highlight=False)
    for direction, queries in found.queries.items():
        table = _table(f"{direction}, {queries} queries", "A", "B", "B - A", "p", "adjusted")
        for row in found.differences:
            if row.direction == direction:
                table.add_row(*_difference(row))
        console.print(table)
        if fallen := found.fallen[direction]:
            table = _table("worse with B", "rank in A", "rank in B")
            for one in fallen:
                table.add_row(escape(excerpt(one.text) or one.query), *(_rank(rank) for rank in (one.a, one.b)))
            console.print(table)
    console.print(
        "Percent. B - A with its 95 % interval (paired bootstrap). hit@K: Recall@K of CLIP papers. p: paired "
        f"randomisation test, two-sided; adjusted for all tests here (Holm), and bold where it is below {SIGNIFICANT}.",
        highlight=False,
    )
    _notes(console, found.warnings)


def variants(found: Mapping[str, Sequence[Variant]]) -> None:
    """A table for each direction, a row for each way to search; nothing if none were measured."""
    if not found:
        return
    console = Console()
    for direction, rows in found.items():
        table = _table(direction, *IN_VARIANTS, "of exact", "ms")
        table.columns[0].no_wrap = True
        for row in rows:
            figures = (f"{100 * row.measures[name].value:.1f}" if row.measures else "" for name in IN_VARIANTS)
            recall = "" if row.recall is None else f"{100 * row.recall:.1f}"
            spent = "" if row.seconds is None else f"{1000 * row.seconds:.1f}"
            table.add_row(row.name, *figures, recall, spent)
        console.print(table)
        for row in rows:
            if row.note:
                console.print(f"  {row.name}: {escape(row.note)}", highlight=False)
    console.print(
        "Percent, of the first ten answers. of exact: the share of exact search's ten that is found. ms: median of one "
        "question that is encoded already.",
        highlight=False,
    )


def variants_json(found: Mapping[str, Sequence[Variant]]) -> dict[str, Any]:
    """The same as JSON values, for the result they go with; nothing if none were measured."""
    shown = {direction: [one.to_json() for one in some] for direction, some in found.items()}
    return {"variants": shown} if shown else {}


def label(name: str) -> str:
    """What people call a measure."""
    return NAMED[name].label or name


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _notes(console: Console, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        console.print(f"[yellow]note[/] {escape(warning)}", highlight=False)


def _difference(row: Difference) -> list[str]:
    low, high = (f"{100 * end:+.1f}" for end in row.interval)
    style = "bold" if row.adjusted < SIGNIFICANT else "not bold"
    return [
        row.measure,
        f"{100 * row.a:.1f}",
        f"{100 * row.b:.1f}",
        f"[{style}]{100 * row.difference:+.1f}[/] [dim]({low}, {high})[/]",
        _p(row.p),
        f"[{style}]{_p(row.adjusted)}[/]",
    ]


def _p(value: float) -> str:
    return f"{value:.4f}" if value < 0.001 else f"{value:.3f}"


def _rank(rank: int | None) -> str:
    return "–" if rank is None else str(rank)


def _cell(name: str, estimate: Estimate) -> str:
    low, high = (_figure(name, bound) for bound in estimate.interval)
    return f"{_figure(name, estimate.value)} [dim]({low}–{high})[/]"


def _figure(name: str, value: float) -> str:
    if not math.isfinite(value):
        return "–"
    if NAMED[name].is_rank:
        return f"{value:.1f}".removesuffix(".0")
    return f"{100 * value:.1f}"
