"""How the fits of an index are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmsearch.store.fits import Kept


def kept_json(one: Kept) -> dict[str, Any]:
    """A fit that is kept, as JSON values: its card, its name, and whether it is in use."""
    return {**one.card, "name": one.name, "space": one.space, "in_use": bool(one.active), "version": one.version}


def kept_lines(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each fit, for people."""
    lines = []
    for one in found:
        gains = one.get("held_out", {}).get("gains", {})
        gained = ", ".join(
            f"{way} hit@10 {100 * figures['hit@10'][0]:+.1f}" for way, figures in gains.items() if "hit@10" in figures
        )
        about = f"{one.get('media', '?'):,} {one.get('medium', 'media')}s" if isinstance(one.get("media"), int) else ""
        parts = [one.get("data"), about, one.get("method"), gained, one.get("made")]
        told = "; ".join(str(part) for part in parts if part)
        lines.append(f"{one['name']}{' (in use)' if one['in_use'] else ''}: {told}")
    return lines
