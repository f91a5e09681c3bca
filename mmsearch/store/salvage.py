"""A damaged catalog: its indexes built again, or whatever can still be read of it copied into a new one.

SQLite finds what it looks for through pages of 4 KiB. One that is damaged hides its own rows, and no others: they are
asked for one by one where a scan breaks off. Most rows of `rows` are found a second time in their index.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from mmsearch.errors import IndexDamaged, IndexNotFound, StoreError
from mmsearch.store import database, migrations, schema
from mmsearch.store import shard as shards
from mmsearch.store.shard import HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

WINDOW = 64  # keys asked for one by one before another scan is tried
ROOTS = 1000  # the only table of rows with no record of its largest id
SMALLEST = 200  # rows of the smallest kind that a page holds
BUSY_SECONDS = 5.0
NOTHING = "nothing can be salvaged from it; index the media again into a new folder"


def mend(folder: Path) -> list[str]:
    """Make the catalog of an index one that SQLite can read all of, whoever holds the writer's lock; what was done.

    What the rows say is not looked at: see `prune`. The damaged file is kept beside the new one.

    Raises:
        IndexNotFound: there is no catalog.
        IndexDamaged: nothing can be read of it.
        IndexTooNew: a newer mmsearch wrote it.
        StoreError: it is being read by another process, or the disk is full or fails.
    """
    path = folder / database.CATALOG
    if not os.path.lexists(path):
        raise IndexNotFound(f"there is no index at {folder}: it has no {database.CATALOG}")
    if not path.is_file() or path.stat().st_size == 0:
        what = "is empty" if path.is_file() else "is no file"
        raise IndexDamaged(f"the catalog {path} {what}: {NOTHING}")
    with database.errors_of(folder):
        try:
            with closing(_open(path)) as connection:
                if connection.execute("PRAGMA user_version").fetchone()[0] > migrations.FORMAT:
                    _refuse(folder)
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                done, wrong = [], _wrong(connection)
                if wrong and _reindexed(connection):
                    done, wrong = ["the catalog's indexes were damaged, and were built again from its tables"], ""
                if not wrong:
                    found = migrations.layout(connection.execute)
                    if found is not None:
                        return done + _numbered(connection, found)
                    wrong = "tables or columns are missing"
        except sqlite3.DatabaseError as error:
            if not database.damage(error):
                raise
            raise IndexDamaged(f"the catalog {path} cannot be read at all ({error}): {NOTHING}") from error
        copied = _copy(folder, path)
    return [f"the catalog was damaged ({wrong}); {copied} rows of it could be read and are in a new one"]


def _refuse(folder: Path) -> None:
    newer = database.engine(folder, write=False)
    try:
        with newer.connect() as connection:
            migrations.check(connection)
    finally:
        newer.dispose()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)
    connection.isolation_level = None
    connection.text_factory = lambda data: data.decode(errors="replace")
    return connection


def _wrong(connection: sqlite3.Connection) -> str:
    """The first thing that is wrong; empty if nothing is."""
    try:
        said = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if not database.damage(error):
            raise
        return str(error)
    return "" if said == "ok" else said.strip().splitlines()[-1]


def _numbered(connection: sqlite3.Connection, number: int) -> list[str]:
    if connection.execute("PRAGMA user_version").fetchone()[0] == number:
        return []
    connection.execute(f"PRAGMA user_version = {number}")
    return [f"the catalog did not tell its format, which is {number}"]


def _reindexed(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("REINDEX")
    except sqlite3.DatabaseError as error:
        if not database.damage(error):
            raise
        return False
    return not _wrong(connection)


def _copy(folder: Path, path: Path) -> int:
    """Put a catalog of what can be read in the place of a damaged one; how many rows that is."""
    draft = path.with_name(f"{path.name}.repair")
    _clear(draft)  # of a repair that died
    with ExitStack() as given_up, closing(_open(path)) as old:
        given_up.callback(_clear, draft)
        # Its log must be in it, and nobody may use it: a log beside a new catalog would be taken for the new one's.
        if old.execute("PRAGMA journal_mode = DELETE").fetchone()[0] != "delete":
            raise StoreError(f"the catalog {path} is in use; close what reads it and try again")
        made = database.engine(folder, write=True, name=draft.name)
        try:
            with made.begin() as new:
                migrations.migrate(new)
                new.exec_driver_sql("DELETE FROM meta")
                copied = sum(_table(old, new, table) for table in schema.metadata.tables)
                for table in ("covered", "settings"):
                    new.exec_driver_sql(f"DELETE FROM {table} WHERE structure_id NOT IN (SELECT id FROM structures)")
                _adopt(folder, new)
                _check(path, new)
        finally:
            made.dispose()
        given_up.pop_all()
    _keep(path)
    draft.replace(path)
    shards.sync_folder(folder)
    return copied


def _clear(draft: Path) -> None:
    """Remove a draft of a catalog, and its journal."""
    for left in draft.parent.glob(f"{draft.name}*"):
        left.unlink()


def _table(old: sqlite3.Connection, new: Connection, table: str) -> int:
    """Copy what can be read of one table, the columns that both have; how many rows."""
    here = {name for _, name, *_ in new.exec_driver_sql(f"PRAGMA table_info({table})")}
    columns = [f'"{name}"' for _, name, *_ in old.execute(f"PRAGMA table_info({table})") if name in here]
    if not columns:
        return 0
    names, before = ", ".join(columns), new.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({', '.join('?' for _ in columns)})"
    for row in _rows(old, new, table, names):
        new.exec_driver_sql(insert, tuple(row))
    return int(new.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()) - int(before)


def _rows(old: sqlite3.Connection, new: Connection, table: str, names: str) -> Iterator[tuple[Any, ...]]:
    largest = {name: seq for name, seq in _some(old, "SELECT name, seq FROM sqlite_sequence") if isinstance(seq, int)}
    pages = old.execute("PRAGMA page_count").fetchone()[0]
    guess = pages * SMALLEST  # of the rows that a catalog of this size can have
    match table:
        case "meta":
            for key in ("version", "model", "written_by", "settled"):
                yield from _some(old, f"SELECT {names} FROM meta WHERE key = ?", (key,))
        case "sidecars" | "covered" | "settings" | "chains" | "banks" | "backgrounds":  # what is lost is made anew
            yield from _some(old, f"SELECT {names} FROM {table}")
        case "blocks" | "rows" | "tombstones":
            key = '"block"' if table == "blocks" else '"offset"'
            for shard_id in range(1, largest.get("shards", pages) + 1):  # those that `shards` lost included
                bound = new.exec_driver_sql("SELECT rows FROM shards WHERE id = ?", (shard_id,)).scalar()
                select = f"SELECT {key}, {names} FROM {table} WHERE shard_id = {shard_id} AND"
                yield from _scan(old, select, key, shards.SHARD_ROWS if shards.odd_rows(bound) else int(bound or 0))
            if table == "rows":
                select = f"SELECT segment_id, {names} FROM rows INDEXED BY rows_segment WHERE"
                yield from _scan(old, select, "segment_id", largest.get("segments", guess))
        case _:
            bound = ROOTS if table == "roots" else largest.get(table, guess)
            yield from _scan(old, f"SELECT id, {names} FROM {table} NOT INDEXED WHERE", "id", bound)


def _scan(old: sqlite3.Connection, select: str, key: str, bound: int) -> Iterator[tuple[Any, ...]]:
    """Rows in the order of a key of whole numbers, those left out that cannot be read."""
    last = -1
    while last <= bound:
        try:
            for found, *row in old.execute(f"{select} {key} > ? ORDER BY {key}", (last,)):
                last = max(last, found) if isinstance(found, int) else last
                yield tuple(row)
            return
        except sqlite3.DatabaseError as error:
            if not database.damage(error):
                raise
        for one in range(last + 1, last + 1 + WINDOW):
            yield from (tuple(row) for _, *row in _some(old, f"{select} {key} = ?", (one,)))
        last += WINDOW


def _some(old: sqlite3.Connection, select: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The rows up to the first that cannot be read."""
    found: list[tuple[Any, ...]] = []
    try:
        found.extend(old.execute(select, values))
    except sqlite3.DatabaseError as error:
        if not database.damage(error):
            raise
    return found


def _adopt(folder: Path, new: Connection) -> None:
    """Enter again the shards that the catalog lost, from their own headers."""
    for path in sorted((folder / "shards").rglob("*.vec")):
        id_, file = path.stem, path.relative_to(folder).as_posix()
        known = new.exec_driver_sql("SELECT 1 FROM shards WHERE file = ? OR id = ?", (file, id_)).scalar()
        group = shards.group_of(path)
        if known or group is None or shards.odd_file(folder, file):
            continue
        rows = new.exec_driver_sql(
            'SELECT max("offset") + 1 FROM (SELECT "offset" FROM rows WHERE shard_id = ?1 '
            'UNION ALL SELECT "offset" FROM tombstones WHERE shard_id = ?1)',
            (int(id_),),
        ).scalar()
        if rows:
            new.exec_driver_sql(
                "INSERT INTO shards (id, kind, name, version, modality, dtype, dim, file, rows, sealed, total) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, zeroblob(?))",
                (
                    int(id_), group.kind, group.name, group.version, group.modality, group.dtype, group.dim, file,
                    min(rows, (path.stat().st_size - HEADER_BYTES) // group.row_bytes), 8 * group.dim,
                ),
            )  # fmt: skip


def _check(path: Path, new: Connection) -> None:
    if migrations.identity(new.exec_driver_sql(migrations.MODEL).scalar()) is None:
        raise IndexDamaged(f"the catalog {path} does not tell any more which model it is for: {NOTHING}")
    new.exec_driver_sql("INSERT OR IGNORE INTO meta VALUES ('version', '1')")
    new.exec_driver_sql("INSERT INTO meta VALUES ('salvaged', '1')")  # for `mending`, which may run in a later process


def _keep(path: Path) -> None:
    """Give the damaged catalog a second name, which it has when the new one takes its first."""
    number = 1
    while True:
        kept = path.with_name(f"{path.name}.damaged" + (f"-{number}" if number > 1 else ""))
        try:
            return kept.hardlink_to(path)
        except FileExistsError:
            if kept.samefile(path):  # by a repair that died
                return
            number += 1
        except OSError:  # a file system without links
            shutil.copyfile(path, kept)
            return
