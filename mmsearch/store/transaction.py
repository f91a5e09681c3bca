"""One commit under way: rows into shards, then the names of everything into the catalog's transaction."""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import StoreError
from mmsearch.store import bulk, fulltext, tags
from mmsearch.store import shard as shards
from mmsearch.store.bulk import AddRows, PutRows
from mmsearch.store.changes import Annotate, Applied, Change, Move, NewItem, Put, Remove, Tag
from mmsearch.store.inserts import PARAMETERS, Inserts
from mmsearch.store.shard import Group

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mmsearch.store.bulk import Bulk
    from mmsearch.types import Metadata

JSON = json.JSONEncoder(allow_nan=False, ensure_ascii=False)  # SQLite finds no name that is written with escapes


@dataclass(frozen=True, slots=True)
class Active:
    """The shard that a group's next rows go to. `crc` is that of its last block if that is partial."""

    id: int
    path: Path
    rows: int
    crc: int


class Transaction:
    """One commit under way, on the driver's own connection: Core takes ten times as long for a small statement."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        folder: Path,
        active: dict[Group, Active],
        shard_rows: int,
    ) -> None:
        self._sql, self._sql_many = connection.execute, connection.executemany
        self._folder, self._active, self._shard_rows = folder, active, shard_rows
        self._last: dict[str, int] = dict(self._sql("SELECT name, seq FROM sqlite_sequence"))
        self._added = 0
        # What this commit has put; it may wait to be written, and must be before it is changed. An item or a file of an
        # earlier commit needs no such flush, each of which waits for the disk.
        self._keys: set[str] = set()
        self._files: set[int] = set()
        self._renamed: set[int] = set()  # files whose names or metadata are others now
        self._bereft: set[int] = set()  # files that lost an item; without any they are forgotten, to be read again
        self._pending: dict[Group, list[tuple[int, NDArray[Any]]]] = defaultdict(list)
        self._inserts = Inserts()

    def apply(self, changes: Sequence[Change | Bulk]) -> int:
        """Apply `changes` in order; the number of segments added, whose rows are on the disk then."""
        for are_records, alike in groupby(changes, lambda change: isinstance(change, Put) and change.file is None):
            if are_records:
                self._records(item for put in alike if isinstance(put, Put) for item in put.items)
            else:
                for change in alike:
                    self._change(change)
        self._flush()
        fulltext.refresh(self._sql, self._renamed)
        for some in _chunks(tuple(self._bereft)):
            self._sql(
                f"DELETE FROM files WHERE id IN ({_marks(some)}) AND error IS NULL "
                "AND id NOT IN (SELECT file_id FROM items WHERE file_id IS NOT NULL)",
                some,
            )
        return self._added

    def _change(self, change: Change | Bulk) -> None:
        match change:
            case Put():
                self._put(change)
            case PutRows():
                self._put_rows(change)
            case AddRows(group, segment_ids, rows):
                self._flush()
                bulk.check(self._sql, change)
                self._append_rows(group, list(segment_ids), rows)
            case Move(file_id, file, metadata):
                self._sql(
                    "UPDATE files SET root_id = ?, path = ?, size = ?, mtime_ns = ?, hash = ? WHERE id = ?",
                    (file.root_id, file.path, file.size, file.mtime_ns, file.hash, file_id),
                )
                self._renamed.add(file_id)
                if metadata is not None:
                    self._annotate(file_id, metadata)
            case Annotate(file_id, metadata):
                self._annotate(file_id, metadata)
            case Tag():
                self._flush()
                tags.write(self._sql, change, _json)
            case Applied(root_id, folder, signature):
                self._sql("INSERT OR REPLACE INTO sidecars VALUES (?, ?, ?)", (root_id, folder, signature))
            case Remove(item_ids, file_ids):
                self._flush()
                self._remove(item_ids)
                self._remove_files(file_ids)

    def _remove_files(self, file_ids: tuple[int, ...]) -> None:
        for some in _chunks(file_ids):
            marks = _marks(some)
            found = self._sql(f"SELECT id FROM items WHERE file_id IN ({marks})", some)
            self._remove(tuple(id_ for (id_,) in found))
            self._sql(f"DELETE FROM files WHERE id IN ({marks})", some)

    def _annotate(self, file_id: int, metadata: Metadata) -> None:
        if file_id in self._files:
            self._flush()
        tags.annotate(self._sql, file_id, metadata, _json)
        self._renamed.add(file_id)

    def _put(self, put: Put) -> None:
        keys: list[str] = []
        file_id = None
        if put.file is not None:
            file = put.file
            known = self._sql("SELECT id FROM files WHERE root_id = ? AND path = ?", (file.root_id, file.path))
            (old,) = known.fetchone() or (None,)
            if old is not None:
                if old in self._files:
                    self._flush()
                old_items = self._sql("SELECT id, key FROM items WHERE file_id = ? ORDER BY id", (old,)).fetchall()
                self._remove(tuple(id_ for id_, _ in old_items))
                if len(old_items) == len(put.items):
                    keys = [key for _, key in old_items]
                    self._keys.update(keys)
            file_id = old if old is not None else self._id("files")
            self._files.add(file_id)
            self._sql(
                "INSERT OR REPLACE INTO files (id, root_id, path, size, mtime_ns, hash, error, reader) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (file_id, file.root_id, file.path, file.size, file.mtime_ns, file.hash, put.error, file.reader),
            )
        for number, item in enumerate(put.items):
            if item.key is not None:
                self._replace({item.key})
            key = item.key or (keys[number] if keys else secrets.token_hex(10))
            self._item(item, key, file_id, None if put.file is None else put.file.path)

    def _records(self, items: Iterable[NewItem]) -> None:
        """Add items without a file; those whose keys are there are replaced, as many as can be at once."""
        some: list[NewItem] = []
        keys: set[str] = set()
        for item in items:
            if item.key is not None and item.key in keys:
                self._add(some, keys)
                some, keys = [], set()
            if item.key is not None:
                keys.add(item.key)
            some.append(item)
        self._add(some, keys)

    def _add(self, items: list[NewItem], keys: set[str]) -> None:
        self._replace(keys)
        for item in items:
            self._item(item, item.key or secrets.token_hex(10), None)

    def _put_rows(self, put: PutRows) -> None:
        keys = set(put.keys)
        if len(keys) < len(put.keys):
            raise StoreError("the keys of rows that are put at once must differ")
        if any(len(rows) != len(put.keys) for rows in (put.rows, *put.also.values())):
            raise StoreError("each key that is put needs one row in every space")
        self._flush()
        self._replace(keys)
        count = len(keys)
        items, segments, nothing = self._ids("items", count), self._ids("segments", count), [None] * count
        self._inserts.add("items", items, put.keys, *[nothing] * 6, map(_json, put.metadata), nothing)
        for item_id, metadata in zip(items, put.metadata, strict=True):
            if metadata:
                self._name(item_id, None, metadata)
        modality = [put.group.modality] * count
        self._inserts.add("segments", segments, items, modality, nothing, nothing, put.excerpts, *[nothing] * 3)
        self._added += count
        for group, rows in {put.group: put.rows, **put.also}.items():
            self._append_rows(group, segments, rows)

    def _replace(self, keys: set[str]) -> None:
        """Remove what has these keys: they are about to be put."""
        if not keys.isdisjoint(self._keys):
            self._flush()
        self._keys |= keys
        self._remove(
            tuple(
                id_
                for some in _chunks(tuple(keys))
                for (id_,) in self._sql(f"SELECT id FROM items WHERE key IN ({_marks(some)})", some)
            )
        )

    def _item(self, item: NewItem, key: str, file_id: int | None, path: bytes | None = None) -> None:
        item_id, properties = self._id("items"), item.properties
        self._inserts.add_row(
            "items", item_id, key, file_id, properties.get("width"), properties.get("height"),
            properties.get("seconds"), properties.get("characters"), properties.get("taken"), _json(item.metadata),
            properties.get("pages"),
        )  # fmt: skip
        self._name(item_id, path, item.metadata)
        for segment in item.segments:
            segment_id = self._id("segments")
            self._inserts.add_row(
                "segments", segment_id, item_id, segment.modality, segment.start, segment.end, segment.excerpt,
                segment.page, *(segment.time or (None, None)),
            )  # fmt: skip
            self._added += 1
            for group, row in segment.rows.items():
                self._pending[group].append((segment_id, row))

    def _name(self, item_id: int, path: bytes | None, metadata: Metadata) -> None:
        row = fulltext.item_row(item_id, path, metadata)
        if row is not None:
            self._inserts.add_row(fulltext.ITEMS, *row)

    def _append(self) -> None:
        """Write all new rows to the active shards and force them to the disk; note where each one lies."""
        for group, pending in self._pending.items():
            ids = [segment_id for segment_id, _ in pending]
            self._append_rows(group, ids, np.stack([row for _, row in pending]))
        self._pending.clear()

    def _append_rows(self, group: Group, ids: Sequence[int], rows: NDArray[Any]) -> None:
        matrix, done = rows.astype(group.dtype, copy=False), 0
        while done < len(ids):
            active = self._active.get(group) or self._new_shard(group)
            take = min(len(ids) - done, self._shard_rows - active.rows)
            self._append_to(group, active, ids[done : done + take], matrix[done : done + take])
            done += take

    def _append_to(self, group: Group, active: Active, ids: Sequence[int], matrix: NDArray[Any]) -> None:
        with np.errstate(invalid="ignore"):
            total = matrix.sum(axis=0, dtype=np.float64)
        if not np.isfinite(total).all():  # exactly if all numbers are: so few cannot overflow float64
            raise StoreError(f"{group.kind} of {group.name} are not finite numbers")
        shards.append(active.path, group, active.rows, matrix)
        crcs = list(shards.extend_checksums(group, active.rows, active.crc, matrix))
        for block, crc in crcs:
            self._sql("INSERT OR REPLACE INTO blocks (shard_id, block, crc) VALUES (?, ?, ?)", (active.id, block, crc))
        grown = replace(active, rows=active.rows + len(ids), crc=crcs[-1][1])
        self._inserts.add("rows", [active.id] * len(ids), range(active.rows, grown.rows), ids)
        sealed = grown.rows >= self._shard_rows
        self._sql(
            "UPDATE shards SET rows = ?, sealed = ?, total = coalesce(?, total) WHERE id = ?",
            (grown.rows, int(sealed), self._total(active.id, group, total), active.id),
        )
        if sealed:
            self._active.pop(group, None)  # one that is new and full at once was never in it
        else:
            self._active[group] = grown

    def _new_shard(self, group: Group) -> Active:
        id_ = self._id("shards")
        file = f"shards/{group.name}/{group.modality}/{id_}.vec"
        shards.create(self._folder / file, group)
        self._sql(
            "INSERT INTO shards (id, kind, name, version, modality, dtype, dim, file, rows, sealed, total, dead) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, 0)",
            (
                id_, group.kind, group.name, group.version, group.modality, group.dtype, group.dim, file,
                np.zeros(group.dim).tobytes(),
            ),
        )  # fmt: skip
        return Active(id_, self._folder / file, 0, 0)

    def _remove(self, item_ids: tuple[int, ...]) -> None:
        for some in _chunks(item_ids):
            marks = _marks(some)
            lost = self._sql(f"SELECT file_id FROM items WHERE id IN ({marks}) AND file_id IS NOT NULL", some)
            self._bereft.update(file_id for (file_id,) in lost)
            where = f"segment_id IN (SELECT id FROM segments WHERE item_id IN ({marks}))"
            dead = self._sql(f'SELECT shard_id, "offset" FROM rows WHERE {where} ORDER BY 1, 2', some).fetchall()
            self._bury(dead)
            self._sql(f"DELETE FROM rows WHERE {where}", some)
            self._sql(f"DELETE FROM segments WHERE item_id IN ({marks})", some)
            self._sql(f"DELETE FROM items WHERE id IN ({marks})", some)

    def _bury(self, dead: Iterable[Any]) -> None:
        by_shard: dict[int, list[int]] = defaultdict(list)
        for shard_id, offset in dead:
            by_shard[shard_id].append(offset)
        for shard_id, offsets in by_shard.items():
            *group_fields, file, rows = self._sql(
                "SELECT kind, name, version, modality, dtype, dim, file, rows FROM shards WHERE id = ?", (shard_id,)
            ).fetchone()
            group = Group(*group_fields)
            self._sql_many("INSERT INTO tombstones VALUES (?, ?)", [(shard_id, offset) for offset in offsets])
            gone = shards.mapped(self._folder / file, group, rows)[offsets]
            total = self._total(shard_id, group, -gone.sum(axis=0, dtype=np.float64))
            self._sql(
                "UPDATE shards SET dead = dead + ?, total = coalesce(?, total) WHERE id = ?",
                (len(offsets), total, shard_id),
            )

    def _total(self, shard_id: int, group: Group, change: NDArray[np.float64]) -> bytes | None:
        """The sum of a shard's vectors after a change; None for features, of which there is none."""
        if group.kind != "vectors":
            return None
        ((total,),) = self._sql("SELECT total FROM shards WHERE id = ?", (shard_id,))
        return (np.frombuffer(total) + change).tobytes()

    def _flush(self) -> None:
        """Hand collected rows to SQLite. Rows that wait to be appended are appended first: they have no place yet."""
        if self._pending:
            self._append()
        self._inserts.flush(self._sql)

    def _ids(self, table: str, count: int) -> range:
        """The next ids of a table."""
        last = self._last.get(table, 0)
        self._last[table] = last + count
        return range(last + 1, last + 1 + count)

    def _id(self, table: str) -> int:
        return self._ids(table, 1)[0]


def _json(metadata: Any) -> str:  # noqa: ANN401  (JSON values)
    if metadata == {}:
        return "{}"
    try:
        text = JSON.encode(dict(metadata))
    except (TypeError, ValueError) as error:
        raise StoreError(f"metadata must be JSON values: {error}") from error
    return text.encode(errors="backslashreplace").decode()  # half of a surrogate pair becomes JSON's own escape


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _chunks(values: tuple[Any, ...]) -> Iterable[tuple[Any, ...]]:
    return (values[i : i + PARAMETERS] for i in range(0, len(values), PARAMETERS))
