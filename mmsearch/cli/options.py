"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

IndexOption = Annotated[
    str | None,
    typer.Option("--index", "-i", metavar="NAME|PATH", help="A name below indexes/, or a path (it has a / in it)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        metavar="DEVICE",
        help="cpu, cuda, cuda:0,1, each with /float32, /float16, /bfloat16. Default: all GPUs, else the CPU.",
    ),
]
RerankOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[,NAME]",
        help="Rerankers in order: exact, lexical, tags, nnn, qbnorm, maxsim, cross:MODEL, mmr:0.7, collapse, none. "
        "Default: as tuned, else the model's.",
    ),
]
PairsArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PAIRS]",
        help="A dataset, as `eval` reads it: media of the index, with captions or labels. Without it: what the "
        "items of the index say of themselves.",
    ),
]
SplitOption = Annotated[str | None, typer.Option(help="Of the dataset.")]
FieldsOption = Annotated[
    list[str],
    typer.Option(
        "--field", metavar="NAME", help="Without PAIRS: metadata that holds captions; may be given several times."
    ),
]
