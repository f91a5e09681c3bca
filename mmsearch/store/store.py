"""An index folder, for readers: open it, take snapshots, look things up. Writing is `writer`'s."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sqlalchemy.exc import DatabaseError

from mmsearch.errors import IndexDamaged, IndexNotFound, StoreError
from mmsearch.store import database, migrations, shard, snapshot
from mmsearch.store.writer import LOCK, Writer, locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Engine

    from mmsearch.store.snapshot import Snapshot

PAGE = 5000
_FILE = "SELECT id, root_id, path, size, mtime_ns, hash, error, reader FROM files WHERE"
_HYDRATE = (
    'SELECT s.id, s.item_id, s.modality, s.start, s."end", s.page, s.time_start, s.time_end, s.excerpt, i.key, '
    "i.width, i.height, i.seconds, i.characters, i.pages, i.taken, i.metadata, f.root_id, f.path, f.size, f.mtime_ns "
    "FROM segments s JOIN items i ON i.id = s.item_id LEFT JOIN files f ON f.id = i.file_id WHERE s.id IN"
)


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


@dataclass(frozen=True, slots=True)
class Row:
    """What the catalog knows of a segment, its item and its file; `path` and `root_id` are None without a file."""

    segment_id: int
    item_id: int
    modality: str
    start: float | None
    end: float | None
    page: int | None
    time_start: float | None
    time_end: float | None
    excerpt: str | None
    key: str
    width: int | None
    height: int | None
    seconds: float | None
    characters: int | None
    pages: int | None
    taken: str | None
    metadata: str
    root_id: int | None
    path: bytes | None
    size: int | None
    mtime_ns: int | None

    @property
    def time(self) -> tuple[float, float] | None:
        """The seconds in which a subtitle is shown."""
        return None if self.time_start is None or self.time_end is None else (self.time_start, self.time_end)

    @property
    def properties(self) -> dict[str, Any]:
        """What is known of the item's media."""
        names = ("width", "height", "seconds", "characters", "pages", "taken")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class Store:
    """Many of these may read one index at a time, in many processes; each call sees one committed version."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder = folder
        self.engine = engine
        self._snapshot: Snapshot | None = None
        self._guard = threading.Lock()
        self._roots: dict[int, bytes] = {}

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
                store.writer(wait=database.BUSY_SECONDS).close()
            elif found < migrations.FORMAT:
                store.engine.dispose()
                store.engine = database.migrated(folder)
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
        self.engine.dispose()

    def writer(self, *, wait: float = 0.0) -> Writer:
        """Become the writer; see `Writer.open`."""
        return Writer.open(self.folder, database.engine(self.folder, write=True), wait=wait)

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
        version = self.query("SELECT value FROM meta WHERE key = 'version'")
        with self._guard:
            if self._snapshot is None or version != [(str(self._snapshot.version),)]:
                self._snapshot = snapshot.read(self.engine, self.folder)
                self._roots = {}
            return self._snapshot

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of one SELECT, through the driver's own connection: Core costs three times as much per query.

        Raises:
            IndexDamaged: SQLite cannot read the catalog.
        """
        import sqlite3

        connection = self.engine.raw_connection()
        try:
            return connection.cursor().execute(statement, tuple(parameters)).fetchall()  # type: ignore[no-any-return]
        except sqlite3.DatabaseError as error:
            raise database.translated(self.folder, error) from error
        finally:
            connection.close()

    def locate(self, shard_id: int, offsets: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Segment and item ids by offset; rows that are dead by now are left out."""
        found: dict[int, tuple[int, int]] = {}
        for some in _chunks(offsets):
            found |= {
                offset: (segment_id, item_id)
                for offset, segment_id, item_id in self.query(
                    f'SELECT r."offset", r.segment_id, s.item_id FROM rows r JOIN segments s ON s.id = r.segment_id '
                    f'WHERE r.shard_id = ? AND r."offset" IN ({_marks(some)})',
                    (shard_id, *some),
                )
            }
        return found

    def ids(self, shard_id: int, start: int, end: int) -> NDArray[np.int64]:
        """Segment and item ids of the rows from `start` to `end` of a shard `(end - start, 2)`; -1 for the dead."""
        table = np.full((end - start, 2), -1, np.int64)
        found = self.query(
            'SELECT r."offset", r.segment_id, s.item_id FROM rows r JOIN segments s ON s.id = r.segment_id '
            'WHERE r.shard_id = ? AND r."offset" >= ? AND r."offset" < ?',
            (shard_id, start, end),
        )
        if found:
            array = np.array(found, np.int64)
            table[array[:, 0] - start] = array[:, 1:]
        return table

    def rows_of(self, segment_ids: Sequence[int], shard_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Where segments lie within those shards: (shard, offset) by segment id."""
        found: dict[int, tuple[int, int]] = {}
        for some in _chunks(segment_ids):
            found |= {
                segment_id: (shard_id, offset)
                for segment_id, shard_id, offset in self.query(
                    f'SELECT segment_id, shard_id, "offset" FROM rows WHERE segment_id IN ({_marks(some)}) '
                    f"AND shard_id IN ({_marks(shard_ids)})",
                    (*some, *shard_ids),
                )
            }
        return found

    def hydrate(self, segment_ids: Sequence[int]) -> dict[int, Row]:
        """Everything the catalog knows of these segments, by segment id; those that are gone are left out."""
        found: dict[int, Row] = {}
        for some in _chunks(segment_ids):
            for values in self.query(f"{_HYDRATE} ({_marks(some)})", some):
                found[values[0]] = Row(*values)
        return found

    def keys(self, item_ids: Sequence[int]) -> dict[int, str]:
        """Public ids by item id."""
        found: dict[int, str] = {}
        for some in _chunks(item_ids):
            found |= dict(self.query(f"SELECT id, key FROM items WHERE id IN ({_marks(some)})", some))
        return found

    def root_path(self, root_id: int) -> bytes:
        """Where a root folder is: as it was named, or, if that is gone, at the same place relative to the index."""
        if root_id not in self._roots:
            path, relative = self.query("SELECT path, relative FROM roots WHERE id = ?", (root_id,))[0]
            moved = os.path.normpath(os.path.join(os.fsencode(self.folder.absolute()), relative))  # noqa: PTH118
            here = [place for place in (path, moved) if Path(os.fsdecode(place)).is_dir()]
            self._roots[root_id] = here[0] if here else path
        return self._roots[root_id]

    def roots(self) -> dict[int, bytes]:
        """All root folders by id."""
        return {id_: self.root_path(id_) for (id_,) in self.query("SELECT id FROM roots")}

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


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _chunks(values: Sequence[int]) -> Iterator[Sequence[int]]:
    return (values[i : i + 500] for i in range(0, len(values), 500))
