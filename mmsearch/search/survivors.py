"""Which rows of the shards a filter leaves."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from mmsearch.errors import FilterError
from mmsearch.search.where import metadata_field, parse
from mmsearch.store.schema import files, items, rows, segments
from mmsearch.store.tags import PROBABILITY, fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.search.where import Filter
    from mmsearch.store.snapshot import Shard
    from mmsearch.store.view import View

KEPT = 64


class Survivors:
    """Answers from a small cache while the catalog does not change."""

    def __init__(self) -> None:
        self._cache: OrderedDict[tuple[int, str, tuple[int, ...]], Mapping[int, NDArray[np.int64]]] = OrderedDict()

    def rows(self, where: str, view: View, shards: Sequence[Shard]) -> Mapping[int, NDArray[np.int64]]:
        """Sorted offsets of the rows that satisfy the filter, by shard id.

        Raises:
            FilterError: the filter cannot be parsed or names an unknown field.
        """
        key = (view.snapshot().version, where, tuple(shard.id for shard in shards))
        found = self._cache.get(key)
        if found is None:
            with _translated():
                found = self._cache[key] = self._select(parse(where), view, shards)
            if len(self._cache) > KEPT:
                self._cache.popitem(last=False)
        return found

    def items(self, where: str, view: View) -> set[int]:
        """Items of which a segment satisfies the filter.

        Raises:
            FilterError: the filter cannot be parsed or names an unknown field.
        """
        with _translated():
            parsed = parse(where)
            self._check(parsed, view)
            statement = (
                select(segments.c.item_id)
                .join(items, items.c.id == segments.c.item_id)
                .outerjoin(files, files.c.id == items.c.file_id)
                .where(parsed.clause)
            )
            return {item for (item,) in view.select(statement)}

    def check(self, where: str, view: View) -> None:
        """Raise the error of a filter that cannot be used."""
        with _translated():
            self._check(parse(where), view)

    def _select(self, parsed: Filter, view: View, shards: Sequence[Shard]) -> dict[int, NDArray[np.int64]]:
        self._check(parsed, view)
        statement = (
            select(rows.c.shard_id, rows.c.offset)
            .join(segments, segments.c.id == rows.c.segment_id)
            .join(items, items.c.id == segments.c.item_id)
            .outerjoin(files, files.c.id == items.c.file_id)
            .where(rows.c.shard_id.in_([shard.id for shard in shards]), parsed.clause)
        )
        found = np.array(view.select(statement), np.int64).reshape(-1, 2)
        return {
            shard.id: np.sort(offsets[offsets < shard.rows])
            for shard in shards
            for offsets in (found[found[:, 0] == shard.id, 1],)
        }

    def _check(self, parsed: Filter, view: View) -> None:
        for name in sorted(parsed.metadata_fields):
            known = select(items.c.id).where(metadata_field(name).is_not(None)).limit(1)
            if not view.select(known):
                tags = (known for field in fields(view) for known in (field, f"{field}{PROBABILITY}"))
                raise parsed.unknown(name, tags)


@contextmanager
def _translated() -> Iterator[None]:
    """Values that SQLite cannot hold, and expressions that are too long for it, are errors of the filter."""
    try:
        yield
    except (OverflowError, UnicodeError, SQLAlchemyError, sqlite3.Error) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise FilterError(f"filter: the catalog cannot evaluate it: {reason}") from error
