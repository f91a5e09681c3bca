"""The one writer of an index: appends rows to shards, then names them in one transaction.

The order is what makes a commit atomic: rows are written past the committed length of the active shards and forced
to the disk, and only then does a transaction raise the lengths and name items, segments and rows together. A process
that dies in between leaves bytes that nothing names; the next writer cuts them off.

A transaction that failed, or whose process died, may lie complete in SQLite's log all the same, unseen for now, and
come back when the log is next read from its beginning. Its rows must not be touched as long as it can. So before
a writer cuts or overwrites anything after such an end, it commits something small, which takes that place in the log.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from mmsearch.errors import IndexDamaged, IndexLocked, StoreError
from mmsearch.store import database, migrations, structures
from mmsearch.store import shard as shards
from mmsearch.store.shard import Group
from mmsearch.store.transaction import Active, Transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from filelock import FileLock
    from sqlalchemy import Engine

    from mmsearch.store.bulk import PutRows
    from mmsearch.store.changes import Change
    from mmsearch.store.structures import Setting, Standing

LOCK = "writer.lock"
FOLD_MILLISECONDS = 250


def locked(folder: Path, *, wait: float) -> FileLock:
    """The writer's lock of an index, held; it goes when it is released, or with the process.

    Raises:
        IndexLocked: another process holds it after `wait` seconds.
        StoreError: the folder cannot be written, or something else is where the lock or the shards should be.
    """
    from filelock import FileLock, Timeout

    taken = (folder / LOCK).exists() and not (folder / LOCK).is_file()
    kept = folder / "shards"
    if taken or (os.path.lexists(kept) and not kept.is_dir()):
        path = folder / LOCK if taken else kept
        raise StoreError(f"{path} is no {'file' if taken else 'folder'}; move it away and try again")
    if not kept.resolve().is_relative_to(folder.resolve()):
        raise StoreError(f"{kept} leads out of the index; put the folder itself in the place of the link")
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=wait)
    except Timeout as error:
        raise IndexLocked(f"another process is writing to the index {folder}; try again when it is done") from error
    except OSError as error:
        raise StoreError(f"cannot write to the index {folder}: {error.strerror}") from error
    return lock


class Writer:
    """Holds the writer's lock of an index from `open` to `close`."""

    def __init__(self, folder: Path, engine: Engine, lock: FileLock) -> None:
        self._folder, self._engine, self._lock = folder, engine, lock
        self._shard_rows = shards.SHARD_ROWS
        self._active: dict[Group, Active] = {}
        self._unsettled = True
        self._holders = 1
        with database.errors_of(folder):
            with engine.begin() as connection:
                migrations.migrate(connection)
            self._settle()
            self._recover()

    @classmethod
    def open(cls, folder: Path, engine: Engine, *, wait: float = 0.0) -> Writer:
        """Take the lock, waiting up to `wait` seconds for another writer, and clean up after one that died.

        Raises:
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        lock = locked(folder, wait=wait)
        try:
            return cls(folder, engine, lock)
        except BaseException:
            engine.dispose()
            lock.release()
            raise

    def again(self) -> Writer:
        """The same, to be closed once more."""
        self._holders += 1
        return self

    def close(self) -> None:
        """Fold the log into the catalog, if the disk lets us, and let go of the lock."""
        self._holders -= 1
        if self._holders:
            return
        try:
            # What is committed is safe in the log: where it cannot be folded in now, the next writer does it.
            with suppress(StoreError, sqlite3.Error):
                connection = self._engine.raw_connection()
                try:
                    # A view that somebody holds does not let the log be emptied: do not wait for it for long.
                    connection.cursor().execute(f"PRAGMA busy_timeout = {FOLD_MILLISECONDS}")
                    connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # cannot run inside a transaction
                finally:
                    connection.close()
        finally:
            self._engine.dispose()
            self._lock.release()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def root(self, path: bytes, relative: bytes) -> int:
        """The id of a root folder; it is created if it is new."""
        with database.errors_of(self._folder), self._engine.begin() as connection:
            connection.exec_driver_sql("INSERT OR IGNORE INTO roots (path, relative) VALUES (?, ?)", (path, relative))
            return int(connection.exec_driver_sql("SELECT id FROM roots WHERE path = ?", (path,)).scalar_one())

    def absorb_root(self, inner: int, outer: int, prefix: bytes) -> None:
        """Make the files of the root `inner` files of the root `outer`, which holds it at `prefix` (`a/b/`)."""
        with database.errors_of(self._folder), self._engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE files SET root_id = ?, path = CAST(? || path AS BLOB) WHERE root_id = ?", (outer, prefix, inner)
            )
            connection.exec_driver_sql("DELETE FROM sidecars WHERE root_id = ?", (inner,))
            connection.exec_driver_sql("DELETE FROM roots WHERE id = ?", (inner,))

    def commit(self, changes: Sequence[Change | PutRows]) -> int:
        """Apply `changes` in order, all or none, and return the number of segments added.

        Raises:
            StoreError: the disk is full or cannot be written; the index is as it was.
        """
        active = dict(self._active)
        with database.errors_of(self._folder):
            if self._unsettled:
                self._settle()
            self._unsettled = True
            with self._engine.begin() as connection:
                added = Transaction(connection, self._folder, active, self._shard_rows).apply(changes)
                connection.exec_driver_sql("UPDATE meta SET value = value + 1 WHERE key = 'version'")
        self._active, self._unsettled = active, False
        return added

    def room(self, name: str, modality: str) -> tuple[int, Path]:
        """The id and the file for a new structure over vectors of a space and a modality."""
        with database.errors_of(self._folder), self._engine.begin() as connection:
            last = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'structures'").scalar()
        number = (last or 0) + 1
        return number, self._folder / f"shards/{name}/{modality}/{number}{structures.SUFFIX}"

    def install(self, standing: Standing) -> None:
        """Name a structure whose file is on the disk, in place of those that cover the same shards.

        Raises:
            StoreError: the disk is full or cannot be written; the index is as it was.
        """
        with database.errors_of(self._folder):
            with self._engine.begin() as connection:
                file = standing.path.relative_to(self._folder).as_posix()
                structures.install(connection.exec_driver_sql, standing, file)
                connection.exec_driver_sql("UPDATE meta SET value = value + 1 WHERE key = 'version'")
            self._sweep(structures.SUFFIX, self._structures())

    def settle_structure(self, structure_id: int, settings: Mapping[str, Setting]) -> None:
        """Replace how a structure is asked.

        Raises:
            StoreError: the disk is full or cannot be written; the index is as it was.
        """
        with database.errors_of(self._folder), self._engine.begin() as connection:
            structures.settle(connection.exec_driver_sql, structure_id, settings)
            connection.exec_driver_sql("UPDATE meta SET value = value + 1 WHERE key = 'version'")

    def discard(self, structure_ids: Iterable[int]) -> None:
        """Remove structures and their files.

        Raises:
            StoreError: the disk is full or cannot be written; the index is as it was.
        """
        with database.errors_of(self._folder):
            with self._engine.begin() as connection:
                for id_ in structure_ids:
                    structures.drop(connection.exec_driver_sql, id_)
                connection.exec_driver_sql("UPDATE meta SET value = value + 1 WHERE key = 'version'")
            self._sweep(structures.SUFFIX, self._structures())

    def _structures(self) -> set[Path]:
        with self._engine.connect() as connection:
            return {self._folder / file for (file,) in connection.exec_driver_sql("SELECT file FROM structures")}

    def _settle(self) -> None:
        """Make sure that a transaction that was not seen to be committed is gone for good; see above."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO meta VALUES ('settled', '1') ON CONFLICT (key) DO UPDATE SET value = value + 1"
            )
        self._unsettled = False

    def _recover(self) -> None:
        """Cut off what a dead writer left: tails beyond the committed rows, and files that no row names."""
        named: set[Path] = set()
        with self._engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT id, kind, name, version, modality, dtype, dim, file, rows, sealed, "
                "(SELECT crc FROM blocks WHERE shard_id = id ORDER BY block DESC LIMIT 1) FROM shards"
            ).all()
        for id_, *group_fields, file, rows, sealed, crc in found:
            group = Group(*group_fields)
            wrong = shards.odd(self._folder, group, file, rows)
            if wrong:
                raise IndexDamaged(f"{wrong}: run `mmsearch verify --repair`")
            path = self._folder / file
            named.add(path)
            end = shards.HEADER_BYTES + rows * group.row_bytes
            if not path.is_file() or path.stat().st_size < end:
                continue  # `verify` tells; a writer must not make it worse
            if path.stat().st_size > end:
                with path.open("r+b") as handle:
                    handle.truncate(end)
            if not sealed:
                self._active[group] = Active(id_, path, rows, crc or 0)
        self._sweep(".vec", named)
        self._sweep(structures.SUFFIX, self._structures())
        self._sweep(f"{structures.SUFFIX}.new", set())

    def _sweep(self, suffix: str, named: set[Path]) -> None:
        """Remove the files below `shards` that are called so and not named."""
        inside = self._folder.resolve()
        for path in (self._folder / "shards").rglob(f"*{suffix}"):
            ours = path.parent.resolve().is_relative_to(inside) and (path.is_symlink() or path.is_file())
            if ours and path not in named:
                path.unlink()
