"""`mmsearch search`: ask an index."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch.cli.locate import locate
from mmsearch.cli.options import DeviceOption, IndexOption, RerankOption
from mmsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Set

    from mmsearch.types import Hits

# Options for one question, for many, and for what is found all over an index.
ONE = (
    "QUESTION", "--image", "--audio", "--plus", "--minus", "--like", "--unlike", "--within", "--gallery", "--paths",
    "--ids",
)  # fmt: skip
MANY = ("--out", "--trec", "--strict")
HITS = ("--where", "--rerank", "--lexical", "--explain", "--paths", "--ids", "--gallery")

ModelPlaceOption = Annotated[
    str | None, typer.Option("--model", help="Where the index's model is now, if its local weights were moved.")
]


def search(
    question: Annotated[
        str | None,
        typer.Argument(
            metavar="[QUESTION]",
            help='A text, or a sum: "a dog + 0.5*./beach.jpg - leash"; to take away only: --minus leash.',
        ),
    ] = None,
    image: Annotated[Path | None, typer.Option(help="Ask with a picture.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Ask with a sound.")] = None,
    plus: Annotated[
        list[str],
        typer.Option(
            metavar="[WEIGHT:]PART",
            help="Add a text or a file: 0.5:beach.jpg. Words with such a beginning: 'text:3:1 win'.",
        ),
    ] = [],  # noqa: B006
    minus: Annotated[
        list[str],
        typer.Option(metavar="[WEIGHT:]PART", help="What hits should not be like; asks alone too: --minus leash."),
    ] = [],  # noqa: B006
    like: Annotated[
        list[str], typer.Option(metavar="ID|FILE", help="More like this item of the index; several times for several.")
    ] = [],  # noqa: B006
    unlike: Annotated[list[str], typer.Option(metavar="ID|FILE", help="Less like this one.")] = [],  # noqa: B006
    within: Annotated[
        str | None, typer.Option(metavar="ID|FILE", help="List the moments of this one recording or text of the index.")
    ] = None,
    index: IndexOption = None,
    target: Annotated[
        str | None, typer.Option(metavar="MODALITY[,..]", help="image, text, audio. Default: all.")
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", help="How many hits.")] = 10,
    where: Annotated[str | None, typer.Option(help="A filter: \"modality = 'image' and width > 800\".")] = None,
    rerank: RerankOption = None,
    lexical: Annotated[
        str | None,
        typer.Option(
            metavar="off|on|only", help='What words found to the letter count; "a phrase", prefix*. Default: on.'
        ),
    ] = None,
    template: Annotated[
        list[str], typer.Option(metavar="TEXT", help='Ask with the text put into "a photo of {}"; several: their mean.')
    ] = [],  # noqa: B006
    model: ModelPlaceOption = None,
    device: DeviceOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --file answers are that anyway.")] = False,
    paths: Annotated[bool, typer.Option("--paths", help="Print only the paths, one a line.")] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Print only the ids, one a line.")] = False,
    gallery: Annotated[Path | None, typer.Option(metavar="OUT.html", help="Also write a page to look at.")] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(metavar="0..1", help="Leave out less confident hits; 0 shows all, however badly they match."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Tell how each hit got its rank.")] = False,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE|-", help="Ask each line, a text or in .jsonl an object; JSON lines.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="With --file: write the answers there.")] = None,
    trec: Annotated[str | None, typer.Option(metavar="TAG", help="With --file: write a TREC run of that name.")] = None,
    strict: Annotated[bool, typer.Option(help="With --file: exit with status 1 if any line failed.")] = False,
) -> None:
    """Ask in text, with a picture or with a sound, for any of the three."""
    from mmsearch.cli import present
    from mmsearch.cli.asked import as_sum, asked
    from mmsearch.cli.within import moments, moments_json
    from mmsearch.engine import open_index
    from mmsearch.search.expression import parse

    wanted = target.replace(" ", "").split(",") if target is not None else None
    given = {
        "QUESTION": question, "--image": image, "--audio": audio, "--plus": plus or None, "--minus": minus or None,
        "--like": like or None, "--unlike": unlike or None, "--within": within, "--gallery": gallery,
        "--paths": paths or None, "--ids": ids or None, "--where": where, "--rerank": rerank, "--lexical": lexical,
        "--min-confidence": min_confidence, "--explain": explain or None, "--out": out, "--trec": trec,
        "--strict": strict or None, "--json": as_json or None,
    }  # fmt: skip
    _check({name for name, value in given.items() if value is not None}, of_file=file is not None)
    with open_index(locate(index), model, create=False, device=device) as opened:
        if file is not None:
            from mmsearch.cli.batch import batch

            least = 0.0 if trec and min_confidence is None else min_confidence  # a run is to be judged, not trusted
            many = partial(
                opened.search_many, target=wanted, k=k, where=where, rerank=rerank, lexical=lexical, explain=explain,
                min_confidence=least,
            )  # fmt: skip
            batch(file, many, out=out, trec=trec, templates=template, strict=strict, least=least)
            return
        parsed = None if question is None else parse(question)
        query = asked(
            parsed, image=image, audio=audio, templates=template,
            plus=plus, minus=minus, like=like, unlike=unlike,
        )  # fmt: skip
        if question is not None and parsed is not None and not as_json:
            for note in as_sum(question, parsed):
                print(note, file=sys.stderr)
        if within is not None:
            found = opened.within(within, query, modality=target, k=k, min_confidence=min_confidence)
            present.print_json(moments_json(found)) if as_json else moments(found, min_confidence)
            return
        hits = opened.search(
            query, target=wanted, k=k, where=where, rerank=rerank, lexical=lexical, explain=explain,
            min_confidence=min_confidence,
        )  # fmt: skip
    for note in present.notes(hits, min_confidence):
        print(note, file=sys.stderr)
    if gallery is not None:
        present.gallery(gallery, [(question or "Like this", hits)], "mmsearch")
    _show(hits, as_json=as_json, paths=paths, ids=ids, explain=explain)


def _check(given: Set[str], *, of_file: bool) -> None:
    """Whether these options go together."""
    if of_file and (wrong := [name for name in ONE if name in given]):
        raise QueryError(f"--file has all the questions: leave out {', '.join(wrong)}, for a single one")
    if not of_file and (wrong := [name for name in MANY if name in given]):
        raise QueryError(f"{', '.join(wrong)}: only with --file, a file of questions")
    if {"--trec", "--json"} <= given:
        raise QueryError("--trec writes a run, which is no JSON: leave out --json")
    shown = [name for name in ("--paths", "--ids", "--json", "--explain") if name in given]
    if len(shown) > 1 and shown[0] in ("--paths", "--ids"):
        raise QueryError(f"{' and '.join(shown)} do not go together: give one of them")
    if "--within" in given and (wrong := [name for name in HITS if name in given]):
        raise QueryError(f"--within lists the moments of one item: leave out {', '.join(wrong)}, for hits")


def _show(hits: Hits, *, as_json: bool, paths: bool, ids: bool, explain: bool) -> None:
    from mmsearch.cli import present

    if as_json:
        present.print_json(present.hits_json(hits))
    elif paths:
        for hit in hits:
            if (path := present.printable(hit.path)) is not None:
                print(present.one_line(path))
    elif ids:
        for hit in hits:
            print(present.one_line(hit.id))
    elif explain:
        from mmsearch.cli.explain import explained

        explained(hits)
    else:
        present.hits(hits)
