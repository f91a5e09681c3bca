"""An index folder, for readers: open it, take snapshots, look things up. Writing is `writer`'s."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.exc import DatabaseError

from mmsearch.errors import IndexDamaged, IndexNotFound, StoreError
from mmsearch.store import database, migrations, shard, snapshot
from mmsearch.store.connections import Connections
from mmsearch.store.reading import Reading
from mmsearch.store.view import View
from mmsearch.store.writer import LOCK, Writer, locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Engine

    from mmsearch.store.snapshot import Snapshot

PAGE = 5000
_FILE = "SELECT id, root_id, path, size, mtime_ns, hash, error, reader FROM files WHERE"
_VERSION = "SELECT value FROM meta WHERE key = 'version'"


class KnownFile(NamedTuple):
    """What the catalog knows of a media file. `error` is set if it could not be read by `reader`.

    A tuple and no dataclass: it is made for every file of every run.
    """

    id: int
    root_id: int
    path: bytes
    size: int
    mtime_ns: int
    hash: bytes | None
    error: str | None
    reader: int


@dataclass(slots=True)
class _Held:
    """A view that is held open, and how many use it: those who hold it, and searches that are under way."""

    view: View
    users: int
    release: Callable[[], None]


class Store(Reading):
    """Many of these may read one index at a time, in many processes.

    Each call sees one committed version; a `view` sees the same one in all its calls.
    """

    def __init__(self, folder: Path, engine: Engine) -> None:
        super().__init__(folder)
        self.engine = engine
        self._connections = Connections(engine)
        self._snapshot: Snapshot | None = None
        self._guard = threading.Lock()
        self._held: _Held | None = None
        self._holders = 0
        self._writing: tuple[int, Writer] | None = None

    @classmethod
    def create(cls, folder: Path, model: dict[str, Any]) -> Store:
        """Make an empty index for a model; one that exists is opened and left as it is.

        The catalog is made under another name and appears whole: a process that dies meanwhile leaves no index.

        Raises:
            StoreError: the folder holds something else, or cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = locked(folder, wait=database.BUSY_SECONDS)  # two creators must not replace each other's catalog
            try:
                if not (folder / database.CATALOG).exists():
                    cls._make(folder, model)
            finally:
                lock.release()
        except OSError as error:
            raise StoreError(f"cannot make an index at {folder}: {error.strerror}") from error
        except DatabaseError as error:
            raise database.translated(folder, error) from error
        return cls.open(folder)

    @staticmethod
    def _make(folder: Path, model: dict[str, Any]) -> None:
        ours = (database.CATALOG, LOCK)
        if any(not path.name.startswith(ours) for path in folder.iterdir()):
            raise StoreError(f"{folder} is not empty and is no index; name a new folder")
        draft = folder / f"{database.CATALOG}.new"
        for left in folder.glob(f"{draft.name}*"):  # of a creator that died, its log included
            left.unlink()
        made = database.engine(folder, write=True, name=draft.name)
        try:
            with made.begin() as connection:
                migrations.migrate(connection)
                connection.exec_driver_sql("INSERT INTO meta VALUES ('model', ?)", (json.dumps(model),))
        finally:
            made.dispose()
        draft.replace(folder / database.CATALOG)
        shard.sync_folder(folder)

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open an index for reading.

        One of an older format is brought up to date first, which waits for a writer; where its catalog cannot be
        written, a temporary copy of it is, and read instead.

        Raises:
            IndexNotFound: there is none.
            IndexTooNew: a newer mmsearch wrote it.
            IndexDamaged: its catalog cannot be read.
            IndexLocked: it has an older format, and another process is writing.
            StoreError: it cannot be read or brought up to date now.
        """
        if (folder / database.CATALOG).is_dir():
            raise IndexDamaged(f"the catalog {folder / database.CATALOG} is a folder: it is no index")
        if not (folder / database.CATALOG).is_file():
            raise IndexNotFound(f"there is no index at {folder}; make one with `mmsearch index FOLDER`")
        store = cls(folder, database.engine(folder, write=False))
        try:
            with store.engine.connect() as connection:
                found = migrations.check(connection)
            if found == 0:
                raise IndexDamaged(
                    f"the catalog of {folder} is empty or does not tell its format: run `mmsearch verify --repair`"
                )
            if found < migrations.FORMAT and database.writable(folder):
                with store.writer(wait=database.BUSY_SECONDS):
                    pass  # opening it did it
            elif found < migrations.FORMAT:
                store.engine.dispose()
                store = cls(folder, database.migrated(folder))
        except DatabaseError as error:
            store.close()
            raise database.translated(folder, error) from error
        except StoreError:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Give back connections and maps."""
        self._snapshot = None
        self._connections.close()
        self.engine.dispose()

    def writer(self, *, wait: float = 0.0) -> Writer:
        """Become the writer; a thread that is `writing` goes on being it. See `Writer.open`."""
        if self._writing is not None and self._writing[0] == threading.get_ident():
            return self._writing[1].again()
        return Writer.open(self.folder, database.engine(self.folder, write=True), wait=wait)

    @contextmanager
    def writing(self, *, wait: float = 0.0) -> Iterator[Writer]:
        """Be the writer until the block is left, for all that this thread writes; see `Writer.open`."""
        with self.writer(wait=wait) as writer:
            before, self._writing = self._writing, (threading.get_ident(), writer)
            try:
                yield writer
            finally:
                self._writing = before

    @property
    def model(self) -> dict[str, Any]:
        """The identity of the model that the index is built with."""
        found = self.query(migrations.MODEL)
        identity = migrations.identity(found[0][0]) if found else None
        if identity is None:
            raise IndexDamaged(
                f"the catalog of {self.folder} does not tell which model it is for; index the media again into a new "
                "folder"
            )
        return identity

    def snapshot(self) -> Snapshot:
        """The newest committed version; the same object as long as nothing is committed."""
        with database.errors_of(self.folder), self._connections.taken() as connection:
            return self._begun(connection).snapshot()

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of one SELECT, through the driver's own connection: Core costs three times as much per query.

        Raises:
            IndexDamaged: SQLite cannot read the catalog.
        """
        try:
            with self._connections.taken() as connection:
                return connection.execute(statement, tuple(parameters)).fetchall()
        except sqlite3.DatabaseError as error:
            raise database.translated(self.folder, error) from error

    @contextmanager
    def view(self) -> Iterator[View]:
        """The index as it is now, until the block is left; under `hold`, the view that is held.

        Raises:
            IndexDamaged: the catalog cannot be read, or makes no sense.
            StoreError: it cannot be read now.
        """
        if self._held is not None and (held := self._joined()) is not None:
            try:
                yield held.view
            finally:
                self._left(held)
            return
        connection, free = self._connections.take()
        try:
            try:
                view = self._begun(connection)
            except database.ERRORS as error:
                raise database.failure(self.folder, error) from error
            yield view
        finally:
            self._connections.give_back(connection, free)

    @contextmanager
    def hold(self) -> Iterator[View]:
        """Until the block is left, every `view` of this store is the same one.

        Where several threads hold, they hold the same one, until the last of them leaves.

        Raises:
            IndexDamaged: the catalog cannot be read, or makes no sense.
            StoreError: it cannot be read now.
        """
        held = self._joined() or self._holding()
        with self._guard:
            self._holders += 1
        try:
            yield held.view
        finally:
            with self._guard:
                self._holders -= 1
                if self._holders == 0:
                    self._held = None
            self._left(held)

    def _holding(self) -> _Held:
        stack = ExitStack()
        try:
            connection = stack.enter_context(self._connections.taken())
            with database.errors_of(self.folder):
                made = _Held(self._begun(connection), 1, stack.close)
        except BaseException:
            stack.close()
            raise
        with self._guard:
            if self._held is None:
                self._held = made
                return made
            self._held.users += 1
            other = self._held
        made.release()  # another thread came first
        return other

    def _joined(self) -> _Held | None:
        with self._guard:
            if self._held is not None:
                self._held.users += 1
            return self._held

    def _left(self, held: _Held) -> None:
        with self._guard:
            held.users -= 1
            last = held.users == 0
        if last:
            held.release()

    def _begun(self, connection: sqlite3.Connection) -> View:
        """Begin a transaction on a connection; what it sees.

        A compaction removes files after it has committed. Where one is gone, what was seen is either old, and read
        again, or damaged, which is told when that shard is asked for.
        """
        before = None
        while True:
            connection.execute("BEGIN")
            version = connection.execute(_VERSION).fetchone()
            with self._guard:
                seen = self._snapshot
                if seen is None or version != (str(seen.version),):
                    seen = snapshot.seen(connection.execute, self.folder, seen)
                    if not seen.whole and seen.version != before:
                        before = seen.version
                        connection.rollback()
                        continue
                    self._snapshot, self._roots = seen, {}
                return View(self.folder, connection, self.engine.dialect, seen, self._roots)

    def files(self, root_id: int, prefix: bytes = b"") -> Iterator[KnownFile]:
        """Known files under a root, in the order of their path bytes, a page at a time."""
        last, end = prefix, prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else None
        while True:
            page = self.query(
                f"{_FILE} root_id = ? AND path > ? {'AND path < ?' if end else ''} ORDER BY path LIMIT {PAGE}",
                (root_id, last, *((end,) if end else ())),
            )
            yield from map(KnownFile._make, page)
            if len(page) < PAGE:
                return
            last = page[-1][2]

    def file(self, root_id: int, path: bytes) -> KnownFile | None:
        """What is known of one file."""
        found = self.query(f"{_FILE} root_id = ? AND path = ?", (root_id, path))
        return KnownFile(*found[0]) if found else None

    def same_content(self, content_hash: bytes) -> list[KnownFile]:
        """Readable files with that content."""
        return [KnownFile(*row) for row in self.query(f"{_FILE} hash = ? AND error IS NULL", (content_hash,))]
