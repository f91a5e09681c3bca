"""`mmsearch bridge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmsearch.cli.locate import locate
from mmsearch.cli.options import DeviceOption, IndexOption, JsonOption
from mmsearch.errors import QueryError

bridge = typer.Typer(
    help="Join the spaces of a model such as clip+clap, so that pictures find sounds.", no_args_is_help=True
)


@bridge.command("fit")
def fit(
    index: IndexOption = None,
    model: Annotated[
        str | None, typer.Option(help="Fit for this model, without an index. With --index, where its model is now.")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your own texts, one a line, beside the built-in captions.")
    ] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn from texts, which both spaces understand, how to carry a question from one into the other."""
    from mmsearch.cli import present
    from mmsearch.cli.progress import counter
    from mmsearch.encoders import registry
    from mmsearch.encoders.bridge import shelf
    from mmsearch.engine import open_index

    own = lines(texts) if texts is not None else []
    with counter() as progress:
        if model is not None and index is None:
            found = shelf.fit(registry.load(model, device), own, progress=progress)
        else:
            with open_index(locate(index), model, create=False, device=device) as opened:
                found = opened.fit_bridge(own, progress=progress)
    if as_json:
        present.print_json(present.bridge_json(found))
    else:
        present.bridge(found)


def lines(path: Path) -> list[str]:
    """The lines of a file of texts, without empty ones."""
    try:
        found = path.expanduser().read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise QueryError(f"cannot read the texts {path}: {error}") from error
    return [line.strip() for line in found.splitlines() if line.strip()]
