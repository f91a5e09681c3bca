"""`mmsearch classify`: which of some labels pictures, sounds and texts go with."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import mmsearch
from mmsearch.cli.locate import locate
from mmsearch.cli.options import DeviceOption, IndexOption
from mmsearch.errors import QueryError
from mmsearch.types import Failure

if TYPE_CHECKING:
    from mmsearch.classification.result import Classified, Tagged

DIGITS = 6  # of a probability in JSON


def classify(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Files and folders.")] = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="A,B,..|FILE", help="At least two; a file has one a line: rain, or rain: rainfall | drops."
        ),
    ] = "",
    template: Annotated[
        list[str], typer.Option(metavar="TEXT", help='Say labels as in "a photo of a {}"; several: their mean.')
    ] = [],  # noqa: B006
    top: Annotated[int | None, typer.Option(min=1, help="How many labels to tell of each file. Default: 1.")] = None,
    index: IndexOption = None,
    field: Annotated[
        str | None, typer.Option(help="With --index: the metadata field that gets the label. Default: label.")
    ] = None,
    untag: Annotated[
        bool, typer.Option("--untag", help="With --index: take the labels of that --field off again.")
    ] = False,
    min_probability: Annotated[
        float | None, typer.Option(min=0, max=1, help="With --index: give no label that is less probable.")
    ] = None,
    where: Annotated[str | None, typer.Option(help="With --index: only what this filter leaves.")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="MODALITY[,..]", help="With --index: image, audio, text. Default: all.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="See `mmsearch models`. Default: lite. With --index, where its model is now.")
    ] = None,
    device: DeviceOption = None,
    exclude: Annotated[list[str], typer.Option(metavar="GLOB", help="Leave out of folders.")] = [],  # noqa: B006
    strict: Annotated[bool, typer.Option(help="Exit with status 1 if any file failed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: of files, a line for each.")] = False,
) -> None:
    """Tell which label each file most probably goes with; or label all of an index, to filter by."""
    from mmsearch.classification.tag import FIELD
    from mmsearch.cli import present
    from mmsearch.encoders import registry

    of_index = {"--field": field, "--min-probability": min_probability, "--where": where, "--target": target}
    of_files = {"--top": top, "--exclude": exclude or None, "--strict": strict or None}
    if untag:
        of_labels = {
            "FILE": files or None, "--labels": labels or None, "--template": template or None, "--model": model,
            "--device": device,
        }  # fmt: skip
        idle = _given({**of_labels, "--min-probability": min_probability, "--target": target, **of_files})
        _untag(index, FIELD if field is None else field, where, idle, as_json)
        return
    if not labels.strip():
        raise QueryError("name the labels: --labels cat,dog,rain, or --labels FILE with one in each line")
    if bool(files) == (index is not None):
        raise QueryError("name files to classify, or an --index to label: one of the two")
    if idle := _given(of_index if index is None else of_files):
        wanted = "an --index to label" if index is None else "files to classify"
        raise QueryError(f"{' and '.join(idle)} can only be given with {wanted}")
    if index is None:
        named = model or registry.DEFAULT
        found = mmsearch.classify(files or [], labels, named, templates=template, device=device, exclude=exclude)
        good, bad = _told(found, top or 1, as_json=as_json)
        if not good or (strict and bad):
            raise typer.Exit(1)
        return
    modalities = target.replace(" ", "").split(",") if target is not None else None
    with mmsearch.open(locate(index), model, create=False, device=device) as opened:
        tagged = opened.tag(
            labels,
            field=FIELD if field is None else field,
            min_probability=min_probability or 0.0,
            templates=template,
            target=modalities,
            where=where,
        )
    if as_json:
        present.print_json(_tagged_json(tagged))
    else:
        _show(tagged)


def _given(options: Mapping[str, object]) -> list[str]:
    """The options that have a value."""
    return [option for option, value in options.items() if value is not None]


def _untag(index: str | None, field: str, where: str | None, idle: Sequence[str], as_json: bool) -> None:
    from mmsearch.cli import present

    if index is None:
        raise QueryError("--untag takes labels off an --index: name it")
    if idle:
        raise QueryError(f"--untag takes labels off, as --field and --where say: leave out {', '.join(idle)}")
    with mmsearch.open(locate(index), create=False) as opened:
        count = opened.untag(field, where=where)
    if as_json:
        present.print_json({"field": field, "untagged": count})
    else:
        print(f"{field!r} and its probability are taken off {count:,} {'item' if count == 1 else 'items'}")


def _told(found: Iterable[Classified | Failure], top: int, *, as_json: bool) -> tuple[int, int]:
    """Print a line for each as it comes; how many were classified, and how many could not be."""
    from mmsearch.cli.json_lines import write_line
    from mmsearch.cli.present import one_line, printable

    good = bad = 0
    for one in _counted(found):
        if isinstance(one, Failure):
            bad += 1
            if as_json:
                write_line({"path": printable(one.path), "id": one.id, "error": one.reason})
            print(f"{one_line(printable(one.path) or str(one.id))}: {one.reason}", file=sys.stderr)
            continue
        good += 1
        if as_json:
            write_line(_json(one, top))
        else:
            guesses = ", ".join(f"{guess.label} {100 * guess.probability:.1f} %" for guess in one.guesses[:top])
            named = " ".join(part for part in (printable(one.path), one.id) if part)
            print(f"{one_line(named)}: {guesses}", flush=True)
    if not good and not bad:
        print("no picture, sound or text to classify", file=sys.stderr)
    return good, bad


def _counted(found: Iterable[Classified | Failure]) -> Iterator[Classified | Failure]:
    """The same; how many there were is told meanwhile, where results do not go to a terminal, which shows it."""
    from mmsearch.cli.progress import counter

    if sys.stdout.isatty():
        yield from found
        return
    with counter() as told:
        for done, one in enumerate(found, 1):
            told("classifying", done, None)
            yield one


def _json(one: Classified, top: int) -> dict[str, Any]:
    from mmsearch.cli.present import printable

    return {
        "path": printable(one.path),
        "id": one.id,
        "modality": str(one.modality),
        "label": one.label,
        "probability": round(one.probability, DIGITS),
        "labels": {guess.label: round(guess.probability, DIGITS) for guess in one.guesses[:top]},
    }


def _tagged_json(tagged: Tagged) -> dict[str, Any]:
    return {
        "field": tagged.field,
        "items": tagged.items,
        "labels": dict(tagged.counts),
        "unsure": tagged.unsure,
        "kept": tagged.kept,
    }


def _show(tagged: Tagged) -> None:
    """How many items got each label, the most frequent first."""
    width = max(len(name) for name in tagged.counts)
    for name, times in sorted(tagged.counts.items(), key=lambda pair: -pair[1]):
        print(f"  {name:<{width}}  {times:>9,}")
    if tagged.unsure:
        print(f"{tagged.unsure:,} items got no label: none was probable enough")
    if tagged.kept:
        print(
            f"note: {tagged.kept:,} items have a field {tagged.field!r} of your own, which stays as it is; "
            "--field names another",
            file=sys.stderr,
        )
    hint = f"; filter with --where {_filter(tagged)}" if any(tagged.counts.values()) else ""
    print(f"{tagged.items:,} items classified{hint}")


def _filter(tagged: Tagged) -> str:
    """What finds items of the most frequent label, as it is typed in a shell."""
    label = max(tagged.counts, key=lambda name: tagged.counts[name]).replace("'", "''")
    filter_ = f"{tagged.field} = '{label}' and {tagged.field}_probability > 0.5"
    return '"' + re.sub(r'(["$`\\])', r"\\\1", filter_) + '"'
