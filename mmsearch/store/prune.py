"""Take out of a catalog what does not agree with the rest of it, item by item; nothing of an item stays by half.

What has to go is collected first, in the temporary table `lost`: items with the reason. A file that loses an item is
read again by the next run of `mmsearch index`: it is forgotten, or, if other items of it stay, made to look changed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsearch.store import tags
from mmsearch.store.fits import BASE
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection

CHUNK = 500
TEXTS = (
    "SELECT id, CAST(key AS BLOB), CAST(taken AS BLOB), CAST(metadata AS BLOB), CAST(tags AS BLOB) FROM items",
    "SELECT item_id, CAST(excerpt AS BLOB), CAST(modality AS BLOB) FROM segments",
)
NO_OBJECT = "CASE WHEN json_valid(metadata) THEN json_type(metadata) <> 'object' ELSE 1 END"
KNOWN = ", ".join(f"'{modality}'" for modality in Modality)

# In this order: what is said of it, and the statement. Each leaves less that disagrees to the next.
DANGLING = (
    ("checksums of shards that do not exist", "DELETE FROM blocks WHERE shard_id NOT IN (SELECT id FROM shards)"),
    ("dead rows of shards that do not exist", "DELETE FROM tombstones WHERE shard_id NOT IN (SELECT id FROM shards)"),
    ("rows of shards that do not exist", "DELETE FROM rows WHERE shard_id NOT IN (SELECT id FROM shards)"),
    (
        "rows beyond the end of their shard",
        'DELETE FROM rows WHERE "offset" < 0 OR "offset" >= (SELECT s.rows FROM shards s WHERE s.id = shard_id)',
    ),
    (
        "dead rows beyond the end of their shard",
        'DELETE FROM tombstones WHERE "offset" < 0 OR "offset" >= (SELECT s.rows FROM shards s WHERE s.id = shard_id)',
    ),
    ("files of folders that are not known any more", "DELETE FROM files WHERE root_id NOT IN (SELECT id FROM roots)"),
    ("metadata files of such folders", "DELETE FROM sidecars WHERE root_id NOT IN (SELECT id FROM roots)"),
    ("records of tags that cannot be read", f"UPDATE items SET tags = NULL WHERE {tags.UNREADABLE}"),
    ("segments of no item", "DELETE FROM segments WHERE item_id NOT IN (SELECT id FROM items)"),
    ("rows of no segment", "DELETE FROM rows WHERE segment_id NOT IN (SELECT id FROM segments)"),
    (
        "rows that were both dead and alive",
        "DELETE FROM tombstones WHERE EXISTS (SELECT 1 FROM rows r WHERE r.shard_id = tombstones.shard_id "
        'AND r."offset" = tombstones."offset")',
    ),
)

# Of rows of fits that disagree no item is lost: see `fit_checks`.
LOST = (
    (
        "its file is not known any more",
        "SELECT id FROM items WHERE file_id IS NOT NULL AND file_id NOT IN (SELECT id FROM files)",
    ),
    ("it has no segment", "SELECT id FROM items WHERE id NOT IN (SELECT item_id FROM segments)"),
    ("its metadata cannot be read", f"SELECT id FROM items WHERE {NO_OBJECT}"),
    ("its modality is unknown", f"SELECT item_id FROM segments WHERE modality NOT IN ({KNOWN})"),
    (
        "a segment has no vector",
        "SELECT item_id FROM segments WHERE id NOT IN (SELECT r.segment_id FROM rows r "
        f"JOIN shards s ON s.id = r.shard_id WHERE s.kind = 'vectors' AND {BASE})",
    ),
    (
        "a segment has two rows of one kind",
        "SELECT g.item_id FROM rows r JOIN shards s ON s.id = r.shard_id JOIN segments g ON g.id = r.segment_id "
        f"WHERE {BASE} GROUP BY r.segment_id, s.kind, s.name, s.version HAVING count(*) > 1",
    ),
    (
        "a row is of another modality",
        "SELECT g.item_id FROM rows r JOIN shards s ON s.id = r.shard_id JOIN segments g ON g.id = r.segment_id "
        f"WHERE g.modality <> s.modality AND {BASE}",
    ),
)

# Where the catalog itself has lost rows, it can be that features are gone and nothing else tells.
UNFEATURED = (
    "a segment has no features",
    "SELECT g.item_id FROM segments g JOIN items i ON i.id = g.item_id WHERE i.file_id IS NOT NULL "
    "AND g.modality IN (SELECT modality FROM shards WHERE kind = 'features') AND g.id NOT IN "
    "(SELECT r.segment_id FROM rows r JOIN shards s ON s.id = r.shard_id WHERE s.kind = 'features')",
)


class Prune:
    """One pruning, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection.exec_driver_sql
        self._sql("CREATE TEMP TABLE IF NOT EXISTS lost (item_id INTEGER PRIMARY KEY, why TEXT NOT NULL)")
        self._sql("DELETE FROM lost")
        self.said: list[str] = []

    def dangling(self) -> None:
        """Delete what names something that is not there, and note the items that this leaves incomplete."""
        for what, statement in DANGLING:
            gone = self._sql(statement).rowcount
            if gone:
                self.said.append(f"{gone} {what} were deleted")
        for why, select in LOST:
            self.note(why, select)
        for item_id in unreadable(self._sql):
            self._sql("INSERT OR IGNORE INTO lost VALUES (?, 'its text cannot be read')", (item_id,))

    def unfeatured(self) -> None:
        """Note the items of files that have a segment without features."""
        self.note(*UNFEATURED)

    def note(self, why: str, select: str) -> None:
        """Note the items that a SELECT finds as lost."""
        self._sql(f"INSERT OR IGNORE INTO lost SELECT DISTINCT *, ? FROM ({select})", (why,))

    def note_segments(self, why: str, segment_ids: Iterable[int]) -> None:
        """Note the items of segments as lost."""
        ids = list(segment_ids)
        for start in range(0, len(ids), CHUNK):
            some = ", ".join(str(int(id_)) for id_ in ids[start : start + CHUNK])
            self.note(why, f"SELECT item_id FROM segments WHERE id IN ({some})")

    def finish(self) -> tuple[tuple[str, ...], tuple[Path, ...]]:
        """Remove the noted items whole; what they were called, and the files that have to be read again."""
        lost = self._sql(
            "SELECT CAST(i.key AS BLOB), l.why, r.path, f.path FROM lost l JOIN items i ON i.id = l.item_id "
            "LEFT JOIN files f ON f.id = i.file_id LEFT JOIN roots r ON r.id = f.root_id ORDER BY r.path, f.path, i.id"
        ).all()
        names = tuple(
            f"{key.decode(errors='replace') if path is None else _joined(root, path)} ({why})"
            for key, why, root, path in lost
        )
        touched = "SELECT file_id FROM items WHERE id IN (SELECT item_id FROM lost)"
        self._sql(f"UPDATE files SET size = -1, hash = NULL WHERE id IN ({touched})")
        mine = "SELECT id FROM segments WHERE item_id IN (SELECT item_id FROM lost)"
        self._sql(f'INSERT OR IGNORE INTO tombstones SELECT shard_id, "offset" FROM rows WHERE segment_id IN ({mine})')
        self._sql(f"DELETE FROM rows WHERE segment_id IN ({mine})")
        self._sql("DELETE FROM segments WHERE item_id IN (SELECT item_id FROM lost)")
        self._sql("DELETE FROM items WHERE id IN (SELECT item_id FROM lost)")
        empty = "error IS NULL AND id NOT IN (SELECT file_id FROM items WHERE file_id IS NOT NULL)"
        again = self._sql(
            "SELECT r.path, f.path FROM files f JOIN roots r ON r.id = f.root_id "
            f"WHERE f.size = -1 OR ({empty.replace('id NOT', 'f.id NOT')}) ORDER BY 1, 2"
        ).all()
        self._sql(f"DELETE FROM files WHERE {empty}")
        self._sql("DROP TABLE lost")
        return names, tuple(_joined(*parts) for parts in again)

    def bury(self) -> None:
        """Mark committed rows that stand for nothing as dead."""
        places = 'SELECT "offset" FROM {} WHERE shard_id = ?1'
        used = f"{places.format('rows')} UNION {places.format('tombstones')}"
        for id_, rows in self._sql("SELECT id, rows FROM shards").all():
            if self._sql(f"SELECT count(*) FROM ({used})", (id_,)).scalar_one() == rows:
                continue
            known = {offset for (offset,) in self._sql(used, (id_,))}
            free: list[Any] = [(id_, offset) for offset in range(rows) if offset not in known]
            self._sql("INSERT INTO tombstones VALUES (?, ?)", free)
            self.said.append(f"{len(free)} rows of shard {id_} that stood for nothing were marked as dead")


def unreadable(sql: Callable[[str], Iterable[Any]]) -> Iterator[int]:
    """Items with text that is no UTF-8: SQLite stores whatever bytes there are, and looks at none of them."""
    for select in TEXTS:
        for item_id, *texts in sql(select):
            try:
                for text in texts:
                    (text or b"").decode()
            except UnicodeDecodeError:
                yield item_id


def _joined(root: bytes, path: bytes) -> Path:
    return Path(os.fsdecode(root)) / os.fsdecode(path)
