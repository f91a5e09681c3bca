"""Options that several commands have."""

from __future__ import annotations

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
