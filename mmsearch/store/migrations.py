"""Numbered migrations of the catalog. Append only: what has been released is never edited.

The format number is SQLite's `user_version`; it is the number of migrations applied.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from mmsearch.errors import IndexTooNew
from mmsearch.store import backgrounds, fulltext, schema, tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (  # 1
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE roots (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, relative BLOB NOT NULL)",
        "CREATE TABLE files (id INTEGER PRIMARY KEY AUTOINCREMENT, root_id INTEGER NOT NULL REFERENCES roots(id), "
        "path BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, hash BLOB, error TEXT, "
        "UNIQUE (root_id, path))",
        "CREATE INDEX files_hash ON files (hash)",
        "CREATE TABLE sidecars (root_id INTEGER NOT NULL REFERENCES roots(id), folder BLOB NOT NULL, "
        "signature TEXT NOT NULL, PRIMARY KEY (root_id, folder)) WITHOUT ROWID",
        "CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, "
        "file_id INTEGER REFERENCES files(id), width INTEGER, height INTEGER, seconds REAL, characters INTEGER, "
        "taken TEXT, metadata TEXT NOT NULL)",
        "CREATE INDEX items_file ON items (file_id)",
        "CREATE TABLE segments (id INTEGER PRIMARY KEY AUTOINCREMENT, item_id INTEGER NOT NULL REFERENCES items(id), "
        'modality TEXT NOT NULL, start REAL, "end" REAL, excerpt TEXT)',
        "CREATE INDEX segments_item ON segments (item_id)",
        "CREATE TABLE shards (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL, "
        "version TEXT NOT NULL, modality TEXT NOT NULL, dtype TEXT NOT NULL, dim INTEGER NOT NULL, "
        "file TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL, sealed INTEGER NOT NULL, total BLOB NOT NULL)",
        "CREATE TABLE blocks (shard_id INTEGER NOT NULL REFERENCES shards(id), block INTEGER NOT NULL, "
        "crc INTEGER NOT NULL, PRIMARY KEY (shard_id, block)) WITHOUT ROWID",
        'CREATE TABLE rows (shard_id INTEGER NOT NULL REFERENCES shards(id), "offset" INTEGER NOT NULL, '
        'segment_id INTEGER NOT NULL REFERENCES segments(id), PRIMARY KEY (shard_id, "offset")) WITHOUT ROWID',
        "CREATE INDEX rows_segment ON rows (segment_id)",
        'CREATE TABLE tombstones (shard_id INTEGER NOT NULL REFERENCES shards(id), "offset" INTEGER NOT NULL, '
        'PRIMARY KEY (shard_id, "offset")) WITHOUT ROWID',
        "INSERT INTO meta (key, value) VALUES ('version', '0')",
    ),
    (  # 2
        "ALTER TABLE segments ADD COLUMN page INTEGER",
        "ALTER TABLE segments ADD COLUMN time_start REAL",
        "ALTER TABLE segments ADD COLUMN time_end REAL",
        "ALTER TABLE items ADD COLUMN pages INTEGER",
        "ALTER TABLE files ADD COLUMN reader INTEGER NOT NULL DEFAULT 1",
    ),
    (  # 3
        "ALTER TABLE shards ADD COLUMN dead INTEGER NOT NULL DEFAULT 0",
        "UPDATE shards SET dead = (SELECT count(*) FROM tombstones WHERE shard_id = shards.id)",
        "CREATE TABLE structures (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, version TEXT NOT NULL, "
        "modality TEXT NOT NULL, recipe TEXT NOT NULL, file TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, "
        "crc INTEGER NOT NULL, rows INTEGER NOT NULL, seconds REAL NOT NULL)",
        "CREATE TABLE covered (structure_id INTEGER NOT NULL REFERENCES structures(id), shard_id INTEGER NOT NULL, "
        "first INTEGER NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (structure_id, shard_id)) WITHOUT ROWID",
        "CREATE TABLE settings (structure_id INTEGER NOT NULL REFERENCES structures(id), asked TEXT NOT NULL, "
        "effort INTEGER NOT NULL, fetch INTEGER NOT NULL, recall REAL NOT NULL, low REAL NOT NULL, "
        "high REAL NOT NULL, wanted REAL NOT NULL, queries INTEGER NOT NULL, seconds REAL NOT NULL, "
        "exact_seconds REAL NOT NULL, PRIMARY KEY (structure_id, asked)) WITHOUT ROWID",
    ),
    (  # 4
        "ALTER TABLE covered ADD COLUMN start INTEGER NOT NULL DEFAULT 0",  # fails if it is there already
        "ALTER TABLE covered RENAME TO covered_before",
        "CREATE TABLE covered (structure_id INTEGER NOT NULL REFERENCES structures(id), shard_id INTEGER NOT NULL, "
        "first INTEGER NOT NULL, rows INTEGER NOT NULL, start INTEGER NOT NULL DEFAULT 0, gone BLOB, "
        "PRIMARY KEY (structure_id, first))",
        # A shard of no rows had the label of the next one.
        "INSERT OR IGNORE INTO covered (structure_id, shard_id, first, rows) "
        "SELECT structure_id, shard_id, first, rows FROM covered_before WHERE rows <> 0",
        "DROP TABLE covered_before",
    ),
    (  # 5
        # The content, megabytes, comes last: what stands before it is read without it.
        "CREATE TABLE fits (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, space TEXT NOT NULL, "
        "medium TEXT NOT NULL, version TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 0, previous INTEGER, "
        "card TEXT NOT NULL, content BLOB NOT NULL)",
        "CREATE UNIQUE INDEX fits_active ON fits (space, medium) WHERE active <> 0",
    ),
    (
        "CREATE TABLE chains (asked TEXT NOT NULL, target TEXT NOT NULL, space TEXT NOT NULL, version TEXT NOT NULL, "
        "chain TEXT NOT NULL, card TEXT NOT NULL, PRIMARY KEY (asked, target, space, version)) WITHOUT ROWID",
    ),
    fulltext.MIGRATION,
    tags.MIGRATION,
    backgrounds.MIGRATION,
    backgrounds.MIGRATION_WIDER,
)

FORMAT = len(MIGRATIONS)
WITHOUT_WORDS = MIGRATIONS.index(fulltext.MIGRATION)  # the last format that had no full text
MODEL = "SELECT value FROM meta WHERE key = 'model'"


def check(connection: Connection) -> int:
    """The format of an index, if this mmsearch can read it.

    Raises:
        IndexTooNew: a newer mmsearch wrote it.
    """
    found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    if found > FORMAT:
        writer = connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'written_by'").scalar_one_or_none()
        raise IndexTooNew(
            f"the index has format {found}, this mmsearch reads up to {FORMAT}; "
            f"upgrade to mmsearch {writer or 'that wrote it'} or later"
        )
    return found


def layout(sql: Callable[[str], Iterable[Any]]) -> int | None:
    """The newest format that has the tables and columns of a catalog, whatever its number says; None if none has."""
    found = _columns(sql)
    formats = []
    with closing(sqlite3.connect(":memory:")) as model:
        for number, statements in enumerate(MIGRATIONS, 1):
            for statement in statements:
                model.execute(statement)
            if _columns(model.execute) == found:
                formats.append(number)
    return max(formats, default=None)


def _columns(sql: Callable[[str], Iterable[Any]]) -> dict[str, frozenset[str]]:
    return {
        table: frozenset(name for _, name, *_ in sql(f"PRAGMA table_info({table})"))
        for table in (*schema.metadata.tables, *fulltext.SHADOWS)
    }


def identity(text: object) -> dict[str, Any] | None:
    """What `meta` tells of the model; None if it does not tell its name."""
    try:
        loaded = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return loaded if isinstance(loaded, dict) and isinstance(loaded.get("name"), str) else None


def migrate(connection: Connection) -> None:
    """Apply what is missing, inside the caller's transaction."""
    found = check(connection)
    if found == FORMAT:
        return
    for statements in MIGRATIONS[found:]:
        for statement in statements:
            connection.exec_driver_sql(statement)
    if found <= WITHOUT_WORDS < FORMAT:
        fulltext.fill(connection.exec_driver_sql)
    connection.exec_driver_sql("INSERT OR REPLACE INTO meta (key, value) VALUES ('written_by', ?)", (_version(),))
    connection.exec_driver_sql(f"PRAGMA user_version = {FORMAT}")


def _version() -> str:
    try:
        return version("mmsearch")
    except PackageNotFoundError:
        return "from a source tree"
