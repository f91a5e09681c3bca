"""Many items that are alike, or rows of many segments, as one change: what imports and fits are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from mmsearch.errors import StoreError
from mmsearch.store.inserts import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.store.shard import Group
    from mmsearch.types import Metadata


@dataclass(frozen=True, slots=True)
class PutRows:
    """Items without a file, each of one segment with one row; those whose keys are there are replaced.

    A `Put` for each of them would do the same, in three times the time.

    Attributes:
        keys: n different ones.
        metadata: of each.
        excerpts: of each.
        group: where their rows belong.
        rows: `(n, dim)`.
        also: their rows in other groups.
    """

    keys: Sequence[str]
    metadata: Sequence[Metadata]
    excerpts: Sequence[str | None]
    group: Group
    rows: NDArray[Any]
    also: Mapping[Group, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AddRows:
    """A row in one more group for segments that are there.

    Attributes:
        group: where the rows belong; none of the segments has one in it.
        segment_ids: n different ones, of the modality of the group.
        rows: `(n, dim)`.
    """

    group: Group
    segment_ids: Sequence[int]
    rows: NDArray[Any]


Bulk: TypeAlias = PutRows | AddRows


def check(sql: Callable[..., Any], add: AddRows) -> None:
    """See that rows can be added, in a transaction that sees the segments.

    Raises:
        StoreError: they are not as many as the segments or not as long as rows of the group; or a segment is named
            twice, is not there, is of another modality, or has a row of the group.
    """
    group, ids = add.group, tuple(add.segment_ids)
    if add.rows.shape != (len(ids), group.dim):
        raise StoreError(f"rows of the shape {add.rows.shape} are none of {group.dim} numbers for {len(ids)} segments")
    if len(set(ids)) < len(ids):
        raise StoreError("the segments that are given rows at once must differ")
    for some in (ids[start : start + PARAMETERS] for start in range(0, len(ids), PARAMETERS)):
        marks = ", ".join("?" * len(some))
        ((there,),) = sql(
            f"SELECT count(*) FROM segments WHERE id IN ({marks}) AND modality = ?", (*some, group.modality)
        )
        if there < len(some):
            raise StoreError(f"{len(some) - there} segments that are given {group.modality} rows are gone or no such")
        ((known,),) = sql(
            f"SELECT count(*) FROM rows r JOIN shards s ON s.id = r.shard_id WHERE r.segment_id IN ({marks}) "
            "AND s.kind = ? AND s.name = ? AND s.version = ?",
            (*some, group.kind, group.name, group.version),
        )
        if known:
            raise StoreError(f"{known} segments have rows of {group.name} {group.version} already")
