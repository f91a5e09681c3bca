"""New rows of the catalog that wait to be handed to SQLite, many in one statement."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from mmsearch.store import fulltext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PARAMETERS = 500  # per statement; SQLite allows at least 999
COLUMNS = {
    "items": ("id", "key", "file_id", "width", "height", "seconds", "characters", "taken", "metadata", "pages"),
    "segments": ("id", "item_id", "modality", "start", '"end"', "excerpt", "page", "time_start", "time_end"),
    "rows": ("shard_id", '"offset"', "segment_id"),
    fulltext.ITEMS: ("rowid", "name", "metadata"),
}


class Inserts:
    """New rows by table, column by column; add them, and `flush`."""

    def __init__(self) -> None:
        self._columns: dict[str, list[list[Any]]] = {table: [[] for _ in names] for table, names in COLUMNS.items()}

    def add(self, table: str, *columns: Iterable[Any]) -> None:
        """Rows with these columns, those of `COLUMNS`, all of one length."""
        for column, values in zip(self._columns[table], columns, strict=True):
            column.extend(values)

    def add_row(self, table: str, *values: Any) -> None:  # noqa: ANN401  (whatever SQLite can hold)
        """One row."""
        for column, value in zip(self._columns[table], values, strict=True):
            column.append(value)

    def flush(self, sql: Callable[[str, list[Any]], object]) -> None:
        """Hand all of them to `sql`, which runs a statement with its parameters."""
        for table, columns in self._columns.items():
            if columns[0]:
                _insert(sql, table, columns)
            for column in columns:
                column.clear()


def _insert(sql: Callable[[str, list[Any]], object], table: str, columns: list[list[Any]]) -> None:
    rows = len(columns[0])
    # What no row has a value for is left out: to be handed a NULL takes SQLite as long as any other value.
    told = [(name, column) for name, column in zip(COLUMNS[table], columns, strict=True) if column.count(None) < rows]
    names, width = ", ".join(name for name, _ in told), len(told)
    flat = list(chain.from_iterable(zip(*(column for _, column in told), strict=True)))
    # Each statement writes the last id of its table, which takes as long as a row itself.
    most = PARAMETERS // width
    into, row = f"INSERT INTO {table} ({names}) VALUES", f"({', '.join('?' * width)})"
    whole, rest = f"{into} {', '.join([row] * most)}", rows % most
    for start in range(0, (rows - rest) * width, most * width):
        sql(whole, flat[start : start + most * width])
    if rest:
        sql(f"{into} {', '.join([row] * rest)}", flat[-rest * width :])
