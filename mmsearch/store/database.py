"""Connections to the catalog: WAL, explicit transactions, read-only places included."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, QueuePool, create_engine, event

if TYPE_CHECKING:
    from pathlib import Path

CATALOG = "catalog.sqlite"
BUSY_SECONDS = 30.0


def engine(folder: Path, *, write: bool, name: str = CATALOG) -> Engine:
    """An engine for the catalog in `folder`; with `write`, transactions take the write lock when they begin.

    In a folder that cannot be written SQLite cannot make the files that WAL needs. Where a writer left them, they can
    be read; where there are none, all is in the catalog itself, and it is opened as immutable.
    """
    path = folder.absolute() / name
    mode = "mode=rwc" if write else "mode=rw"
    if not write and not (os.access(folder, os.W_OK) and os.access(path, os.W_OK)):
        mode = "mode=ro" if path.with_name(f"{name}-wal").exists() else "immutable=1"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.as_uri()}?{mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        if write:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA mmap_size = 268435456")
        return connection

    made = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=16, max_overflow=-1)

    # The driver's own transaction control is off (isolation_level None), so that BEGIN is ours to say.
    @event.listens_for(made, "begin")
    def begin(connection: Any) -> None:  # noqa: ANN401  (SQLAlchemy's event signature)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return made
