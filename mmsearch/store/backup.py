"""A consistent copy of an index, made while others write and search.

::

    one read transaction ─► catalog copied, shards mapped ─► (writers go on) ─► rows copied, every checksum proven
                         ─► the copy's catalog adjusted ─► all of it on the disk ─► one rename

The copy is made in a folder beside its place, `.NAME.part`, whose catalog gets its name last: who kills this at any
moment leaves no index, and the next copy to the same place clears away what was left.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import zlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import IndexDamaged, StoreError
from mmsearch.store import database, snapshot, structures
from mmsearch.store import shard as shards
from mmsearch.store.writer import LOCK, locked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.store.store import Store

ATTEMPTS = 5
CHUNK = 1 << 20  # bytes
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was made: where it is, which version of the index, how many shards and bytes (hard links included).

    `dropped` are files of approximate structures that were not intact; the copy does without them.
    """

    folder: Path
    version: int
    shards: int
    bytes: int
    dropped: tuple[str, ...]


def backup(
    store: Store,
    destination: Path,
    *,
    link: bool = False,
    also: Sequence[str] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> Backup:
    """Copy the newest committed version of an index to a new folder. Writers and readers go on meanwhile.

    Args:
        store: the index.
        destination: the new folder; it may exist if it is empty.
        link: give shards that are full a second name instead of copying them, where the file system can. Nobody
            appends to those, but damage to the one is damage to the other.
        also: names of further files in the index folder, copied if they are there.
        progress: told "copying", and how many MiB of how many are done.

    Raises:
        IndexDamaged: a checksum is wrong; `mmsearch verify --repair` helps the index, and there is no copy.
        IndexLocked: another process is copying to the same place.
        StoreError: the place is taken or cannot be written, or the disk is full.
    """
    place = destination.expanduser().absolute()
    _check_place(store.folder, place)
    part = place.with_name(f".{place.name}.part")
    try:
        part.mkdir(parents=True, exist_ok=True)
        lock = locked(part, wait=0.0)
        try:
            _clear(part)
            made = _Copy(store, part, place, link).run(also, progress)
            for folder in [*(path for path in part.rglob("*") if path.is_dir()), part]:
                shards.sync_folder(folder)
            (part / f"{database.CATALOG}.new").replace(part / database.CATALOG)
            shards.sync_folder(part)
            part.replace(place)
            shards.sync_folder(place.parent)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        finally:
            lock.release()
    except sqlite3.Error as error:
        raise _full(place, error) from error
    except OSError as error:
        raise StoreError(f"cannot copy the index to {place}: {error.strerror} ({error.filename})") from error
    return made


def _full(place: Path, error: sqlite3.Error) -> StoreError:
    return StoreError(f"cannot copy the index to {place}: {error}; is its disk full or failing?")


def _check_place(folder: Path, place: Path) -> None:
    if os.path.lexists(place) and not (place.is_dir() and not any(place.iterdir())):
        raise StoreError(f"{place} is there and is no empty folder; name a new one")
    if place.resolve().is_relative_to(folder.resolve()):
        raise StoreError(f"{place} lies in the index itself; name a folder outside of it")


def _clear(part: Path) -> None:
    for left in part.iterdir():
        if left.name != LOCK:
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


class _Copy:
    def __init__(self, store: Store, part: Path, place: Path, link: bool) -> None:
        self._store, self._part, self._place, self._link = store, part, place, link
        self._catalog = part / f"{database.CATALOG}.new"
        self._bytes = 0
        self._crcs: dict[int, dict[int, int]] = {}
        self._sealed: set[int] = set()

    def run(self, also: Sequence[str], progress: Callable[[str, int, int], None] | None) -> Backup:
        seen = self._begin()
        total = sum(shard.rows * shard.group.row_bytes for shard in seen.shards) // MIB
        for shard in seen.shards:
            if progress is not None:
                progress("copying", self._bytes // MIB, total)
            self._shard(shard)
        for name in also:
            if (self._store.folder / name).is_file():
                self._file(name)
        dropped = self._adjust()
        _sync(self._catalog)
        self._bytes += self._catalog.stat().st_size
        return Backup(self._place, seen.version, len(seen.shards), self._bytes, dropped)

    def _begin(self) -> Snapshot:
        """Copy the catalog of one version, with the maps of its shards: those stay, whatever becomes of the files."""
        for _ in range(ATTEMPTS):
            with database.errors_of(self._store.folder):
                pooled = self._store.engine.raw_connection()
                try:
                    source = pooled.driver_connection
                    assert isinstance(source, sqlite3.Connection)
                    source.execute("BEGIN")
                    seen = snapshot.seen(source.execute, self._store.folder)
                    if seen.whole:
                        try:
                            self._copy_catalog(source)
                        except sqlite3.Error as error:
                            if database.damage(error):
                                raise
                            raise _full(self._place, error) from error  # it is the copy that cannot be written
                        return seen
                finally:
                    pooled.close()  # which rolls back
        for shard in seen.shards:
            _ = shard.matrix  # raises what there is to say of the one that is not there
        raise StoreError(f"the shards of {self._store.folder} change too fast to be copied; try again")

    def _copy_catalog(self, source: sqlite3.Connection) -> None:
        with closing(sqlite3.connect(self._catalog, isolation_level=None)) as made:
            source.backup(made)
            if made.execute("PRAGMA journal_mode = DELETE").fetchone()[0] != "delete":  # all of it in the one file
                raise StoreError(f"cannot copy the index to {self._place}: its disk is full or failing")
            damage = made.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise IndexDamaged(
                    f"the catalog of {self._store.folder} is damaged ({damage}): run `mmsearch verify --repair`"
                )
            for shard_id, block, crc in made.execute("SELECT shard_id, block, crc FROM blocks"):
                self._crcs.setdefault(shard_id, {})[block] = crc
            self._sealed = {id_ for (id_,) in made.execute("SELECT id FROM shards WHERE sealed <> 0")}

    def _shard(self, shard: Shard) -> None:
        path = self._part / shard.path.relative_to(self._store.folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        linked = self._link and shard.id in self._sealed and _linked(shard, path)
        group, crcs = shard.group, self._crcs.get(shard.id, {})
        with Path(os.devnull).open("wb") if linked else path.open("wb") as file:
            file.write(shards.header(group))
            for start in range(0, shard.rows, group.block_rows):
                block = np.ascontiguousarray(shard.matrix[start : start + group.block_rows]).tobytes()
                if crcs.get(start // group.block_rows) != zlib.crc32(block):
                    end = min(start + group.block_rows, shard.rows) - 1
                    raise IndexDamaged(
                        f"rows {start} to {end} of the shard {shard.path} do not have the checksum that they should: "
                        "run `mmsearch verify --repair`"
                    )
                file.write(block)
                self._bytes += len(block)
            file.flush()
            if not linked:
                os.fsync(file.fileno())

    def _file(self, name: str) -> int:
        """Copy a file of the index; the crc32 of its content."""
        source, path = self._store.folder / name, self._part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        crc = 0
        with source.open("rb") as read, path.open("wb") as written:
            while chunk := read.read(CHUNK):
                crc = zlib.crc32(chunk, crc)
                written.write(chunk)
                self._bytes += len(chunk)
            written.flush()
            os.fsync(written.fileno())
        return crc

    def _adjust(self) -> tuple[str, ...]:
        """Make the catalog true of the copy: its place, its shards, its structures."""
        with closing(sqlite3.connect(self._catalog, isolation_level=None)) as made:
            made.execute("PRAGMA synchronous = FULL")
            made.execute("BEGIN")
            here = os.fsencode(self._place)
            found = self._store.roots()  # where they are now
            for id_, root in made.execute("SELECT id, path FROM roots").fetchall():
                way = os.path.relpath(found.get(id_, root), here)
                made.execute("UPDATE roots SET relative = ? WHERE id = ?", (way, id_))
            empty = "(SELECT id FROM shards WHERE rows = 0)"  # their files were not copied
            for table, column in (("blocks", "shard_id"), ("tombstones", "shard_id"), ("shards", "id")):
                made.execute(f"DELETE FROM {table} WHERE {column} IN {empty}")
            sound, dropped = {one.id for one in structures.read(made.execute, self._store.folder)}, []
            for id_, file, size, crc in made.execute("SELECT id, file, bytes, crc FROM structures").fetchall():
                if id_ not in sound or not self._structure(file, size, crc):
                    dropped.append(str(file))
                    structures.drop(made.execute, id_)
            made.execute("COMMIT")
        return tuple(dropped)

    def _structure(self, name: str, size: int, crc: int) -> bool:
        """Copy the file of a structure, and say whether it is what was written; it can be built again if it is not."""
        before = self._bytes
        try:
            intact = (self._store.folder / name).stat().st_size == size and self._file(name) == crc
        except FileNotFoundError:  # built anew meanwhile
            return False
        if not intact:
            (self._part / name).unlink(missing_ok=True)
            self._bytes = before
        return intact


def _linked(shard: Shard, path: Path) -> bool:
    try:
        os.link(shard.path, path)
    except OSError:  # another file system, one without links, or a compaction was faster
        return False
    if shards.group_of(path) != shard.group:  # a damaged header; a copy gets a sound one
        path.unlink()
        return False
    _sync(path)
    return True


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
