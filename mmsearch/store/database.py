"""Connections to the catalog: WAL, explicit transactions, read-only places included. SQLite's errors end here."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

from mmsearch.errors import IndexDamaged, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CATALOG = "catalog.sqlite"
ERRORS = (DBAPIError, sqlite3.Error, OSError)
BUSY_SECONDS = 30.0
DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_FORMAT", "SQLITE_ERROR")


def engine(folder: Path, *, write: bool, name: str = CATALOG) -> Engine:
    """An engine for the catalog in `folder`; with `write`, transactions take the write lock when they begin.

    A catalog under another `name` is a draft, to be renamed when it is done: it has no log, so that all of it is in the
    file that is renamed. (SQLite says nothing when folding a log into the file fails as the last connection closes.)

    In a folder that cannot be written SQLite cannot make the files that WAL needs. Where a writer left them, they can
    be read; where there are none, all is in the catalog itself, and it is opened as immutable; where there is a log
    without its index, both are read in a temporary copy.
    """
    path = folder.absolute() / name
    copy: tempfile.TemporaryDirectory[str] | None = None
    mode = "mode=rwc" if write else "mode=rw"
    if not write and not writable(folder, name):
        log, shm = path.with_name(f"{name}-wal"), path.with_name(f"{name}-shm")
        if not log.exists() or log.stat().st_size == 0:
            mode = "immutable=1"
        elif shm.exists():
            mode = "mode=ro"
        else:
            copy, path = _copy(path, log)

    def connect() -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                f"{path.as_uri()}?{mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise translated(folder, error) from error
        try:
            if write:
                connection.execute(f"PRAGMA journal_mode = {'WAL' if name == CATALOG else 'DELETE'}")
                connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA mmap_size = 268435456")
        except sqlite3.Error as error:
            connection.close()
            raise translated(folder, error) from error
        return connection

    made = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=16, max_overflow=-1)

    # The driver's own transaction control is off (isolation_level None), so that BEGIN is ours to say.
    @event.listens_for(made, "begin")
    def begin(connection: Any) -> None:  # noqa: ANN401  (SQLAlchemy's event signature)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    if copy is not None:
        event.listen(made, "engine_disposed", lambda _: copy.cleanup())
    return made


def writable(folder: Path, name: str = CATALOG) -> bool:
    """Whether a catalog, and the files that SQLite makes beside it, can be written."""
    return os.access(folder, os.W_OK) and os.access(folder / name, os.W_OK)


def migrated(folder: Path) -> Engine:
    """An engine for a temporary copy of a catalog of an older format, brought up to date, for reading.

    What is committed to the catalog afterwards is not seen.

    Raises:
        StoreError: it cannot be copied.
    """
    from mmsearch.store import migrations

    path = folder.absolute() / CATALOG
    copy, copied = _copy(path, path.with_name(f"{CATALOG}-wal"))
    made = engine(copied.parent, write=True)
    try:
        with errors_of(folder), made.begin() as connection:
            migrations.migrate(connection)
    except BaseException:
        made.dispose()
        copy.cleanup()
        raise
    made.dispose()
    reader = engine(copied.parent, write=False)
    event.listen(reader, "engine_disposed", lambda _: copy.cleanup())
    return reader


def _copy(path: Path, log: Path) -> tuple[tempfile.TemporaryDirectory[str], Path]:
    from pathlib import Path as Place

    folder = tempfile.TemporaryDirectory(prefix="mmsearch-catalog-")
    try:
        for file in (path, log):
            if file == path or file.exists():
                shutil.copyfile(file, Place(folder.name) / file.name)
    except OSError as error:
        folder.cleanup()
        raise StoreError(f"cannot copy the catalog {path} and its log: {error.strerror}") from error
    return folder, Place(folder.name) / path.name


def translated(folder: Path, error: Exception) -> StoreError:
    """What an error of SQLite or SQLAlchemy means to somebody who has an index: damage, or a disk that fails now."""
    reason = getattr(error, "orig", error)
    name = _name(reason)
    if damage(reason):
        return IndexDamaged(f"the catalog of {folder} cannot be read ({reason}): run `mmsearch verify --repair`")
    hint = {"SQLITE_BUSY": "another process holds it", "SQLITE_READONLY": "it may not be written"}
    why = hint.get(name, f"{name}: is the disk full, read-only or failing?")
    return StoreError(f"the catalog of {folder} cannot be used now: {reason} ({why})")


def damage(error: Exception) -> bool:
    """Whether an error of SQLite means that the catalog is damaged, and not that it cannot be used now."""
    return _name(error).startswith(DAMAGE) and "locked" not in str(error)


def _name(error: Exception) -> str:
    return str(getattr(error, "sqlite_errorname", None) or "SQLITE_ERROR")


@contextmanager
def errors_of(folder: Path) -> Iterator[None]:
    """Translate SQLite's errors and those of the file system that the block raises.

    Raises:
        StoreError: instead of them.
    """
    try:
        yield
    except ERRORS as error:
        raise failure(folder, error) from error


def failure(folder: Path, error: DBAPIError | sqlite3.Error | OSError) -> StoreError:
    """What to raise instead of one of `ERRORS`."""
    if not isinstance(error, OSError):
        return translated(folder, error)
    where = f" ({error.filename})" if error.filename else ""
    return StoreError(f"cannot use the index {folder}: {error.strerror}{where}")
