"""The driver's own connections to a catalog, kept for the next query: SQLAlchemy's pool costs more than the query."""

from __future__ import annotations

import sqlite3
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    Free = deque[sqlite3.Connection]

KEPT = 16  # that wait for a query; more are open while more threads ask


class Connections:
    """As many connections as there are askers at once; each is one asker's until it is given back."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._free: Free = deque()

    @contextmanager
    def taken(self) -> Iterator[sqlite3.Connection]:
        """A connection without a transaction; one that the block begins is rolled back.

        Raises:
            StoreError: the catalog cannot be opened.
            sqlite3.Error: what the block raises.
        """
        connection, free = self.take()
        try:
            yield connection
        finally:
            self.give_back(connection, free)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction for writing, which is committed when the block is done.

        Raises:
            StoreError, sqlite3.Error: as `taken`; or it cannot be committed.
        """
        with self.taken() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def take(self) -> tuple[sqlite3.Connection, Free]:
        """A connection without a transaction, and where it is to be given back.

        Raises:
            StoreError: the catalog cannot be opened.
        """
        free = self._free  # `close` puts another in its place: what was taken before is closed and not kept
        try:
            return free.pop(), free
        except IndexError:
            return self._opened(), free

    def close(self) -> None:
        """Close the connections; those that are in use follow when they are given back."""
        free, self._free = self._free, deque()
        while free:
            free.pop().close()

    def _opened(self) -> sqlite3.Connection:
        pooled = self._engine.raw_connection()
        connection = cast("sqlite3.Connection", pooled.driver_connection)
        pooled.detach()
        return connection

    def give_back(self, connection: sqlite3.Connection, free: Free) -> None:
        """Roll back what was begun on a connection, and keep it for others."""
        try:
            if connection.in_transaction:
                connection.rollback()
            sound = True
        except sqlite3.Error:
            sound = False
        if sound and free is self._free and len(free) < KEPT:
            free.append(connection)
        else:
            connection.close()
