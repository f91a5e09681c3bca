"""How much an index holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from mmsearch.store import structures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from mmsearch.store.store import Store
    from mmsearch.store.structures import Standing


@dataclass(frozen=True, slots=True)
class Counts:
    """Items and segments, all and by modality; files that could not be read; bytes on disk; approximate structures."""

    items: int
    segments: int
    failed: int
    bytes: int
    items_by_modality: Mapping[str, int]
    segments_by_modality: Mapping[str, int]
    structures: tuple[Standing, ...] = ()


class Extent(NamedTuple):
    """How many vectors a shard has; `dead` of them cannot be found."""

    space: str
    version: str
    modality: str
    shard_id: int
    rows: int
    dead: int


def extents(sql: Callable[[str], Iterable[Any]]) -> tuple[Extent, ...]:
    """All shards of vectors that a transaction sees."""
    select = "SELECT name, version, modality, id, rows, dead FROM shards WHERE kind = 'vectors' AND rows <> 0"
    return tuple(map(Extent._make, sql(select)))


def count(store: Store) -> Counts:
    """Count what the index holds now."""
    segments = dict(store.query("SELECT modality, count(*) FROM segments GROUP BY modality ORDER BY modality"))
    items = dict(
        store.query("SELECT modality, count(DISTINCT item_id) FROM segments GROUP BY modality ORDER BY modality")
    )
    return Counts(
        items=store.query("SELECT count(*) FROM items")[0][0],
        segments=sum(segments.values()),
        failed=store.query("SELECT count(*) FROM files WHERE error IS NOT NULL")[0][0],
        bytes=sum(map(_size, store.folder.rglob("*"))),
        items_by_modality=items,
        segments_by_modality=segments,
        structures=structures.read(store.query, store.folder),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # SQLite's log comes and goes
        return 0
