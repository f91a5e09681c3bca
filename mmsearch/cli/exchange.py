"""`mmsearch snapshot`, `mmsearch export` and `mmsearch import`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from mmsearch.cli.locate import is_index, locate, place
from mmsearch.cli.options import DeviceOption, IndexOption, JsonOption
from mmsearch.errors import MediaError

SHOWN = 10

exchange = typer.Typer()


@exchange.command()
def snapshot(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an empty one.")],
    index: IndexOption = None,
    link: Annotated[
        bool, typer.Option("--link", help="Hard links instead of copies of what no longer grows: fast, saves room.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy an index as it is now, checksums proven, while others go on writing to it and searching in it."""
    from mmsearch.cli import present
    from mmsearch.cli.progress import counter
    from mmsearch.engine import open_index

    with open_index(locate(index), create=False) as opened, counter() as progress:
        made = opened.snapshot(folder, link=link, progress=progress)
    if as_json:
        values = {"version": made.version, "shards": made.shards, "bytes": made.bytes, "dropped": list(made.dropped)}
        present.print_json({"snapshot": str(made.folder), **values})
        return
    print(f"{made.folder}: version {made.version}, {made.shards} shards, {made.bytes / 1e6:.1f} MB")
    if made.dropped:
        print(
            f"note: {len(made.dropped)} damaged structures left out; `mmsearch optimize` builds them", file=sys.stderr
        )


@exchange.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new .parquet file, or a new folder.")],
    index: IndexOption = None,
    file_format: Annotated[
        str | None, typer.Option("--format", metavar="parquet|npy", help="Default: told by the name of OUT.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="MODALITY[,..]", help="image, text, audio. Default: all.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="Only vectors of this space, where the model has several.")] = None,
    where: Annotated[str | None, typer.Option(help="A filter: \"modality = 'image' and width > 800\".")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write vectors, ids, paths and metadata to a Parquet file, or to a folder of .npy and JSON lines."""
    from mmsearch.cli import present
    from mmsearch.cli.progress import counter
    from mmsearch.engine import open_index

    wanted = target.replace(" ", "").split(",") if target is not None else None
    with open_index(locate(index), create=False) as opened, counter() as progress:
        made = opened.export(out, format=file_format, target=wanted, space=space, where=where, progress=progress)
    if as_json:
        values = {"format": made.format, "rows": made.rows, "bytes": made.bytes}
        present.print_json({"export": str(made.path), **values})
    else:
        print(f"{made.path}: {made.rows} rows, {made.bytes / 1e6:.1f} MB")


@exchange.command("import")
def import_(
    source: Annotated[
        Path, typer.Argument(metavar="PATH", help="A .parquet or .npy file, or a folder (clip-retrieval's, say).")
    ],
    index: IndexOption = None,
    model: Annotated[
        str | None, typer.Option(help="For a new index: the model that made the vectors, `clip:ViT-B-32/openai`, say.")
    ] = None,
    device: DeviceOption = None,
    id_column: Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="Default: id, key, path, …")] = None,
    vector: Annotated[str | None, typer.Option(metavar="COLUMN", help="Default: the only one of vectors.")] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="COLUMN[,..]", help="What to keep as metadata. Default: all the others.")
    ] = None,
    modality: Annotated[str, typer.Option(help="What the vectors stand for: image, text or audio.")] = "image",
    strict: Annotated[bool, typer.Option(help="Exit with status 1 if any row was rejected.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add vectors that were computed elsewhere, with their metadata.

    They must be of the space of the index's model, that is, made by the same model with the same weights: others have
    the right length by chance and are found by nothing. A new index: `mmsearch import FOLDER -i new --model clip:...`.
    """
    from mmsearch.cli import present
    from mmsearch.cli.progress import counter
    from mmsearch.engine import open_index
    from mmsearch.exchange.batch import Columns
    from mmsearch.exchange.source import open_source

    kept = tuple(columns.replace(" ", "").split(",")) if columns is not None else None
    meant = Columns(id_column, vector, kept, modality)
    open_source(source, meant)  # before an index is made for it
    folder = place(index) if index is not None else locate(None)
    is_new = not folder.exists()
    try:
        with open_index(folder, model, device=device) as opened, counter() as progress:
            found = opened.load(source, meant, progress=progress)
    finally:
        if is_new and is_index(folder):
            with open_index(folder, create=False) as opened:
                empty = not len(opened)
            if empty:
                shutil.rmtree(folder)
    if as_json:
        values = {
            "index": str(folder), "added": found.added, "replaced": found.replaced, "segments": found.segments,
            "rejected": found.rejected, "seconds": round(found.seconds, 3),
            "failed": [{"id": failure.id, "reason": failure.reason} for failure in found.failed],
        }  # fmt: skip
        present.print_json(values)
    else:
        print(f"{folder}: {found.added} added, {found.replaced} replaced, {found.rejected} rows rejected")
        for failure in found.failed[:SHOWN]:
            print(f"  {failure.id or '(no id)'}: {failure.reason}", file=sys.stderr)
        if found.rejected > SHOWN:
            print(f"  … and {found.rejected - SHOWN} more", file=sys.stderr)
    if not found.segments and not found.rejected:
        raise MediaError(f"there are no vectors in {source}")
    if not found.segments or (strict and found.rejected):
        raise typer.Exit(1)
