"""How `mmsearch info` shows approximate structures."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mmsearch.store.structures import Standing


def standing_json(found: Standing) -> dict[str, Any]:
    """A structure as JSON values: what it is, what it covers, and how each direction asks it.

    `recall` of a direction is recall@10 against exact search, as it was measured last; `effort` 0 is exact search.
    """
    return {
        "space": found.name,
        "modality": found.modality,
        "kind": found.recipe.split(":")[0],
        "rows": found.rows,
        "covered": sum(cover.there for cover in found.covers),
        "bytes": found.bytes,
        "seconds": found.seconds,
        "asked_by": {asked: asdict(setting) for asked, setting in found.settings.items()},
    }


def standing_lines(found: Mapping[str, Any]) -> list[str]:
    """The same for people: a line for the structure, and one for each direction."""
    what = f"  structure {found['kind']} for {found['modality']} in {found['space']}"
    return [f"{what}: {found['covered']:,} rows, {found['bytes']:,} bytes", *map(_direction, _asked(found))]


def _asked(found: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(f"{asked}→{found['modality']}", one) for asked, one in found["asked_by"].items()]


def _direction(row: tuple[str, Mapping[str, Any]]) -> str:
    name, one = row
    if one["effort"] == 0:
        return f"    {name}: searched exactly: nothing faster keeps a recall of {one['wanted']:.2f}"
    recall = f"recall@10 {one['recall']:.3f} ({one['low']:.3f}–{one['high']:.3f}), {one['wanted']:.2f} wanted"
    times = f"{one['seconds'] * 1e3:.2f} ms, exact {one['exact_seconds'] * 1e3:.2f} ms"
    return f"    {name}: {recall}; {times}; measured with {one['queries']:,} questions"
