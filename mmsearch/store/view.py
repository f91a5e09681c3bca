"""An index as it was at one moment: one read transaction, under which shards and catalog agree."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Any

from mmsearch.store import database
from mmsearch.store.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Dialect, Select

    from mmsearch.store.snapshot import Snapshot


class View(Reading):
    """What a transaction sees, until the connection is given back. Several threads may ask it.

    Its shards are mapped, so that they can be read even when a compaction has removed their files. While a view is
    held, SQLite's log cannot be folded into the catalog and grows.
    """

    def __init__(
        self,
        folder: Path,
        connection: sqlite3.Connection,
        dialect: Dialect,
        snapshot: Snapshot,
        roots: dict[int, bytes],
    ) -> None:
        super().__init__(folder)
        self._connection, self._dialect, self._snapshot, self._roots = connection, dialect, snapshot, roots
        self._guard = threading.Lock()

    def snapshot(self) -> Snapshot:
        """The shards, always the same object."""
        return self._snapshot

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of one SELECT.

        Raises:
            IndexDamaged: SQLite cannot read the catalog.
        """
        try:
            with self._guard:
                return self._connection.execute(statement, tuple(parameters)).fetchall()
        except sqlite3.DatabaseError as error:
            raise database.translated(self.folder, error) from error

    def select(self, statement: Select[Any]) -> list[tuple[Any, ...]]:
        """Rows of one SELECT of SQLAlchemy's, which may hold values and be of a length that SQLite refuses.

        Raises:
            sqlite3.Error: it does.
            OverflowError, UnicodeError: a value cannot be handed to SQLite.
        """
        compiled = statement.compile(dialect=self._dialect, compile_kwargs={"render_postcompile": True})
        values = compiled.construct_params()
        with self._guard:
            return self._connection.execute(
                str(compiled), tuple(values[name] for name in compiled.positiontup or ())
            ).fetchall()
