"""The rows that are exported: those of one version of an index, item by item, a page at a time."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select, tuple_

from mmsearch.errors import FilterError, QueryError
from mmsearch.exchange.rows import COLUMNS
from mmsearch.search.survivors import Survivors
from mmsearch.search.where import parse
from mmsearch.store import database, schema
from mmsearch.store.fits import is_fit
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Select

    from mmsearch.store.shard import Group
    from mmsearch.store.snapshot import Snapshot
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray

PAGE_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows: their vectors `(n, d)` float32, and a value of each column of `rows.COLUMNS` for each."""

    vectors: FloatArray
    columns: dict[str, list[Any]]


class Selection:
    """Rows of one view of an index.

    Args:
        view: read as long as pages are asked for.
        modalities: only segments of these; of all, if there is none.
        space: only vectors of this space, which can be that of a fit that is in use; else those of fits are left out.
        where: only what this filter leaves.

    Raises:
        QueryError: there is nothing of that kind, or it has vectors of several lengths.
        FilterError: the filter makes no sense.
    """

    def __init__(
        self, view: View, modalities: Collection[str] = (), space: str | None = None, where: str | None = None
    ) -> None:
        for modality in modalities:
            Modality.named(modality)
        self._view = view
        self._shards = {
            shard.id: shard
            for shard in view.snapshot().shards
            if shard.group.kind == "vectors"
            and (not modalities or shard.group.modality in modalities)
            and _meant(shard.group, space, view.snapshot())
        }
        dims = {shard.group.dim for shard in self._shards.values()}
        names = sorted({shard.group.name for shard in self._shards.values()})
        if len(dims) > 1:
            raise QueryError(f"vectors of several lengths do not fit one file; export one of {', '.join(names)}")
        if not dims:
            raise QueryError(f"the index {view.folder} holds no vectors of that kind")
        (self.dim,) = dims
        self._filter = None
        if where is not None:
            Survivors().check(where, view)
            self._filter = parse(where).clause
        self._roots = {id_: os.fsdecode(root) for id_, root in view.roots().items()}

    def pages(self) -> Iterator[Page]:
        """All rows in the order in which items were added, `PAGE_ROWS` at a time.

        Raises:
            IndexDamaged: the catalog or a shard cannot be read.
            FilterError: the filter holds a value that the catalog cannot.
        """
        last = (0, 0)
        while found := self._rows(last):
            if len(found) == PAGE_ROWS:  # the rows of the last segment may go on
                whole = [row for row in found if row[1] != found[-1][1]]
                found = whole or found
            last = (found[-1][0], found[-1][1])
            yield self._page(found)

    def _rows(self, last: tuple[int, int]) -> list[tuple[Any, ...]]:
        try:
            return self._view.select(self._statement(last))
        except (OverflowError, UnicodeError) as error:
            raise FilterError(f"filter: the catalog cannot evaluate it: {error}") from error
        except sqlite3.Error as error:
            raise database.translated(self._view.folder, error) from error

    def _statement(self, last: tuple[int, int]) -> Select[Any]:
        s, i, f, r = schema.segments.c, schema.items.c, schema.files.c, schema.rows.c
        statement = (
            select(
                s.item_id, s.id, r.shard_id, r.offset, s.modality, s.start, s.end, s.page, s.time_start, s.time_end,
                s.excerpt, i.key, i.metadata, i.width, i.height, i.seconds, i.characters, i.pages, i.taken, f.root_id,
                f.path,
            )
            .select_from(
                schema.segments.join(schema.rows, r.segment_id == s.id)
                .join(schema.items, i.id == s.item_id)
                .outerjoin(schema.files, f.id == i.file_id)
            )
            # + 0 keeps SQLite from going through whole shards, and sorting them, for every page.
            .where(tuple_(s.item_id, s.id) > last, (r.shard_id + 0).in_(list(self._shards)))
            .order_by(s.item_id, s.id, r.shard_id)
            .limit(PAGE_ROWS)
        )  # fmt: skip
        return statement if self._filter is None else statement.where(self._filter)

    def _page(self, found: list[tuple[Any, ...]]) -> Page:
        vectors = np.empty((len(found), self.dim), np.float32)
        places = np.array([row[2:4] for row in found], np.int64)
        for shard_id in np.unique(places[:, 0]):
            at = np.flatnonzero(places[:, 0] == shard_id)
            vectors[at] = self._shards[int(shard_id)].matrix[places[at, 1]]
        columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        for row in found:
            for name, value in self._row(row).items():
                columns[name].append(value)
        return Page(vectors, columns)

    def _row(self, row: tuple[Any, ...]) -> dict[str, Any]:
        _, _, shard_id, _, modality, start, end, page, time_start, time_end, excerpt, key, metadata, *rest = row
        width, height, seconds, characters, pages, taken, root_id, path = rest
        known = {
            "width": width, "height": height, "seconds": seconds, "characters": characters, "pages": pages,
            "taken": taken,
        }  # fmt: skip
        where, said = None, json.loads(metadata)
        if path is not None:
            where = os.path.join(self._roots[root_id], os.fsdecode(path))  # noqa: PTH118  (once per row)
            where = where.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        elif isinstance(said.get("path"), str):  # where an import puts it: what has no file has no other place for it
            where = said.pop("path")
        return {
            "id": key, "modality": modality, "space": self._shards[shard_id].group.name, "start": start, "end": end,
            "page": page, "time_start": time_start, "time_end": time_end, "path": where, "metadata": said,
            "properties": {name: value for name, value in known.items() if value is not None}, "excerpt": excerpt,
        }  # fmt: skip


def _meant(group: Group, space: str | None, snapshot: Snapshot) -> bool:
    """Whether rows of a group are of the space that is asked for, or are what the index holds if none is."""
    if is_fit(group.name):
        return space == group.name and (group.name, group.version) in snapshot.fits
    return space in (None, group.name)
