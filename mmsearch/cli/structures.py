"""`mmsearch optimize` and `mmsearch audit`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmsearch.cli.locate import locate
from mmsearch.cli.options import DeviceOption, IndexOption, JsonOption
from mmsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch.search.optimize import Part
    from mmsearch.store.structures import Setting

TextsOption = Annotated[
    Path | None,
    typer.Option("--texts", metavar="FILE", help="Questions as you will ask them, one a line, to tune with."),
]
WIDTH = 100  # a narrower terminal breaks the lines, which is better than cutting figures off
UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def optimize(
    index: IndexOption = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="What structures may take: 4GiB, 800MB. Default: no limit.")
    ] = None,
    recall: Annotated[
        float, typer.Option(help="recall@10 to keep in every direction, against exact search; 1 is exact.")
    ] = 0.95,
    structure: Annotated[
        str | None, typer.Option(metavar="KIND", help="exact, sq8, hnsw, pq or rabitq; for GPUs ivfpq, cagra.")
    ] = None,
    texts: TextsOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build structures that make a large index fast, tuned for each direction; explains what it chose."""
    from mmsearch.cli.progress import counter
    from mmsearch.engine import open_index

    with open_index(locate(index), create=False, device=device) as opened, counter() as progress:
        parts = opened.optimize(
            memory=None if memory is None else _bytes(memory),
            recall=recall,
            structure=structure,
            texts=_lines(texts),
            progress=progress,
        )
    _show(parts, as_json=as_json)


def audit(
    index: IndexOption = None, texts: TextsOption = None, device: DeviceOption = None, as_json: JsonOption = False
) -> None:
    """Measure recall@10 against exact search, and the time of both, for every direction."""
    from mmsearch.cli.progress import counter
    from mmsearch.engine import open_index

    with open_index(locate(index), create=False, device=device) as opened, counter() as progress:
        parts = opened.audit(texts=_lines(texts), progress=progress)
    _show(parts, as_json=as_json)


def _show(parts: Sequence[Part], *, as_json: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from mmsearch.cli import present

    if as_json:
        present.print_json({"parts": [_json(part) for part in parts]})
        return
    if not parts:
        print("The index is empty.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    names = ("searched", "vectors", "structure", "bytes", "built", "asked by", "recall@10", "ms", "exact ms")
    for name in names:
        left = name in ("searched", "structure", "asked by")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for part in parts:
        cells = [
            f"{part.modality} in {part.space}", f"{part.rows:,}", part.structure.split(",")[-1],
            f"{part.bytes / max(1, part.rows):.0f}", f"{part.seconds:.0f} s",
        ]  # fmt: skip
        for row in [_row(*one) for one in part.settings.items()] or [["all", "exact", "", ""]]:
            table.add_row(*cells, *row)
            cells = [""] * len(cells)
    Console(width=max(WIDTH, Console().width)).print(table)
    print("bytes: resident, a vector; recall@10: of the ten that exact search finds, with its 95 % interval")
    for part in parts:
        if part.why:
            print(f"{part.modality} in {part.space}: {part.structure}, {part.why}")
        for asked, one in part.settings.items():
            if one.effort == 0:
                print(f"{asked}→{part.modality}: searched exactly: nothing faster keeps a recall of {one.wanted:.2f}")


def _row(asked: str, one: Setting) -> list[str]:
    found = "exact" if one.effort == 0 else f"{one.recall:.3f} ±{(one.high - one.low) / 2:.3f}"
    return [asked, found, f"{one.seconds * 1e3:.2f}", f"{one.exact_seconds * 1e3:.2f}"]


def _json(part: Part) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(part)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", text.lower())
    if not found:
        raise QueryError(f"{text!r} is no size; write it as 4GiB or 800MB")
    return int(float(found[1]) * UNITS[found[2]])


def _lines(path: Path | None) -> list[str]:
    from mmsearch.cli.bridge import lines

    return [] if path is None else lines(path)
