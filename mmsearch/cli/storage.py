"""`mmsearch compact`."""

from __future__ import annotations

from typing import Annotated

import typer

from mmsearch.cli.locate import locate
from mmsearch.cli.options import IndexOption, JsonOption


def compact(
    index: IndexOption = None,
    dead_share: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Rewrite shards with at least this share of dead rows.")
    ] = 0.2,
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Wait so long for another writer.")] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Give back the room of what was removed. Searches go on meanwhile; ids and answers stay."""
    from dataclasses import asdict

    from mmsearch.cli import present
    from mmsearch.store.compact import compact as run

    folder = locate(index)
    found = run(folder, dead_share=dead_share, wait=wait)
    if as_json:
        present.print_json({"index": str(folder), **asdict(found)})
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "before", "after"):
        table.add_column(name, justify="right" if name else "left")
    table.add_row("shards", str(found.shards_before), str(found.shards_after))
    table.add_row("dead rows dropped", "", str(found.rows_dropped))
    table.add_row("bytes", f"{found.bytes_before:,}", f"{found.bytes_after:,}")
    Console().print(table)
    if found.then:
        print(f"{found.uncovered:,} rows lost their structure; searches are exact there until `{found.then}` was run.")
