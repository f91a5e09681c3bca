"""Looking things up in a catalog, in whatever way its rows are got: each query at its time, or all at one moment."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from mmsearch.store.snapshot import Snapshot

_HYDRATE = (
    'SELECT s.id, s.item_id, s.modality, s.start, s."end", s.page, s.time_start, s.time_end, s.excerpt, i.key, '
    "i.width, i.height, i.seconds, i.characters, i.pages, i.taken, i.metadata, f.root_id, f.path, f.size, f.mtime_ns "
    "FROM segments s JOIN items i ON i.id = s.item_id LEFT JOIN files f ON f.id = i.file_id WHERE s.id IN"
)

_PROPERTIES = ("width", "height", "seconds", "characters", "pages", "taken")


class Row(NamedTuple):
    """What the catalog knows of a segment, its item and its file; `path` and `root_id` are None without a file.

    A tuple and no dataclass: ten are made for every search.
    """

    segment_id: int
    item_id: int
    modality: str
    start: float | None
    end: float | None
    page: int | None
    time_start: float | None
    time_end: float | None
    excerpt: str | None
    key: str
    width: int | None
    height: int | None
    seconds: float | None
    characters: int | None
    pages: int | None
    taken: str | None
    metadata: str
    root_id: int | None
    path: bytes | None
    size: int | None
    mtime_ns: int | None

    @property
    def time(self) -> tuple[float, float] | None:
        """The seconds in which a subtitle is shown."""
        return None if self.time_start is None or self.time_end is None else (self.time_start, self.time_end)

    @property
    def properties(self) -> dict[str, Any]:
        """What is known of the item's media."""
        values = (self.width, self.height, self.seconds, self.characters, self.pages, self.taken)
        return {name: value for name, value in zip(_PROPERTIES, values, strict=True) if value is not None}


class Reading(ABC):
    """What can be asked of an index. Queries raise IndexDamaged if SQLite cannot read the catalog."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._roots: dict[int, bytes] = {}

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """The shards."""

    @abstractmethod
    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of one SELECT.

        Raises:
            IndexDamaged: SQLite cannot read the catalog.
        """

    def locate(self, shard_id: int, offsets: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Segment and item ids by offset; rows that are dead are left out."""
        found: dict[int, tuple[int, int]] = {}
        for some in _chunks(offsets):
            found |= {
                offset: (segment_id, item_id)
                for offset, segment_id, item_id in self.query(
                    f'SELECT r."offset", r.segment_id, s.item_id FROM rows r JOIN segments s ON s.id = r.segment_id '
                    f'WHERE r.shard_id = ? AND r."offset" IN ({_marks(some)})',
                    (shard_id, *some),
                )
            }
        return found

    def ids(self, shard_id: int, start: int, end: int) -> NDArray[np.int64]:
        """Segment and item ids of the rows from `start` to `end` of a shard `(end - start, 2)`; -1 for the dead."""
        table = np.full((end - start, 2), -1, np.int64)
        found = self.query(
            'SELECT r."offset", r.segment_id, s.item_id FROM rows r JOIN segments s ON s.id = r.segment_id '
            'WHERE r.shard_id = ? AND r."offset" >= ? AND r."offset" < ?',
            (shard_id, start, end),
        )
        if found:
            array = np.array(found, np.int64)
            table[array[:, 0] - start] = array[:, 1:]
        return table

    def rows_of(self, segment_ids: Sequence[int], shard_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Where segments lie within those shards: (shard, offset) by segment id."""
        found: dict[int, tuple[int, int]] = {}
        for some in _chunks(segment_ids):
            found |= {
                segment_id: (shard_id, offset)
                for segment_id, shard_id, offset in self.query(
                    f'SELECT segment_id, shard_id, "offset" FROM rows WHERE segment_id IN ({_marks(some)}) '
                    f"AND shard_id IN ({_marks(shard_ids)})",
                    (*some, *shard_ids),
                )
            }
        return found

    def segments_of(self, item_ids: Sequence[int], shard_ids: Sequence[int]) -> list[tuple[int, int, int, int]]:
        """(item, segment, shard, offset) of all segments of items that lie within those shards, in order of segment."""
        found: list[tuple[int, int, int, int]] = []
        for some in _chunks(item_ids):
            found += self.query(
                'SELECT s.item_id, s.id, r.shard_id, r."offset" FROM segments s JOIN rows r ON r.segment_id = s.id '
                f"WHERE s.item_id IN ({_marks(some)}) AND r.shard_id IN ({_marks(shard_ids)}) ORDER BY s.id",
                (*some, *shard_ids),
            )
        return found

    def items_of(self, segment_ids: Sequence[int]) -> dict[int, int]:
        """Item ids by segment id; those that are gone are left out."""
        found: dict[int, int] = {}
        for some in _chunks(segment_ids):
            found |= dict(self.query(f"SELECT id, item_id FROM segments WHERE id IN ({_marks(some)})", some))
        return found

    def hydrate(self, segment_ids: Sequence[int]) -> dict[int, Row]:
        """Everything the catalog knows of these segments, by segment id; those that are gone are left out."""
        found: dict[int, Row] = {}
        for some in _chunks(segment_ids):
            for values in self.query(f"{_HYDRATE} ({_marks(some)})", some):
                found[values[0]] = Row._make(values)
        return found

    def keys(self, item_ids: Sequence[int]) -> dict[int, str]:
        """Public ids by item id."""
        found: dict[int, str] = {}
        for some in _chunks(item_ids):
            found |= dict(self.query(f"SELECT id, key FROM items WHERE id IN ({_marks(some)})", some))
        return found

    def root_path(self, root_id: int) -> bytes:
        """Where a root folder is: as it was named, or, if that is gone, at the same place relative to the index."""
        roots = self._roots
        if root_id not in roots:
            path, relative = self.query("SELECT path, relative FROM roots WHERE id = ?", (root_id,))[0]
            moved = os.path.normpath(os.path.join(os.fsencode(self.folder.absolute()), relative))  # noqa: PTH118
            here = [place for place in (path, moved) if Path(os.fsdecode(place)).is_dir()]
            roots[root_id] = here[0] if here else path
        return roots[root_id]

    def roots(self) -> dict[int, bytes]:
        """All root folders by id."""
        return {id_: self.root_path(id_) for (id_,) in self.query("SELECT id FROM roots")}


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _chunks(values: Sequence[int]) -> Iterator[Sequence[int]]:
    return (values[i : i + 500] for i in range(0, len(values), 500))
