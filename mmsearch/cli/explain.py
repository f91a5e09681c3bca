"""`search --explain`: how each hit got its rank, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmsearch.cli.present import excerpt, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mmsearch.types import Hit, Hits, Metadata, Stage


def explained(found: Hits) -> None:
    """A block for each hit: the steps of the search from top to bottom, with rank and score after each."""
    console = Console()
    if not found:
        console.print("nothing found")
        return
    for hit in found:
        name = "  ".join(part for part in (named(hit), hit.place) if part)
        console.print(f"\n[bold]{hit.rank}[/]  {hit.modality}  {escape(name)}", highlight=False, soft_wrap=True)
        if text := excerpt(hit.excerpt):
            console.print(f"   {escape(text)}", highlight=False)
        table = Table.grid(padding=(0, 2))
        for justify in ("left", "left", "right", "right", "left"):
            table.add_column(justify=justify)
        table.add_column(overflow="fold")
        for row in _rows(hit, _parts(found.query)):
            table.add_row("", *map(escape, row))
        console.print(table, highlight=False)
    console.print(
        f"\nEach line is a step, with rank and score after it. {_scale(found.query)} Most later steps hand out the "
        "same scores again in an order of their own: what they went by is said behind them. Confidence is told by the "
        "cosine as well, the best one for the hit of its kind that comes first, and so on; but what is to be expected "
        "of the question counts too, and with `lite` whether what was found shows the classes that the question speaks "
        "of. So it need not follow the score.",
        highlight=False,
    )


def _scale(query: Metadata) -> str:
    """What scores are."""
    if query.get("lexical") == "only":
        return "The score of `words` is BM25 times the share of the question's words, by what they tell, that it has."
    cosine = "the cosine of question and hit, less that of the question and everything of its kind on average"
    if len(query["target"]) == 1:
        return f"The score of `found` is {cosine}."
    return (
        "The score of `found` is -ln p, where p is the share of unrelated questions that find as much among hits of "
        f"that kind; or, where that is not known for all kinds, {cosine}."
    )


def _parts(query: Metadata) -> str:
    """The parts of a sum, with their weights."""
    return " ".join(
        f"{'-' if part['weight'] < 0 else '+'} {abs(part['weight']):g} × {kind} {content!r}"
        for part in query.get("parts", ())
        for kind, content in part.items()
        if kind != "weight"
    ).removeprefix("+ ")


def _rows(hit: Hit, parts: str) -> Iterator[tuple[str, str, str, str, str]]:
    yield "asked", "", "", "", "; ".join([*([parts] if parts else []), *hit.stages[0].used.get("route", ())])
    before: Stage | None = None
    for stage in hit.stages:
        if not stage.rank:
            yield stage.step, "not seen", "", "", ""
            continue
        moved = 0 if before is None else before.rank - stage.rank
        arrow = f"{'↑' if moved > 0 else '↓'}{abs(moved)}" if moved else ""
        yield stage.step, f"rank {stage.rank}", arrow, f"{stage.score:.3f}", _said(stage, hit)
        before = stage
    if hit.confidence is not None:
        yield "confidence", "", "", f"{hit.confidence:.3f}", _JUDGED
    if hit.same:
        listed = ", ".join(hit.same[:5]) + (", …" if len(hit.same) > 5 else "")
        yield "stands for", "", "", str(len(hit.same)), f"nearly the same: {listed}"


def _said(stage: Stage, hit: Hit) -> str:
    """What a step went by, in words."""
    used = stage.used
    for needed, say in _WORDS.items():
        if needed in used:
            return say(used, hit)
    return ", ".join(f"{name} {_value(value)}" for name, value in used.items()) or _NOTHING.get(
        stage.step, "nothing to go by"
    )


def _classes(used: Mapping[str, Any], hit: Hit) -> str:
    named = ", ".join(f"{name} ({value:.3f})" for name, value in used["classes"].items())
    shared = f"; question and {hit.modality} share {named}" if named else ""
    return f"by cosine and shared classes, {used['added']:+.3f}{shared}"


_JUDGED = "of unrelated questions find nothing as good of this kind, by what is to be expected of each"
_NOTHING = {"words": "has none of the words"}
# By a name that only notes of that step have.
_WORDS: Mapping[str, Callable[[Mapping[str, Any], Hit], str]] = {
    "route": lambda used, hit: f"cosine {used['cosine']:.3f}",
    "classes": _classes,
    "bias": lambda used, hit: f"by cosine less how near it is to any question, {-used['bias']:+.3f}",
    "like rank": lambda used, hit: (
        f"cosine {used['likeness']:.3f} to the hit at rank {used['like rank']}, most like it"
    ),
    "likeness": lambda used, hit: f"others have a cosine of {used['likeness']:.3f} and more to it",
    "cosine before": lambda used, hit: f"cosine {used['cosine before']:.3f} before",
    "maxsim": lambda used, hit: (
        f"{used['maxsim']:.3f}, the mean over {_count(used['asked'], 'segment')} of the question "
        f"of the nearest of {_count(used['segments'], 'segment')}"
    ),
    "words": lambda used, hit: f"rank {used['rank']} by {', '.join(used['words'])} (BM25 {used['bm25']:.1f})",
    "match": lambda used, hit: f"question and {hit.modality} match with {used['match']:.3f}, says {used['model']}",
    "unread": lambda used, hit: f"keeps its place: {used['unread']}",
}


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _value(value: Any) -> str:  # noqa: ANN401  (a JSON value)
    if isinstance(value, float):
        return f"{value:.3f}"
    return ", ".join(map(_value, value)) if isinstance(value, list) else str(value)
