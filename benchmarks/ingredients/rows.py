"""Whose rows they are: the items of a shard, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmsearch.store.shard import Shard
    from mmsearch.store.view import View


def ids(view: View, shard: Shard) -> list[str]:
    """The id of the item that each row belongs to; empty for dead rows."""
    items = view.ids(shard.id, 0, shard.rows)[:, 1].tolist()
    keys = view.keys([item for item in set(items) if item >= 0])
    return [keys.get(item, "") for item in items]
