"""The commands. Each one parses, calls the engine and hands the result to a presenter."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from mmsearch.cli.bridge import bridge
from mmsearch.cli.classify import classify
from mmsearch.cli.evaluate import evaluate
from mmsearch.cli.exchange import exchange
from mmsearch.cli.fit import fit
from mmsearch.cli.locate import is_index, locate, place
from mmsearch.cli.models import models
from mmsearch.cli.options import DeviceOption, IndexOption, JsonOption
from mmsearch.cli.search import search
from mmsearch.cli.storage import compact
from mmsearch.cli.structures import audit, optimize
from mmsearch.cli.tune import tune
from mmsearch.errors import QueryError, StoreError
from mmsearch.media import TIMEOUT_SECONDS

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Search pictures, sounds and text with pictures, sounds and text.",
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Search pictures, sounds and text with pictures, sounds and text."""
    if version:
        from importlib.metadata import version as of

        print(f"mmsearch {of('mmsearch')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("index")
def index_(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders and files.")],
    index: IndexOption = None,
    model: Annotated[str | None, typer.Option(help="For a new index; see `mmsearch models`. Default: lite.")] = None,
    device: DeviceOption = None,
    exclude: Annotated[list[str], typer.Option(metavar="GLOB", help="Leave out; may be given several times.")] = [],  # noqa: B006
    prune: Annotated[bool, typer.Option(help="Remove files of a folder that is now empty or not mounted.")] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="Give up a file whose decoder delivers nothing for so long.")
    ] = TIMEOUT_SECONDS,
    strict: Annotated[bool, typer.Option(help="Exit with status 1 if any file failed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Index folders; or bring their index up to date, opening only what has changed."""
    from mmsearch.cli import present
    from mmsearch.cli.progress import bar
    from mmsearch.engine import open_index
    from mmsearch.errors import MediaError

    for path in paths:
        if not path.expanduser().exists():
            raise MediaError(f"there is no file or folder {path}")
    first = Path(os.path.abspath(paths[0].expanduser()))  # noqa: PTH100  (resolves `..`, keeps links as they are named)
    folder = place(index) if index is not None else place(first.name or "root")
    with _kept_if_used(folder), open_index(folder, model, device=device) as opened:
        try:
            with bar() as progress:
                report = opened.add(paths, exclude=exclude, prune=prune, timeout=timeout, progress=progress)
        except KeyboardInterrupt:
            print(f"interrupted with {len(opened)} items in {folder}; the same command goes on", file=sys.stderr)
            raise typer.Exit(130) from None
        counts = opened.counts()
        apart = len(opened.identity()["spaces"]) > 1 and not opened.bridges()
    if as_json:
        present.print_json(present.report_json(report, folder, counts))
    else:
        present.report(report, folder, counts)
    if apart and {"image", "audio"} <= set(counts.items_by_modality):
        print(f"note: `mmsearch bridge fit --index {index or folder}` lets pictures find sounds", file=sys.stderr)
    useful = report.added + report.updated + report.reused + report.unchanged + report.removed
    if not useful and not report.failed:
        if report.warnings:
            raise MediaError("nothing could be indexed")
        raise MediaError(f"no picture, sound or text in {', '.join(map(str, paths))}; `mmsearch index --help`")
    if not useful or (strict and report.failed):
        raise typer.Exit(1)


app.command()(search)
app.command()(classify)
app.command("eval")(evaluate)
app.command()(fit)
app.command()(tune)
app.command()(optimize)
app.command()(audit)
app.command()(compact)
app.add_typer(exchange)
app.add_typer(models, name="models")
app.add_typer(bridge, name="bridge")


@contextmanager
def _kept_if_used(folder: Path) -> Iterator[None]:
    """A new index into which nothing came is not left behind: it would be bound to a model that may not even load."""
    from mmsearch.engine import open_index

    is_new = not folder.exists()
    try:
        yield
    finally:
        if is_new and is_index(folder):
            with open_index(folder, create=False) as opened:
                counts = opened.counts()
            if not counts.items and not counts.failed:
                shutil.rmtree(folder)


@app.command()
def formats() -> None:
    """List the files that can be read: their suffixes, what becomes of them, and what reads them."""
    from mmsearch.media.formats import markdown

    print("\n".join(markdown()))


@app.command()
def info(index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Tell what an index holds."""
    from mmsearch.cli import present
    from mmsearch.engine import open_index

    folder = locate(index)
    with open_index(folder, create=False) as opened:
        found = present.info_json(
            folder, opened.identity(), opened.counts(), opened.bridges(), opened.fits.kept(), opened.chains.kept()
        )
    if as_json:
        present.print_json(found)
    else:
        present.info(found)


@app.command()
def verify(
    index: IndexOption = None,
    repair: Annotated[bool, typer.Option("--repair", help="Salvage what is intact of an index that is not.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Prove that catalog, rows and shards agree; exit with status 1 and name what does not."""
    from mmsearch import engine
    from mmsearch.cli import present

    folder = locate(index)
    repaired: dict[str, Any] = {}
    try:
        if repair:
            found = engine.repair(folder)
            problems, repaired = list(found.left), {"repaired": present.repaired_json(found)}
            if not as_json:
                present.repaired(found)
        else:
            with engine.open_index(folder, create=False) as opened:
                problems = opened.verify()
    except StoreError as error:
        problems = [str(error)]
    if as_json:
        present.print_json({"index": str(folder), "ok": not problems, "problems": problems, **repaired})
    else:
        for problem in problems:
            print(f"{folder}: {problem}", file=sys.stderr)
        if not problems:
            print(f"{folder}: everything agrees")
    if problems:
        raise typer.Exit(1)


@app.command()
def remove(
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files and folders.")] = None,
    ids: Annotated[list[str], typer.Option("--id", help="Items by id; may be given several times.")] = [],  # noqa: B006
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove files, folders or items from an index. The files themselves stay."""
    from mmsearch.cli import present
    from mmsearch.engine import open_index

    if not paths and not ids:
        raise QueryError("name a file, a folder or an --id to remove")
    with open_index(locate(index), create=False) as opened:
        removed = opened.remove(paths=paths or [], ids=ids)
    if as_json:
        present.print_json({"removed": removed})
    else:
        print(f"{removed} {'item' if removed == 1 else 'items'} removed from the index")


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the media, the index and the page go.")] = Path("indexes/demo"),
) -> None:
    """Fetch a small corpus, index it, search it in every direction, measure it; each step explained."""
    from mmsearch.cli.demo import run

    run(folder)
