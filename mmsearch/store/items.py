"""The items of an index, as its user added them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.types import Item, Modality

if TYPE_CHECKING:
    from mmsearch.store.reading import Reading

_ALL = (
    "SELECT i.id, i.key, f.root_id, f.path, (SELECT group_concat(DISTINCT modality) FROM segments s "
    "WHERE s.item_id = i.id) FROM items i LEFT JOIN files f ON f.id = i.file_id ORDER BY i.id"
)


def items(seen: Reading) -> list[Item]:
    """All of them, in the order in which they were added.

    Raises:
        IndexDamaged: SQLite cannot read the catalog.
    """
    found = seen.query(_ALL)
    roots = {id_: Path(os.fsdecode(root)) for id_, root in seen.roots().items()}
    kinds = {
        listed: frozenset(map(Modality, listed.split(",") if listed else ()))  # one that is damaged has no segments
        for listed in {row[-1] for row in found}
    }
    return [
        Item(key, None if path is None else roots[root_id] / os.fsdecode(path), kinds[modalities], number)
        for number, key, root_id, path, modalities in found
    ]
