"""New rows of the catalog that wait to be handed to SQLite, many in one statement."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Any

from mmsearch.store import fulltext

if TYPE_CHECKING:
    from collections.abc import Callable

PARAMETERS = 500  # per statement; SQLite allows at least 999
COLUMNS = {
    "items": ("id", "key", "file_id", "width", "height", "seconds", "characters", "taken", "metadata", "pages"),
    "segments": ("id", "item_id", "modality", "start", '"end"', "excerpt", "page", "time_start", "time_end"),
    "rows": ("shard_id", '"offset"', "segment_id"),
    fulltext.ITEMS: ("rowid", "name", "metadata"),
}


class Inserts:
    """Rows by table, each with the values of `COLUMNS`; append to them, and `flush`."""

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)

    def flush(self, sql: Callable[[str, list[tuple[Any, ...]]], object]) -> None:
        """Hand all of them to `sql`, which runs a statement for each of its tuples of parameters."""
        for table, columns in COLUMNS.items():
            rows = self.rows.pop(table, [])
            # Each statement writes the last id of its table, which takes as long as a row itself.
            most = PARAMETERS // len(columns)
            whole = len(rows) - len(rows) % most
            into = f"INSERT INTO {table} ({', '.join(columns)}) VALUES"
            one = f"({', '.join('?' * len(columns))})"
            if whole:
                parts = (rows[start : start + most] for start in range(0, whole, most))
                sql(f"{into} {', '.join([one] * most)}", [tuple(chain.from_iterable(part)) for part in parts])
            if len(rows) > whole:
                sql(f"{into} {one}", rows[whole:])
