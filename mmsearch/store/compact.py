"""Give back the room of dead rows: live rows of shards are copied into new ones, which take the place of the old.

A few shards at a time: the new file is written and forced to the disk, one transaction moves the rows and forgets the
old shards, and only then are the old files removed. A process that dies in between leaves files that nothing names;
the next writer removes them. A reader goes on with the files that it has mapped, removed or not. Approximate
structures follow the rows: what they call by a label is found at its new place.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import IndexDamaged
from mmsearch.store import covers, database, fulltext, structures
from mmsearch.store import shard as shards
from mmsearch.store.shard import Group
from mmsearch.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Engine

DEAD_SHARE = 0.2
TOGETHER = 16  # blocks read at once


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did.

    `bytes` are those of all files of the index folder, the catalog's log included; `uncovered` are live rows that had
    an approximate structure and have none any more, though structures follow the rows: they are searched exactly until
    `then` has been run, the command that comes next, if there is one.
    """

    shards_before: int
    shards_after: int
    rows_dropped: int
    bytes_before: int
    bytes_after: int
    uncovered: int = 0
    then: str = ""


@dataclass(frozen=True, slots=True)
class _Source:
    """A shard to be rewritten."""

    id: int
    path: Path
    rows: int
    dead: int
    sealed: bool

    @property
    def live(self) -> int:
        return self.rows - self.dead


def compact(
    index: Store | Path, *, dead_share: float = DEAD_SHARE, small_rows: int | None = None, wait: float = 0.0
) -> Compacted:
    """Rewrite shards with many dead rows, merge small ones, and give back free pages of the catalog.

    Ids and vectors stay, bit for bit. Structures stay, but for those of which no row lives. Needs room on the disk for
    one new shard and a copy of the catalog.

    Args:
        index: an open index, or its folder.
        dead_share: shards with at least this share of dead rows are rewritten.
        small_rows: shards with fewer live rows are merged, if there are several; a quarter of a full shard, if it is
            not given.
        wait: seconds to wait for another writer.

    Raises:
        IndexNotFound: there is no index in the folder.
        IndexLocked: another process is writing.
        IndexDamaged: a block of a shard is not what it was; that shard, and those that were to be merged with it,
            stay as they are.
        StoreError: the disk is full or cannot be written. What was committed before stays, as with every error.
    """
    if isinstance(index, Path):
        store = Store.open(index)
        try:
            return compact(store, dead_share=dead_share, small_rows=small_rows, wait=wait)
        finally:
            store.close()
    folder = index.folder
    small = shards.SHARD_ROWS // 4 if small_rows is None else small_rows
    with index.writer(wait=wait) as writer:  # the lock, and everything of writers that died cleaned up
        writer.hand_over()
        before, shards_before, covered = _bytes(folder), _shards(index), _covered(index)
        engine = database.engine(folder, write=True)
        try:
            with database.errors_of(folder):
                dropped = _Compaction(folder, engine).run(dead_share, small)
        finally:
            engine.dispose()
    uncovered = covered - _covered(index)
    then = "mmsearch optimize" if uncovered else ""
    return Compacted(shards_before, _shards(index), dropped, before, _bytes(folder), uncovered, then)


class _Compaction:
    """One compaction, under the writer's lock."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self._folder, self._engine = folder, engine

    def run(self, dead_share: float, small_rows: int) -> int:
        """The number of dead rows that are gone."""
        dropped = 0
        for group, sources in self._groups().items():
            for batch in _batches(sources, dead_share, small_rows):
                self._replace(group, batch)
                dropped += sum(source.dead for source in batch)
        self._shrink(dropped > 0)
        return dropped

    def _groups(self) -> dict[Group, list[_Source]]:
        with self._engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT kind, name, version, modality, dtype, dim, id, file, rows, sealed, "
                "(SELECT count(*) FROM tombstones WHERE shard_id = shards.id) FROM shards ORDER BY id"
            ).all()
        groups: dict[Group, list[_Source]] = {}
        for *fields, id_, file, rows, sealed, dead in found:
            source = _Source(id_, self._folder / file, rows, dead, bool(sealed))
            groups.setdefault(Group(*fields), []).append(source)
        return groups

    def _replace(self, group: Group, batch: Sequence[_Source]) -> None:
        """Put one new shard, or nothing if no row lives, in the place of the shards of a batch."""
        with self._engine.connect() as connection:
            last = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'shards'").scalar_one()
        live = sum(source.live for source in batch)
        number, file = last + 1, f"shards/{group.name}/{group.modality}/{last + 1}.vec"
        crcs, total = self._copy(group, batch, self._folder / file) if live else ([], np.zeros(group.dim))
        ids = ", ".join(str(source.id) for source in batch)
        # If this fails, the file stays: the transaction may come back from the log until the next writer has settled.
        with self._engine.begin() as connection:
            sql = connection.exec_driver_sql
            if live:
                sealed = live >= shards.SHARD_ROWS or all(source.sealed for source in batch)
                sql(
                    "INSERT INTO shards (id, kind, name, version, modality, dtype, dim, file, rows, sealed, total, "
                    "dead) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
                    (
                        number, group.kind, group.name, group.version, group.modality, group.dtype, group.dim, file,
                        live, int(sealed), total.tobytes(),
                    ),
                )  # fmt: skip
                sql("INSERT INTO blocks VALUES (?, ?, ?)", [(number, block, crc) for block, crc in enumerate(crcs)])
                sql(
                    'INSERT INTO rows SELECT ?, row_number() OVER (ORDER BY shard_id, "offset") - 1, segment_id '
                    f"FROM rows WHERE shard_id IN ({ids})",
                    (number,),
                )
                covers.follow(sql, [source.id for source in batch], number)
            for table in ("rows", "tombstones", "blocks", "covered"):
                sql(f"DELETE FROM {table} WHERE shard_id IN ({ids})")
            sql(f"DELETE FROM shards WHERE id IN ({ids})")
            orphans = sql("SELECT id, file FROM structures WHERE id NOT IN (SELECT structure_id FROM covered)").all()
            for structure_id, _ in orphans:
                structures.drop(sql, structure_id)
            sql("UPDATE meta SET value = value + 1 WHERE key = 'version'")
        for source in batch:
            source.path.unlink(missing_ok=True)
        for _, old in orphans:
            if not structures.odd_file(self._folder, old):
                (self._folder / old).unlink(missing_ok=True)

    def _copy(self, group: Group, batch: Sequence[_Source], path: Path) -> tuple[list[int], NDArray[np.float64]]:
        """Write the live rows of a batch to a new file, durably; crc32 of its blocks, and the sum of its vectors."""
        total, crcs, done = np.zeros(group.dim), [0], 0
        try:
            shards.create(path, group)
            with path.open("r+b") as out:
                out.seek(shards.HEADER_BYTES)
                for rows in (part for source in batch for part in self._live(group, source)):
                    for block, crc in shards.extend_checksums(group, done, crcs[-1], rows):
                        crcs[block:] = [crc]
                    out.write(rows.tobytes())
                    done += len(rows)
                    if group.kind == "vectors":
                        total += rows.sum(axis=0, dtype=np.float64)
                out.flush()
                os.fsync(out.fileno())
        except BaseException:
            path.unlink(missing_ok=True)  # no transaction has named it
            raise
        return crcs, total

    def _live(self, group: Group, source: _Source) -> Iterator[NDArray[Any]]:
        """The live rows of a shard `(n, dim)` in order, some blocks at a time, each proven by its checksum."""
        with self._engine.connect() as connection:
            sql = connection.exec_driver_sql
            select = 'SELECT "offset" FROM rows WHERE shard_id = ? ORDER BY 1'
            live = np.fromiter(sql(select, (source.id,)).scalars(), np.int64)
            known = sql("SELECT block, crc FROM blocks WHERE shard_id = ?", (source.id,)).all()
        crcs = {block: crc for block, crc in known}  # noqa: C416  (a Row is no pair to mypy)
        if len(live) != source.live or (len(live) and not 0 <= live[0] <= live[-1] < source.rows):
            raise _damaged(source.path, "has rows that are neither live nor dead")
        step = TOGETHER * group.block_rows
        try:
            file = source.path.open("rb")
        except OSError as error:
            raise _damaged(source.path, f"cannot be read ({error.strerror})") from error
        with file:
            file.seek(shards.HEADER_BYTES)
            for start in range(0, source.rows, step):
                end = min(start + step, source.rows)
                data = file.read((end - start) * group.row_bytes)
                if len(data) < (end - start) * group.row_bytes:
                    raise _damaged(source.path, "is too short")
                for at in range(start, end, group.block_rows):
                    first = (at - start) * group.row_bytes
                    part = data[first : first + group.block_rows * group.row_bytes]
                    if zlib.crc32(part) != crcs.get(at // group.block_rows):
                        raise _damaged(source.path, f"is damaged in block {at // group.block_rows}")
                some = live[np.searchsorted(live, start) : np.searchsorted(live, end)] - start
                if len(some):
                    yield np.frombuffer(data, group.dtype).reshape(-1, group.dim)[some]

    def _shrink(self, changed: bool) -> None:
        """Give back pages of the catalog: one transaction too, beside which readers go on."""
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            free, pages = (cursor.execute(f"PRAGMA {of}").fetchone()[0] for of in ("freelist_count", "page_count"))
            if changed or free > DEAD_SHARE * pages:
                for table in (fulltext.SEGMENTS, fulltext.ITEMS):  # words of what was removed stay until then
                    cursor.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
                cursor.execute("VACUUM")
        finally:
            connection.close()


def _batches(sources: Sequence[_Source], dead_share: float, small_rows: int) -> Iterator[list[_Source]]:
    """Shards of one group that become one new shard each time; one that only is small, and alone, is left."""
    dirty = [source for source in sources if source.dead and source.dead >= dead_share * source.rows]
    wanted = [source for source in sources if source in dirty or source.live < small_rows]
    batch: list[_Source] = []
    for source in wanted:
        if batch and sum(one.live for one in batch) + source.live > shards.SHARD_ROWS:
            yield from _worthwhile(batch, dirty)
            batch = []
        batch.append(source)
    yield from _worthwhile(batch, dirty)


def _worthwhile(batch: list[_Source], dirty: Sequence[_Source]) -> Iterator[list[_Source]]:
    if len(batch) > 1 or any(source in dirty for source in batch):
        yield batch


def _damaged(path: Path, what: str) -> IndexDamaged:
    return IndexDamaged(f"the shard {path} {what}: run `mmsearch verify --repair`")


def _covered(store: Store) -> int:
    """Live rows that structures cover."""
    seen = store.snapshot()
    return sum(
        cover.there - len(cover.inside(seen.by_id[cover.shard_id].dead))
        for standing in seen.structures
        for cover in standing.covers
        if cover.shard_id in seen.by_id
    )


def _shards(store: Store) -> int:
    return int(store.query("SELECT count(*) FROM shards")[0][0])


def _bytes(folder: Path) -> int:
    """Bytes of all files; one that vanishes meanwhile (a log, say) counts nothing."""
    found = 0
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            if path.exists():
                found += path.stat().st_size
    return found
