"""One commit under way: rows into shards, then the names of everything into the catalog's transaction."""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import count, groupby, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import IndexDamaged, StoreError
from mmsearch.store import bulk, fulltext, tags
from mmsearch.store import shard as shards
from mmsearch.store.bulk import AddRows, PutRows
from mmsearch.store.changes import Annotate, Applied, Change, Move, NewItem, Put, Remove, Tag
from mmsearch.store.inserts import PARAMETERS, Inserts
from mmsearch.store.shard import Group

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from sqlalchemy import Connection

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
    """One commit under way."""

    def __init__(self, connection: Connection, folder: Path, active: dict[Group, Active], shard_rows: int) -> None:
        self._sql = connection.exec_driver_sql
        self._folder, self._active, self._shard_rows = folder, active, shard_rows
        last: dict[str, int] = {name: seq for name, seq in self._sql("SELECT name, seq FROM sqlite_sequence")}
        self._ids = {table: count(last.get(table, 0) + 1) for table in ("files", "items", "segments", "shards")}
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
        """Apply `changes` in order; the number of segments added."""
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
            found = self._sql(f"SELECT id FROM items WHERE file_id IN ({marks})", some).scalars()
            self._remove(tuple(found))
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
            old = self._sql("SELECT id FROM files WHERE root_id = ? AND path = ?", (file.root_id, file.path)).scalar()
            if old is not None:
                if old in self._files:
                    self._flush()
                old_items = self._sql("SELECT id, key FROM items WHERE file_id = ? ORDER BY id", (old,)).all()
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
        self._flush()
        self._replace(keys)
        ids = [(self._id("items"), self._id("segments")) for _ in put.keys]
        nothing = repeat(None)
        self._inserts.rows["items"] += zip(
            (item_id for item_id, _ in ids), put.keys, *[nothing] * 6, map(_json, put.metadata), nothing, strict=False
        )
        for (item_id, _), metadata in zip(ids, put.metadata, strict=True):
            self._name(item_id, None, metadata)
        self._inserts.rows["segments"] += (
            (segment_id, item_id, put.group.modality, None, None, excerpt, None, None, None)
            for (item_id, segment_id), excerpt in zip(ids, put.excerpts, strict=True)
        )
        self._added += len(ids)
        for group, rows in {put.group: put.rows, **put.also}.items():
            self._append_rows(group, [segment_id for _, segment_id in ids], rows)

    def _replace(self, keys: set[str]) -> None:
        """Remove what has these keys: they are about to be put."""
        if not keys.isdisjoint(self._keys):
            self._flush()
        self._keys |= keys
        self._remove(
            tuple(
                id_
                for some in _chunks(tuple(keys))
                for id_ in self._sql(f"SELECT id FROM items WHERE key IN ({_marks(some)})", some).scalars()
            )
        )

    def _item(self, item: NewItem, key: str, file_id: int | None, path: bytes | None = None) -> None:
        item_id, properties = self._id("items"), item.properties
        self._inserts.rows["items"].append(
            (
                item_id, key, file_id, properties.get("width"), properties.get("height"), properties.get("seconds"),
                properties.get("characters"), properties.get("taken"), _json(item.metadata), properties.get("pages"),
            )
        )  # fmt: skip
        self._name(item_id, path, item.metadata)
        for segment in item.segments:
            segment_id = self._id("segments")
            self._inserts.rows["segments"].append(
                (
                    segment_id, item_id, segment.modality, segment.start, segment.end, segment.excerpt, segment.page,
                    *(segment.time or (None, None)),
                )
            )  # fmt: skip
            self._added += 1
            for group, row in segment.rows.items():
                self._pending[group].append((segment_id, row))

    def _name(self, item_id: int, path: bytes | None, metadata: Metadata) -> None:
        row = fulltext.item_row(item_id, path, metadata)
        if row is not None:
            self._inserts.rows[fulltext.ITEMS].append(row)

    def _append(self) -> None:
        """Write all new rows to the active shards and force them to the disk; note where each one lies."""
        for group, pending in self._pending.items():
            ids = [segment_id for segment_id, _ in pending]
            self._append_rows(group, ids, np.stack([row for _, row in pending]))
        self._pending.clear()

    def _append_rows(self, group: Group, ids: list[int], rows: NDArray[Any]) -> None:
        matrix, done = rows.astype(group.dtype, copy=False), 0
        while done < len(ids):
            active = self._active.get(group) or self._new_shard(group)
            take = min(len(ids) - done, self._shard_rows - active.rows)
            self._append_to(group, active, ids[done : done + take], matrix[done : done + take])
            done += take

    def _append_to(self, group: Group, active: Active, ids: list[int], matrix: NDArray[Any]) -> None:
        if not np.isfinite(matrix).all():
            raise StoreError(f"{group.kind} of {group.name} are not finite numbers")
        if not active.path.exists():
            raise IndexDamaged(f"the shard {active.path} is missing: run `mmsearch verify --repair`")
        shards.append(active.path, group, active.rows, matrix)
        crcs = list(shards.extend_checksums(group, active.rows, active.crc, matrix))
        self._sql_many(
            "INSERT OR REPLACE INTO blocks (shard_id, block, crc) VALUES (?, ?, ?)",
            [(active.id, block, crc) for block, crc in crcs],
        )
        self._inserts.rows["rows"] += [(active.id, active.rows + i, segment_id) for i, segment_id in enumerate(ids)]
        grown = replace(active, rows=active.rows + len(ids), crc=crcs[-1][1])
        sealed = grown.rows >= self._shard_rows
        self._sql("UPDATE shards SET rows = ?, sealed = ? WHERE id = ?", (grown.rows, int(sealed), active.id))
        self._add_to_total(active.id, group, matrix.sum(axis=0, dtype=np.float64))
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
            lost = self._sql(f"SELECT file_id FROM items WHERE id IN ({marks}) AND file_id IS NOT NULL", some).scalars()
            self._bereft.update(lost)
            where = f"segment_id IN (SELECT id FROM segments WHERE item_id IN ({marks}))"
            dead = self._sql(f'SELECT shard_id, "offset" FROM rows WHERE {where} ORDER BY 1, 2', some).all()
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
            ).one()
            group = Group(*group_fields)
            self._sql_many("INSERT INTO tombstones VALUES (?, ?)", [(shard_id, offset) for offset in offsets])
            self._sql("UPDATE shards SET dead = dead + ? WHERE id = ?", (len(offsets), shard_id))
            gone = shards.mapped(self._folder / file, group, rows)[offsets]
            self._add_to_total(shard_id, group, -gone.sum(axis=0, dtype=np.float64))

    def _add_to_total(self, shard_id: int, group: Group, change: NDArray[np.float64]) -> None:
        if group.kind == "vectors":
            total = np.frombuffer(self._sql("SELECT total FROM shards WHERE id = ?", (shard_id,)).scalar_one())
            self._sql("UPDATE shards SET total = ? WHERE id = ?", ((total + change).tobytes(), shard_id))

    def _flush(self) -> None:
        """Hand collected rows to SQLite. Rows that wait to be appended are appended first: they have no place yet."""
        if self._pending:
            self._append()
        self._inserts.flush(self._sql)

    def _sql_many(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            self._sql(statement, rows)

    def _id(self, table: str) -> int:
        return next(self._ids[table])


def _json(metadata: Any) -> str:  # noqa: ANN401  (JSON values)
    try:
        text = JSON.encode(dict(metadata))
    except (TypeError, ValueError) as error:
        raise StoreError(f"metadata must be JSON values: {error}") from error
    return text.encode(errors="backslashreplace").decode()  # half of a surrogate pair becomes JSON's own escape


def _marks(values: Iterable[Any]) -> str:
    return ", ".join("?" for _ in values)


def _chunks(values: tuple[Any, ...]) -> Iterable[tuple[Any, ...]]:
    return (values[i : i + PARAMETERS] for i in range(0, len(values), PARAMETERS))
