"""`mmsearch fit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmsearch.cli.fits import kept_json, kept_lines
from mmsearch.cli.locate import locate
from mmsearch.cli.options import DeviceOption, FieldsOption, IndexOption, JsonOption, PairsArgument, SplitOption
from mmsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch.fitting.shelf import Fits, Outcome

MEASURES = ("hit@1", "hit@5", "hit@10")


def fit(
    pairs: PairsArgument = None,
    index: IndexOption = None,
    name: Annotated[str | None, typer.Option(help="Call the fit so. Default: as the pairs.")] = None,
    split: SplitOption = None,
    field: FieldsOption = [],  # noqa: B006
    check: Annotated[
        list[Path],
        typer.Option(metavar="DATASET", help="Measure on other data as well; may be given several times."),
    ] = [],  # noqa: B006
    report: Annotated[Path | None, typer.Option(metavar="OUT.html", help="Write a page to look at.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Use the fit even if it is no better.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same gives the same fit.")] = 0,
    use: Annotated[str | None, typer.Option(metavar="NAME", help="Use a fit that is kept.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Go back to what was in use before the last one.")] = False,
    kept: Annotated[bool, typer.Option("--list", help="Show the fits that are kept.")] = False,
    forget: Annotated[str | None, typer.Option(metavar="NAME", help="Remove a fit that is not in use.")] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the fit --name, or the one in use, to a file.")
    ] = None,
    load: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Use a fit that was written to a file.")
    ] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn from pairs how your words and media meet; nothing is encoded again, and what is no better is not used."""
    from mmsearch.cli import present
    from mmsearch.cli.progress import counter
    from mmsearch.engine import open_index

    wanted = {"--use": use, "--undo": undo, "--list": kept, "--forget": forget, "--export": export, "--import": load}
    said = [option for option, value in wanted.items() if value not in (None, False)]
    both = [*said, *(["PAIRS"] if pairs is not None else []), *(["--field"] if field else [])]
    if len(both) > 1:
        raise QueryError(f"{' and '.join(both)} do not go together: give one of them")
    if split is not None and pairs is None:
        raise QueryError("--split is of a dataset: name its PAIRS as well")
    with open_index(locate(index), create=False, device=device) as opened:
        if said:
            with counter() as told:
                answer = _manage(opened.fits, said[0], wanted[said[0]], name, told)
            if as_json:
                present.print_json({"fits": [kept_json(one) for one in opened.fits.kept()]})
            else:
                print(answer)
            return
        with counter() as told:
            from mmsearch.fitting.matching import FIELDS

            found = opened.fits.learn(
                pairs, name=name, split=split, fields=field or FIELDS, checks=check, force=force, seed=seed, told=told
            )
            slower = bool(opened.counts().structures) and any(one.installed for one in found)
    if as_json:
        present.print_json({"fits": [{"name": one.name, "installed": one.installed, **one.card} for one in found]})
    else:
        for one in found:
            _show(one)
        if slower:
            print("Search in the directions of the fit is exact for now; `mmsearch optimize` makes it fast again.")
    if report is not None:
        from mmsearch.evaluation.report import write_fits

        write_fits(locate(index).name, {one.name: one.card for one in found}, report)
    if not any(one.installed for one in found):
        raise typer.Exit(1)


def _manage(fits: Fits, what: str, value: Any, name: str | None, told: Any) -> str:  # noqa: ANN401  (options)
    match what:
        case "--use":
            fits.use(value, told=told)
            return f"{value} is in use"
        case "--undo":
            last, before = fits.undo(told=told)
            others = [one.name for one in fits.kept() if one.active and one.name != before]
            then = f"{before} is again" if before else "the index has no fit"
            return f"{last} is no longer in use; " + (f"still in use: {', '.join(others)}" if others else then)
        case "--forget":
            fits.forget(value)
            return f"{value} is forgotten"
        case "--export":
            one = name or _only([kept.name for kept in fits.kept() if kept.active])
            fits.export(one, value)
            return f"{one} is in {value}"
        case "--import":
            return f"{fits.load(value, name=name, told=told)} is in use"
    return "\n".join(kept_lines([kept_json(one) for one in fits.kept()])) or "The index keeps no fit."


def _only(names: Sequence[str]) -> str:
    if len(names) != 1:
        there = f"in use are {', '.join(names)}" if names else "no fit is in use"
        raise QueryError(f"say which fit to export with --name: {there}")
    return names[0]


def _show(found: Outcome) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    held, card = found.learnt.held_out, found.card
    settings = found.learnt.choice.settings
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("direction", "measure", "before", "fit alone", "after", "gain (95 % interval)"):
        table.add_column(column, justify="left" if column in ("direction", "measure") else "right", no_wrap=True)
    for direction, figures in held.figures.items():
        shown = direction
        for measure in MEASURES:
            gain = held.gains[direction][measure]
            ways = (f"{100 * figures[way][measure]:.1f}" for way in ("before", "fit alone", "after"))
            table.add_row(
                shown, measure, *ways, f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
            )
            shown = ""
    print(
        f"Learnt from {found.learnt.media:,} {card['medium']}s with {found.learnt.texts:,} texts in "
        f"{card['seconds']:.0f} s, by {_method(settings.method)}."
    )
    print(f"On {held.media:,} {card['medium']}s with {held.texts:,} texts that were held out:")
    Console(width=max(100, Console().width)).print(table)
    for line in _notes(found):
        print(line)
    print(_decided(found))


def _decided(found: Outcome) -> str:
    from mmsearch.fitting.worth import SIGNIFICANT

    held = found.learnt.held_out
    if found.installed:
        return f"The index uses it now, as {found.name}; `mmsearch fit --undo` goes back."
    if 0.5**held.groups >= SIGNIFICANT:
        why = f"What was held out are {held.groups} independent groups, from which no gain can be told from luck"
    elif held.p >= SIGNIFICANT:
        why = f"It is not clearly better (p = {held.p:.2f})"
    else:
        worse = [way for way, gains in held.gains.items() if gains["mrr"].high < 0]
        why = f"{' and '.join(worse)} would get worse"
    return f"{why}, so the index stays as it was; --force uses it all the same."


def _method(method: str) -> str:
    return "correlation analysis" + (" and contrastive refinement" if method == "cca+infonce" else "")


def _notes(found: Outcome) -> list[str]:
    card, weight = found.card, found.learnt.choice.settings.weight
    notes = [f"What was learnt counts {100 * weight:.0f} % of a score, what the model knew before the rest."]
    if agreement := card.get("agreement"):
        notes.append(
            f"Of the ten best answers to questions about anything, {10 * agreement['mixed']:.1f} stay as they were "
            f"({10 * agreement['alone']:.1f} with the fit alone)."
        )
    if not agreement and not card["checks"]:
        notes.append("What it does to questions of other things was not checked: --check DATASET does.")
    for name, one in card["checks"].items():
        for direction, figures in one["figures"].items():
            ways = ", ".join(f"{way} {100 * figures[way]['hit@1']:.1f}" for way in figures)
            notes.append(f"Elsewhere, on {name}: {direction} hit@1 {ways}.")
    return [*notes, *(f"Note: {warning}." for warning in card["warnings"])]
