"""The one writer of an index: appends rows to shards, then names them in one transaction.

The order is what makes a commit atomic: rows are written past the committed length of the active shards and forced
to the disk, and only then is the transaction committed that raises the lengths and names items, segments and rows
together. A process that dies in between leaves bytes that nothing names; the next writer cuts them off.

A transaction that failed, or whose process died, may lie complete in SQLite's log all the same, unseen for now, and
come back when the log is next read from its beginning. Its rows must not be touched as long as it can. So before
a writer cuts or overwrites anything after such an end, it commits something small, which takes that place in the log.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from mmsearch.errors import IndexLocked, StoreError
from mmsearch.store import backgrounds, chains, database, fits, migrations, recovery, statistics, structures
from mmsearch.store import shard as shards
from mmsearch.store.connections import Connections
from mmsearch.store.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from filelock import FileLock
    from sqlalchemy import Engine

    from mmsearch.store.backgrounds import Background, Bank
    from mmsearch.store.bulk import Bulk
    from mmsearch.store.chains import Tuned
    from mmsearch.store.changes import Change
    from mmsearch.store.shard import Group
    from mmsearch.store.statistics import Extent
    from mmsearch.store.structures import Setting, Standing
    from mmsearch.store.transaction import Active

T = TypeVar("T")

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
        self._connections = Connections(engine)
        self._shard_rows = shards.SHARD_ROWS
        self._holders = 1
        self._unsettled = True
        self._active: dict[Group, Active] | None = None
        self._extents: tuple[Extent, ...] | None = None
        self._backgrounds: tuple[Background, ...] | None = None
        try:
            with database.errors_of(folder):
                with engine.begin() as connection:
                    migrations.migrate(connection)
                self._ready()
        except BaseException:
            self._let_go()
            raise

    @classmethod
    def open(cls, folder: Path, engine: Engine, *, wait: float = 0.0) -> Writer:
        """Take the lock, waiting up to `wait` seconds for another writer, and clean up after one that died.

        Raises:
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        return cls(folder, engine, locked(folder, wait=wait))

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
            with suppress(StoreError, sqlite3.Error), self._connections.taken() as connection:
                # A view that somebody holds does not let the log be emptied: do not wait for it for long.
                connection.execute(f"PRAGMA busy_timeout = {FOLD_MILLISECONDS}")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # cannot run inside a transaction
        finally:
            self._let_go()

    def _let_go(self) -> None:
        try:
            self._connections.close()
            self._engine.dispose()
        finally:
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

    def commit(self, changes: Sequence[Change | Bulk]) -> int:
        """Apply `changes` in order, all or none, and return the number of segments added.

        Raises:
            StoreError: the disk is full or cannot be written; the index is as it was.
        """
        with database.errors_of(self._folder):
            active = dict(self._ready())
            # A commit that is interrupted may have been made all the same: then all is read from the disk again.
            self._unsettled, self._active, self._extents = True, None, None
            with self._connections.transaction() as connection:
                added = Transaction(connection, self._folder, active, self._shard_rows).apply(changes)
                connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'version'")
                extents = statistics.extents(connection.execute)
        self._active, self._extents, self._unsettled = active, extents, False
        return added

    def extents(self) -> tuple[Extent, ...]:
        """How many vectors each shard has. After a commit this costs nothing."""
        if self._extents is None:
            with database.errors_of(self._folder), self._connections.taken() as connection:
                self._extents = statistics.extents(connection.execute)
        return self._extents

    def backgrounds(self) -> tuple[Background, ...]:
        """What calibrates scores. It is read once: nobody else can change it."""
        if self._backgrounds is None:
            with database.errors_of(self._folder), self._connections.taken() as connection:
                self._backgrounds = backgrounds.read(connection.execute)
        return self._backgrounds

    def hand_over(self) -> None:
        """Clean up, then know nothing of the index any more: something else is about to change it under this lock."""
        with database.errors_of(self._folder):
            self._ready()
        self._forget()

    def _forget(self) -> None:
        self._unsettled = True
        self._active = self._extents = self._backgrounds = None

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
        file = standing.path.relative_to(self._folder).as_posix()
        self._alter(lambda sql: structures.install(sql, standing, file))

    def settle_structure(self, structure_id: int, settings: Mapping[str, Setting]) -> None:
        """Replace how a structure is asked.

        Raises:
            StoreError: the disk is full or cannot be written; the index is as it was.
        """
        self._alter(lambda sql: structures.settle(sql, structure_id, settings))

    def discard(self, structure_ids: Iterable[int]) -> None:
        """Remove structures and their files.

        Raises:
            StoreError: the disk is full or cannot be written; the index is as it was.
        """

        def drop(sql: Callable[..., Any]) -> None:
            for id_ in structure_ids:
                structures.drop(sql, id_)

        self._alter(drop)

    def keep_fit(self, name: str, space: str, medium: str, content: bytes, card: Mapping[str, Any]) -> int:
        """Keep a fit in place of one of the same name that is not active; its id. Nothing else changes by it.

        Raises:
            StoreError: the one of that name is active; there is no such medium, or the card is none of JSON values;
                the disk is full or cannot be written. The index is as it was.
        """
        return self._alter(lambda sql: fits.keep(sql, name, space, medium, content, card))

    def forget_fit(self, fit_id: int) -> None:
        """Forget a fit that is not active.

        Raises:
            StoreError: it is active; or the disk is full or cannot be written. The index is as it was.
        """
        self._alter(lambda sql: fits.forget(sql, fit_id))

    def activate_fit(self, fit_id: int | None, space: str, medium: str) -> None:
        """Make a fit, whose rows have been committed, the active one of its space and medium; or none, for None.

        Rows of the one that was active before it are removed; its content stays.

        Raises:
            StoreError: there is no such fit, or a segment has no row of it; or the disk is full or cannot be written.
                The index is as it was.
        """
        self._alter(lambda sql: fits.activate(sql, fit_id, space, medium))

    def undo_fit(self, space: str, medium: str) -> int | None:
        """Make the fit active that was so before the one that is, or none; its id. Its rows must have been committed.

        Raises:
            StoreError: none is active; else as `activate_fit`.
        """
        return self._alter(lambda sql: fits.undo(sql, space, medium))

    def drop_idle_fits(self) -> None:
        """Remove rows of fits that are not active: those of an installation that was broken off.

        Raises:
            StoreError: the disk is full or cannot be written; the index is as it was.
        """
        self._alter(fits.drop_idle)

    def keep_chains(self, found: Sequence[Tuned]) -> None:
        """Keep tuned chains, each in place of the one of the same direction and space.

        Raises:
            StoreError: there is no such modality, or a card is none of JSON values; or the disk is full or cannot be
                written. The index is as it was.
        """
        self._alter(lambda sql: chains.keep(sql, found))

    def forget_chains(self, found: Sequence[Tuned]) -> None:
        """Forget tuned chains.

        Raises:
            StoreError: the disk is full or cannot be written; the index is as it was.
        """
        self._alter(lambda sql: chains.forget(sql, found))

    def keep_backgrounds(self, banks: Sequence[Bank], found: Sequence[Background]) -> None:
        """Keep what calibrates scores, each in place of what there is for the same space or direction.

        Raises:
            StoreError: the disk is full or cannot be written; the index is as it was.
        """
        self._alter(lambda sql: backgrounds.keep(sql, banks, found))

    def _alter(self, change: Callable[[Callable[..., Any]], T]) -> T:
        """Make a change to the catalog in one transaction, then remove the files that nothing names any more."""
        with database.errors_of(self._folder):
            before = self._active
            self._forget()
            with self._engine.begin() as connection:
                made = change(connection.exec_driver_sql)
                connection.exec_driver_sql("UPDATE meta SET value = value + 1 WHERE key = 'version'")
            self._unsettled = False
            kept = recovery.named(self._engine, self._folder)
            if before is not None:
                self._active = {group: active for group, active in before.items() if active.path in kept}
            with suppress(OSError):  # the change is made; what cannot be removed now, the next writer removes
                recovery.sweep(self._folder, kept)
        return made

    def _ready(self) -> dict[Group, Active]:
        """The shards that the next rows go to, once nothing is in doubt and what others left is cleaned up."""
        if self._unsettled:
            self._settle()
        if self._active is None:
            self._active = recovery.recover(self._engine, self._folder)
        return self._active

    def _settle(self) -> None:
        """Make sure that a transaction that was not seen to be committed is gone for good; see above."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO meta VALUES ('settled', '1') ON CONFLICT (key) DO UPDATE SET value = value + 1"
            )
        self._unsettled = False
