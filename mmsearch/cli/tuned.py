"""How the tuned chains of an index are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmsearch.store.chains import Tuned
    from mmsearch.tuning.chains import Tuning


def tuned_json(one: Tuned) -> dict[str, Any]:
    """A chain that is kept, as JSON values: its card, the direction and the space that it is for."""
    return {**one.card, "direction": one.direction, "chain": one.chain, "space": one.space, "version": one.version}


def tuned_lines(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each, for people."""
    lines = []
    for one in found:
        gain = one.get("gains", {}).get("mrr")
        gained = f"mrr {100 * gain[0]:+.1f} ({100 * gain[1]:+.1f} to {100 * gain[2]:+.1f})" if gain else ""
        queries = f"{sum(one['queries']):,} questions" if one.get("queries") else ""
        told = "; ".join(str(part) for part in (gained, queries, one.get("data"), one.get("made")) if part)
        way = one["direction"].replace("->", "→")
        lines.append(f"{way} in {one['space']}: {one['chain'] or 'no rerankers'} ({told})")
    return lines


def tuning_json(found: Tuning) -> dict[str, Any]:
    """What was measured, as JSON values."""
    return {
        "data": found.data,
        "seconds": round(found.seconds, 1),
        "directions": [one.to_json() for one in found.findings],
        "too_few": dict(found.left_out),
        "unreached": dict(found.unreached),
        "kept": [one.direction for one in found.kept],
    }
