"""Where the rows of an approximate structure are: its labels stay what they are while compactions move the rows.

::

    labels      first                       first + rows
                  ├──────────────┬─┬──────────┤
                  │   there      │ │          │      gone: what a compaction left out
                  ▼              ▼ ▼          ▼
    shard  0 ───  start ─────────── ──────── end ───  others: of other structures, added since
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

LEVEL = 1  # of zlib: 1.6 bytes for each row that is gone; more work saves a fiftieth
COVERED = "SELECT structure_id, shard_id, first, rows, start, gone FROM covered"
NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Cover:
    """Labels from `first` on that stand for rows of a shard from `start` on, in their order.

    Attributes:
        shard_id: where the rows are.
        first: the first of the labels.
        rows: how many labels.
        start: offset of the first row that is there.
        packed: which of the labels stand for nothing any more, see `pack`; None for none.
    """

    shard_id: int
    first: int
    rows: int
    start: int = 0
    packed: bytes | None = None

    @cached_property
    def gone(self) -> NDArray[np.int64]:
        """Labels that stand for nothing any more, less `first`: `(n,)`, sorted.

        Raises:
            ValueError: they are not what `pack` writes.
        """
        return NONE if self.packed is None else _unpacked(self.packed, self.rows)

    @property
    def there(self) -> int:
        """How many rows."""
        return self.rows - len(self.gone)

    @property
    def end(self) -> int:
        """The offset behind the last row."""
        return self.start + self.there

    @property
    def moved(self) -> bool:
        """Whether labels are not `first` + offset."""
        return self.start != 0 or self.packed is not None

    def inside(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of sorted offsets in the shard that are covered."""
        return offsets[offsets.searchsorted(self.start) : offsets.searchsorted(self.end)]

    def numbers(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """The labels, less `first`, of rows at offsets `(n,)` that are covered."""
        places = offsets - self.start
        if self.packed is None:
            return places
        return places + (self.gone - np.arange(len(self.gone))).searchsorted(places, "right")

    @cached_property
    def odd(self) -> str:
        """What cannot be, whatever shard it is of; empty if all of it can."""
        if not all(isinstance(number, int) and number >= 0 for number in (self.first, self.rows, self.start)):
            return "it covers what are no rows"
        try:
            gone = self.gone
        except ValueError as error:
            return f"which of its rows are gone cannot be read ({error})"
        if len(gone) and not (gone[0] >= 0 and gone[-1] < self.rows and (np.diff(gone) > 0).all()):
            return "rows are gone that it did not have"
        return ""


def pack(gone: NDArray[np.int64]) -> bytes | None:
    """Sorted numbers `(n,)` as a catalog keeps them: little-endian int64, compressed by zlib; None for none."""
    return zlib.compress(np.ascontiguousarray(gone, "<i8").tobytes(), LEVEL) if len(gone) else None


def _unpacked(packed: object, most: int) -> NDArray[np.int64]:
    if not isinstance(packed, bytes):
        raise ValueError("they are no bytes")
    reader = zlib.decompressobj()
    try:
        found = reader.decompress(packed, 8 * most + 1)  # no more memory than sound ones need, whatever the bytes say
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not reader.eof or len(found) % 8 or not found:
        raise ValueError("they are too many, or cut short")
    return np.frombuffer(found, "<i8").astype(np.int64)


def read(sql: Callable[[str], Iterable[Any]], previous: Iterable[tuple[int, Cover]] = ()) -> list[tuple[int, Cover]]:
    """Ids of structures, each with something that it covers, in order of label; what makes no sense included.

    Those of `previous` that are still the same are taken from there, read as they are.
    """
    known = {(id_, cover.first): cover for id_, cover in previous}
    found = []
    for id_, *fields in sql(f"{COVERED} ORDER BY 1, first"):
        cover = Cover(*fields)
        old = known.get((id_, cover.first))
        found.append((id_, cover if old is None or old != cover else old))
    return found


def odd(covers: Iterable[Cover], labels: int, lengths: Mapping[int, int]) -> str:
    """What cannot be of all that one structure covers, in order of label; empty if all of it can.

    Args:
        covers: of the structure.
        labels: that it has.
        lengths: how many rows each shard has that there is.
    """
    end, taken = 0, []
    for cover in covers:
        if cover.odd:
            return cover.odd
        if cover.first < end:
            return "its rows overlap"
        end = cover.first + cover.rows
        if cover.end > lengths.get(cover.shard_id, cover.end):
            return "it covers rows that are in no shard"
        taken.append((cover.shard_id, cover.start, cover.end))
    if end > labels:
        return "it covers rows that it does not have"
    taken = sorted(one for one in taken if one[1] < one[2])
    if any(one[0] == other[0] and other[1] < one[2] for one, other in zip(taken, taken[1:], strict=False)):
        return "it covers rows twice"
    return ""


def enter(sql: Callable[..., Any], structure_id: int, covers: Iterable[Cover]) -> None:
    """Write what a structure covers, inside the caller's transaction."""
    for cover in covers:
        sql(
            "INSERT INTO covered (structure_id, shard_id, first, rows, start, gone) VALUES (?, ?, ?, ?, ?, ?)",
            (structure_id, cover.shard_id, cover.first, cover.rows, cover.start, cover.packed),
        )


def follow(sql: Callable[..., Any], sources: Sequence[int], target: int) -> None:
    """Let structures cover in one new shard what they covered in others, inside the caller's transaction.

    To be called while the tombstones of these are still there.

    Args:
        sql: runs a statement, given its text and its parameters.
        sources: ids of shards whose live rows were copied one behind the other.
        target: id of the shard that they were copied to.
    """
    start = 0
    for source in sources:
        dead = np.fromiter(
            sql('SELECT "offset" FROM tombstones WHERE shard_id = ? ORDER BY 1', (source,)).scalars(), np.int64
        )
        rows = sql("SELECT rows FROM shards WHERE id = ?", (source,)).scalar_one()
        for id_, *fields in sql(f"{COVERED} WHERE shard_id = ?", (source,)).all():
            cover = Cover(*fields)
            if cover.odd or cover.end > rows:
                continue  # what does not follow goes with its shard
            after = _followed(cover, dead, target, start)
            if after.there:
                sql(
                    "UPDATE covered SET shard_id = ?, start = ?, gone = ? WHERE structure_id = ? AND first = ?",
                    (after.shard_id, after.start, after.packed, id_, after.first),
                )
        start += rows - len(dead)


def _followed(cover: Cover, dead: NDArray[np.int64], target: int, start: int) -> Cover:
    """What is covered once the rows `dead` of the shard are gone, and the others begin at `start` of another."""
    died = cover.inside(dead)
    packed = pack(np.sort(np.concatenate([cover.gone, cover.numbers(died)]))) if len(died) else cover.packed
    begins = start + cover.start - int(dead.searchsorted(cover.start))
    return Cover(target, cover.first, cover.rows, begins, packed)
