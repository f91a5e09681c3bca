"""How results are printed: tables for people, JSON for programs."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmsearch.cli.fits import kept_json, kept_lines
from mmsearch.cli.standing import standing_json, standing_lines
from mmsearch.cli.tuned import tuned_json, tuned_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mmsearch.encoders.bridge import Bridge
    from mmsearch.encoders.family import Card
    from mmsearch.store.chains import Tuned
    from mmsearch.store.fits import Kept
    from mmsearch.store.repair import Repaired
    from mmsearch.store.statistics import Counts
    from mmsearch.types import Hit, Hits, Modality, Report

EXCERPT = 160
UNKNOWN = "the confidence of such answers is not known: `--min-confidence` left none of them out"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
STAGES = ("scan", "decode", "encode", "commit", "total")


def print_json(value: Any) -> None:  # noqa: ANN401  (JSON values)
    """JSON on standard output."""
    try:
        json.dump(value, sys.stdout, ensure_ascii=False, indent=1)
    except UnicodeEncodeError:  # a file name that is no valid text, or a terminal that is not UTF-8
        json.dump(value, sys.stdout, indent=1)
    print()


def printable(path: Path | None) -> str | None:
    """A path as valid text; bytes that are none are shown as escapes."""
    return None if path is None else str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def one_line(name: str) -> str:
    """A path or an id, in which what would break the line or command a terminal is shown as escapes."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), name)


def named(hit: Hit) -> str:
    """What its item can be asked by: the path; with the id where that is not typed, or may stand for several items."""
    path, key = printable(hit.path), f"id {one_line(hit.id)}"
    if path is None:
        return key
    from mmsearch.media.formats import is_collection

    shown = one_line(path)
    return f"{shown}  {key}" if is_collection(path) or shown != str(hit.path) else shown


def excerpt(text: str | None) -> str | None:
    """A passage in one line, shortened."""
    if text is None:
        return None
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 1].rstrip() + "…"


def notes(found: Hits, least: float | None = None) -> list[str]:
    """What the asker should know beside the hits, of which those under a confidence were left out if one is given."""
    said = list(found.query.get("slow", ()))
    if unreached := found.query.get("unreached"):
        said.insert(0, f"{' and '.join(unreached)} cannot be reached yet: `mmsearch bridge fit` joins the spaces")
    if found and found.query.get("uncalibrated"):
        said.append(UNKNOWN)
    if (best := found.query.get("unmatched")) is not None:
        said.append(unmatched("nothing", best, least))
    return [f"note: {one}" for one in said]


def unmatched(nothing: str, best: float, least: float | None) -> str:
    """That nothing has the confidence that was asked for, or that it takes by itself; `nothing` may tell where."""
    shown = _under(best, least or 1.0)
    lacks = (
        f"matches well (confidence {shown} at most)"
        if least is None
        else f"reaches a confidence of {least:g} (the best has {shown})"
    )
    return f"{nothing} {lacks}; `--min-confidence 0` shows what is nearest"


def _under(confidence: float, least: float) -> str:
    """A confidence in the fewest digits, from two on, in which it is under the one that it did not reach."""
    shown = (f"{confidence:.{digits}f}" for digits in (2, 3, 4))
    return next((one for one in shown if float(one) < least), "just less")


def hits_json(found: Hits) -> dict[str, Any]:
    """Hits as JSON values."""
    return {"query": dict(found.query), "hits": [_hit_json(hit) for hit in found]}


def _hit_json(hit: Hit) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "id": hit.id,
        "path": printable(hit.path),
        "modality": str(hit.modality),
        "score": round(hit.score, 6),
        "confidence": None if hit.confidence is None else round(hit.confidence, 6),
        "start": hit.start,
        "end": hit.end,
        "span": hit.span,
        "page": hit.page,
        "time": hit.time,
        "excerpt": excerpt(hit.excerpt),
        "cosine": round(hit.cosine, 6),
        "properties": dict(hit.properties),
        "metadata": dict(hit.metadata),
        "why": list(hit.why),
        "same": list(hit.same),
        **({"stages": _stages_json(hit)} if hit.stages else {}),
    }


def _stages_json(hit: Hit) -> list[dict[str, Any]]:
    """The stages of a hit that saw it as JSON values, each with the rank and the score before it."""
    seen = [(stage, stage.score) for stage in hit.stages if stage.score is not None]
    before = [None, *seen]
    return [
        {
            "step": stage.step,
            "rank before": None if was is None else was[0].rank,
            "rank": stage.rank,
            "score before": None if was is None else round(was[1], 6),
            "score": round(score, 6),
            "used": dict(stage.used),
        }
        for was, (stage, score) in zip(before, seen, strict=False)
    ]


def hits(found: Hits) -> None:
    """A table of hits."""
    console = Console()
    if not found:
        console.print("nothing found")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("#", justify="right")
    known = any(hit.confidence is not None for hit in found)
    for name in ("confidence", "score") if known else ("score",):
        table.add_column(name, justify="right")
    table.add_column("kind")
    table.add_column("what", overflow="fold")
    for hit in found:
        sure = [_share(hit.confidence)] if known else []
        table.add_row(str(hit.rank), *sure, f"{hit.score:.3f}", str(hit.modality), escape(_what(hit)))
    console.print(table)


def _share(confidence: float | None) -> str:
    """A confidence in two digits, of which a high one is not rounded up to certainty."""
    return "" if confidence is None else f"{min(confidence, 0.999):.{2 if confidence < 0.99 else 3}f}"


def _what(hit: Hit) -> str:
    same = f"(and {len(hit.same)} nearly the same)" if hit.same else ""
    name = "  ".join(part for part in (named(hit), hit.place, same) if part)
    text = excerpt(hit.excerpt)
    return f"{name}\n{text}" if text else name


def gallery(path: Path, sections: Sequence[tuple[str, Hits]], title: str) -> None:
    """Write a page to look at.

    Raises:
        QueryError: it cannot be written there.
    """
    from mmsearch.errors import QueryError
    from mmsearch.search.gallery import gallery as page

    try:
        path.write_text(page(sections, title), encoding="utf-8")
    except OSError as error:
        raise QueryError(f"cannot write the gallery {path}: {error.strerror}") from error


def repaired_json(found: Repaired) -> dict[str, Any]:
    """What a repair did, as JSON values."""
    again = [printable(path) for path in found.again]
    return {"done": list(found.done), "kept": found.kept, "lost": list(found.lost), "again": again}


def repaired(found: Repaired) -> None:
    """What a repair did: sentences, what is lost, and how to get it back."""
    console = Console(soft_wrap=True)
    for sentence in found.done or ("nothing had to be repaired",):
        console.print(escape(sentence), highlight=False)
    for name in found.lost:
        console.print(f"[red]lost[/] {escape(name)}", highlight=False)
    if found.again:
        console.print(f"{len(found.again)} files will be read again by the next `mmsearch index`", highlight=False)
    console.print(f"{found.kept} items are kept")


def report_json(report: Report, folder: Path, counts: Counts) -> dict[str, Any]:
    """An indexing report as JSON values."""
    return {
        "index": str(folder),
        **asdict(report),
        "failed": [
            {"path": printable(failure.path), "id": failure.id, "reason": failure.reason} for failure in report.failed
        ],
        "items": counts.items,
    }


def report(found: Report, folder: Path, counts: Counts) -> None:
    """What an indexing run did: every failed file on standard error, counts and seconds on standard output."""
    errors = Console(stderr=True, soft_wrap=True)
    for failure in found.failed:
        name = printable(failure.path) or failure.id or "a record"
        errors.print(f"[red]failed[/] {escape(name)}: {escape(failure.reason)}", highlight=False)
    for warning in found.warnings:
        errors.print(f"[yellow]note[/] {escape(warning)}", highlight=False)
    done = {
        "added": found.added, "changed": found.updated, "reused": found.reused, "unchanged": found.unchanged,
        "removed": found.removed, "failed": len(found.failed),
    }  # fmt: skip
    console = Console(soft_wrap=True)
    console.print(", ".join(f"{count} {what}" for what, count in done.items() if count) or "nothing to do")
    seconds = [f"{stage} {found.seconds.get(stage, 0.0):.1f} s" for stage in STAGES]
    console.print(f"{', '.join(seconds)} (stages overlap)", highlight=False)
    held = ", ".join(f"{count} {modality}" for modality, count in counts.items_by_modality.items())
    console.print(f"{folder}: {counts.items} items{f' ({held})' if held else ''}", highlight=False)


def info_json(
    folder: Path,
    identity: Mapping[str, Any],
    counts: Counts,
    bridges: Sequence[Bridge],
    fits: Sequence[Kept],
    chains: Sequence[Tuned] = (),
) -> dict[str, Any]:
    """What an index holds, as JSON values."""
    return {
        "index": str(folder),
        "model": identity["name"],
        "items": counts.items,
        "segments": counts.segments,
        "failed": counts.failed,
        "bytes": counts.bytes,
        "modalities": {
            modality: {"items": counts.items_by_modality.get(modality, 0), "segments": segments}
            for modality, segments in counts.segments_by_modality.items()
        },
        "encoders": identity["encoders"],
        "spaces": identity["spaces"],
        "weights": identity["weights"],
        "bridges": [bridge_json(bridge) for bridge in bridges],
        "structures": [standing_json(standing) for standing in counts.structures],
        "fits": [kept_json(fit) for fit in fits],
        "tuned": [tuned_json(chain) for chain in chains],
    }


def info(found: Mapping[str, Any]) -> None:
    """What an index holds, for people."""
    console = Console(soft_wrap=True)
    console.print(f"{found['index']}: {found['items']} items, {found['segments']} segments, {found['bytes']:,} bytes")
    for modality, counts in found["modalities"].items():
        console.print(f"  {modality}: {counts['items']} items, {counts['segments']} segments")
    if found["failed"]:
        console.print(f"  {found['failed']} files could not be read; `mmsearch index` tells why")
    console.print(f"  model {found['model']}", highlight=False)
    for bridge in found["bridges"]:
        for line in bridge_lines(bridge):
            console.print(line, highlight=False)
    for standing in found["structures"]:
        for line in standing_lines(standing):
            console.print(line, highlight=False)
    for line in kept_lines(found["fits"]):
        console.print(f"  fit {line}", highlight=False)
    for line in tuned_lines(found["tuned"]):
        console.print(f"  tuned {line}", highlight=False)


def bridge_json(found: Bridge) -> dict[str, Any]:
    """A bridge as JSON values: for each way, how many of the texts held out found themselves first."""
    ways = dict(zip(_ways(found), (found.forward.quality, found.backward.quality), strict=True))
    return {
        "spaces": [name for name, _, _ in found.spaces],
        "texts": found.texts,
        "bank": found.bank,
        "ways": {
            way: {
                "method": quality.method,
                "strength": quality.strength,
                "held_out": quality.held_out,
                "hit@1": quality.hit1,
                "interval": quality.interval,
                "chance": quality.chance,
            }
            for way, quality in ways.items()
        },
    }


def bridge(found: Bridge) -> None:
    """What was fitted, and how well texts cross it."""
    console = Console(soft_wrap=True)
    console.print(f"joined by {found.texts:,} texts ({found.bank})", highlight=False)
    for line in bridge_lines(bridge_json(found)):
        console.print(line, highlight=False)


def bridge_lines(found: Mapping[str, Any]) -> list[str]:
    """How well texts cross a bridge, a line for each way."""
    return [
        f"  bridge {way}: {_percent(about['hit@1'])} % of {about['held_out']:,} texts find themselves first "
        f"({_percent(about['interval'][0])}–{_percent(about['interval'][1])}; by chance {about['chance']:.2%})"
        for way, about in found["ways"].items()
    ]


def _ways(found: Bridge) -> tuple[str, str]:
    first, second = (name for name, _, _ in found.spaces)
    return f"{first}→{second}", f"{second}→{first}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def card_json(name: str, card: Card, installed: bool) -> dict[str, Any]:
    """A model's card as JSON values."""
    return {"name": name, **asdict(card), "installed": installed}


def card(name: str, found: Card, installed: bool, rates: Mapping[Modality, float]) -> None:
    """What is known of one model."""
    console = Console(soft_wrap=True)
    console.print(f"{escape(name)}: {escape(found.summary)}", highlight=False)
    lines = {
        "modalities": ", ".join(found.modalities),
        "dimension": _or_unknown(found.dim),
        "parameters": f"{found.parameters:.1f} million" if found.parameters is not None else _or_unknown(None),
        "to fetch": f"{_or_unknown(found.download)} MB",
        "in the cache": f"{_or_unknown(found.disk)} MB",
        "licences": "; ".join(f"{what}: {licence}" for what, licence in found.licences.items()) or _or_unknown(None),
        "weights": "here" if installed else f'not fetched; `mmsearch models pull "{name}"` fetches them',
        "speed here": ", ".join(f"{rate:.1f} {_PLURALS[kind]} a second" for kind, rate in rates.items())
        or "measured once the weights are here",
    }
    for what, value in lines.items():
        console.print(f"  {what:<14}{escape(value)}", highlight=False)


_PLURALS = {"image": "pictures", "text": "captions", "audio": "windows of sound"}


def _or_unknown(value: int | None) -> str:
    return "not known here" if value is None else str(value)


def cards(found: Sequence[tuple[str, Card, bool]]) -> None:
    """A table of models."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("model", "for", "modalities", "dim", "MB to fetch", "weights"):
        table.add_column(name, justify="right" if name in ("dim", "MB to fetch") else "left")
    for name, card, installed in found:
        here = "here" if installed else "not fetched"
        numbers = ("?" if number is None else str(number) for number in (card.dim, card.download))
        table.add_row(name, card.summary, ", ".join(card.modalities), *numbers, here)
    console = Console()
    console.print(table)
    console.print(
        "clip and clap take other weights too: clip:ARCHITECTURE/TAG, clip:ARCHITECTURE/FILE, clap:OWNER/NAME"
    )
    licences = {what: licence for _, card, _ in found for what, licence in card.licences.items()}
    console.print("; ".join(f"{what}: {licence}" for what, licence in licences.items()), highlight=False)
