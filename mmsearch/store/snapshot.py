"""One committed version of an index, as a reader sees it: shards, which of their rows are dead, and means."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import IndexDamaged
from mmsearch.store import chains, fits, structures
from mmsearch.store import shard as shards
from mmsearch.store.shard import Group

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mmsearch.store.structures import Standing


@dataclass(frozen=True)
class Shard:
    """The committed part of a shard file."""

    id: int
    group: Group
    path: Path
    rows: int
    total: NDArray[np.float64]
    dead: NDArray[np.int64]

    @cached_property
    def matrix(self) -> NDArray[Any]:
        """All rows `(rows, dim)`, the dead ones included, memory-mapped.

        Raises:
            IndexDamaged: the file is missing or too short.
        """
        return shards.mapped(self.path, self.group, self.rows)

    @cached_property
    def scattered(self) -> NDArray[Any]:
        """The same, for reading single rows here and there.

        Raises:
            IndexDamaged: as `matrix`.
        """
        try:
            return shards.mapped(self.path, self.group, self.rows, scattered=True)
        except IndexDamaged:
            if not self.is_mapped:
                raise
            return np.asarray(self.matrix)  # a compaction has removed the file

    def part(self, start: int, end: int) -> Shard:
        """The rows from `start` to before `end`, as a shard of their own; its offsets begin at 0."""
        inside = self.dead[(self.dead >= start) & (self.dead < end)] - start
        part = replace(self, rows=max(0, end - start), dead=inside)
        part.__dict__["matrix"] = self.matrix[start:end]
        return part

    @property
    def is_mapped(self) -> bool:
        """Whether `matrix` is there, whatever becomes of the file."""
        return "matrix" in self.__dict__

    @property
    def live(self) -> int:
        """Number of rows that stand for a segment."""
        return self.rows - len(self.dead)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All shards of one catalog version. What is worked out from it can be kept with it: it is hashed as an object.

    `fits` are the spaces and versions of the rows of fits that are active: see `store.fits`. `chains` are those that
    were tuned: see `store.chains.used`.
    """

    version: int
    shards: tuple[Shard, ...]
    structures: tuple[Standing, ...] = ()
    fits: tuple[tuple[str, str], ...] = ()
    chains: tuple[tuple[str, str, str, str, str], ...] = ()

    @cached_property
    def whole(self) -> bool:
        """Whether the files of all shards are there, long enough, and mapped: then they are there for good."""
        return all(shard.is_mapped for shard in self.shards)

    @cached_property
    def by_id(self) -> dict[int, Shard]:
        """Shards by id."""
        return {shard.id: shard for shard in self.shards}

    def of(self, kind: str, name: str, version: str, modality: str) -> tuple[Shard, ...]:
        """The shards of one space's vectors or one encoder's features, of one modality."""
        return self._groups.get((kind, name, version, str(modality)), ())

    @cached_property
    def _groups(self) -> dict[tuple[str, str, str, str], tuple[Shard, ...]]:
        found: dict[tuple[str, str, str, str], tuple[Shard, ...]] = {}
        for shard in self.shards:
            key = (shard.group.kind, shard.group.name, shard.group.version, shard.group.modality)
            found[key] = (*found.get(key, ()), shard)
        return found

    def structures_of(self, some: Sequence[Shard]) -> tuple[Standing, ...]:
        """The approximate structures over rows of the group that these shards are of."""
        if not some or some[0].group.kind != "vectors":
            return ()
        group = some[0].group
        asked = (group.name, group.version, group.modality)
        return tuple(one for one in self.structures if (one.name, one.version, one.modality) == asked)


def seen(sql: Callable[..., Any], folder: Path, previous: Snapshot | None = None) -> Snapshot:
    """The version that a transaction sees, its shards mapped where their files allow it.

    What has not changed is taken from the previous snapshot: after a commit only the tombstones of the shards that
    lost a row are read.

    Args:
        sql: runs a SELECT in the transaction, given its text and its parameters.
        folder: of the index.
        previous: an earlier snapshot of the same index.

    Raises:
        IndexDamaged: the catalog makes no sense.
    """
    version = sql("SELECT value FROM meta WHERE key = 'version'").fetchone()
    found = sql(
        "SELECT id, kind, name, version, modality, dtype, dim, file, rows, total, dead FROM shards "
        "WHERE rows <> 0 ORDER BY id"
    ).fetchall()
    known = {} if previous is None else previous.by_id
    try:
        made = tuple(_shard(sql, folder, known.get(id_), (id_, *values)) for id_, *values in found)
        standings = structures.read(sql, folder, () if previous is None else previous.structures)
        return Snapshot(int(str(version and version[0])), made, standings, fits.active(sql), chains.used(sql))
    except (TypeError, ValueError) as error:
        raise IndexDamaged(
            f"the catalog of {folder} makes no sense ({error}): run `mmsearch verify --repair`"
        ) from error


def _shard(sql: Callable[..., Any], folder: Path, old: Shard | None, values: tuple[Any, ...]) -> Shard:
    id_, *group_fields, file, rows, total, dead = values
    group, path = Group(*group_fields), folder / str(file)
    known = old if old is not None and (old.group, old.path) == (group, path) else None
    if known is not None and (known.rows, len(known.dead)) == (rows, dead) and known.total.tobytes() == total:
        return known
    if known is None or shards.odd_rows(rows):
        wrong = shards.odd(folder, group, file, rows)
        if wrong:
            raise IndexDamaged(f"{wrong}: run `mmsearch verify --repair`")
    if known is not None and known.rows < rows and len(known.dead) == dead:
        offsets = known.dead  # a row that is dead stays so: the same number are the same rows
    else:
        select = 'SELECT "offset" FROM tombstones WHERE shard_id = ? AND "offset" < ? ORDER BY 1'
        offsets = np.array(sql(select, (id_, rows)).fetchall(), np.int64).reshape(-1)
    made = Shard(id_, group, path, rows, np.frombuffer(total).reshape(group.dim), offsets)
    if known is not None and known.rows == rows and known.is_mapped:
        made.__dict__["matrix"] = known.matrix  # where cached_property keeps it
    with suppress(IndexDamaged):  # told when it is searched
        _ = made.matrix
    return made
