"""`mmsearch tune`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch.cli.locate import locate
from mmsearch.cli.options import DeviceOption, FieldsOption, IndexOption, JsonOption, PairsArgument, SplitOption
from mmsearch.cli.tuned import tuned_json, tuned_lines, tuning_json
from mmsearch.errors import QueryError

if TYPE_CHECKING:
    from mmsearch.tuning.chains import Tuning
    from mmsearch.tuning.trials import Finding


def tune(
    pairs: PairsArgument = None,
    index: IndexOption = None,
    split: SplitOption = None,
    field: FieldsOption = [],  # noqa: B006
    check: Annotated[bool, typer.Option("--check", help="Measure, and change nothing.")] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Go back to the model's own rerankers in all directions.")
    ] = False,
    kept: Annotated[bool, typer.Option("--list", help="Show what was tuned.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same gives the same answer.")] = 0,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find out which of tags, nnn and qbnorm help in which direction of an index, on pairs; use them from then on."""
    from mmsearch.cli import present
    from mmsearch.cli.progress import counter
    from mmsearch.engine import open_index

    measuring = {"PAIRS": pairs is not None, "--field": bool(field), "--check": check}
    said = [name for name, given in {"--undo": undo, "--list": kept}.items() if given]
    if said and (both := [*said, *(name for name, given in measuring.items() if given)])[1:]:
        raise QueryError(f"{' and '.join(both)} do not go together: give one of them")
    if pairs is not None and field:
        raise QueryError("PAIRS and --field do not go together: the field is of the index, and PAIRS are read instead")
    if split is not None and pairs is None:
        raise QueryError("--split is of a dataset: name its PAIRS as well")
    with open_index(locate(index), create=False, device=device) as opened:
        if undo:
            before = opened.chains.undo()
            found = {"undone": [tuned_json(one) for one in before]}
            count = "1 direction is" if len(before) == 1 else f"{len(before)} directions are"
            lines = [f"{count} back to the model's own rerankers" if before else "nothing was tuned"]
        elif kept:
            found = {"tuned": [tuned_json(one) for one in opened.chains.kept()]}
            lines = tuned_lines(found["tuned"]) or ["Nothing is tuned: all directions have the model's own rerankers."]
        else:
            with counter() as told:
                measured = opened.tune(pairs, split=split, fields=field, check=check, seed=seed, progress=told)
            found, lines = tuning_json(measured), []
    if as_json:
        present.print_json(found)
    elif lines:
        print("\n".join(lines))
    else:
        _show(measured, check)


def _show(found: Tuning, check: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("direction", "rerankers", "hit@10", "mrr", "gain in mrr (95 %)", "p", "ms"):
        table.add_column(column, justify="left" if column in ("direction", "rerankers") else "right", no_wrap=True)
    for one in found.findings:
        value, (low, high) = one.gains["mrr"]
        before, after = ([f"{100 * one.figures[name][way]:.1f}" for name in ("hit@10", "mrr")] for way in (0, 1))
        table.add_row(one.direction, one.before or "none", *before, "", "", f"{one.milliseconds[0]:.1f}")
        if one.chosen != one.before:
            gain = f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
            times = f"{one.milliseconds[1]:.1f}"
            table.add_row(f"  {_decided(one, check)}", one.chosen or "none", *after, gain, f"{one.p:.3f}", times)
        else:
            table.add_row("  nothing better", *[""] * 6)
    took = f"in {found.seconds:.0f} s"
    print(f"Measured on {found.data} {took}: half of the questions chose, the others, shown, confirm.")
    Console(width=max(100, Console().width)).print(table)
    for direction, count in found.left_out.items():
        print(f"{direction}: only {count} independent questions, which are too few to tell")
    for direction, why in found.unreached.items():
        print(f"{direction} left out: {why}")
    if found.kept:
        print("The index uses what is better from now on; `mmsearch tune --undo` goes back.")


def _decided(one: Finding, check: bool) -> str:
    if not one.gained:
        return "not clearly better"
    return "better" if check else "used from now on"
