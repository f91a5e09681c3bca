"""One committed version of an index, as a reader sees it: shards, which of their rows are dead, and means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import IndexDamaged
from mmsearch.store import database
from mmsearch.store import shard as shards
from mmsearch.store.shard import Group

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from sqlalchemy import Connection, Engine


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

    @property
    def live(self) -> int:
        """Number of rows that stand for a segment."""
        return self.rows - len(self.dead)


@dataclass(frozen=True)
class Snapshot:
    """All shards of one catalog version."""

    version: int
    shards: tuple[Shard, ...]

    @cached_property
    def by_id(self) -> dict[int, Shard]:
        """Shards by id."""
        return {shard.id: shard for shard in self.shards}

    def of(self, kind: str, name: str, version: str, modality: str) -> tuple[Shard, ...]:
        """The shards of one space's vectors or one encoder's features, of one modality."""
        asked = (kind, name, version, modality)
        return tuple(
            shard
            for shard in self.shards
            if (shard.group.kind, shard.group.name, shard.group.version, shard.group.modality) == asked
        )


def read(engine: Engine, folder: Path) -> Snapshot:
    """The newest committed version.

    Raises:
        IndexDamaged: the catalog cannot be read, or makes no sense.
        StoreError: it cannot be read now.
    """
    with database.errors_of(folder), engine.connect() as connection:
        return seen(connection, folder)


def seen(connection: Connection, folder: Path) -> Snapshot:
    """The version that a transaction sees.

    Raises:
        IndexDamaged: the catalog makes no sense.
    """
    sql = connection.exec_driver_sql
    version = sql("SELECT value FROM meta WHERE key = 'version'").scalar()
    dead: dict[int, list[int]] = {}
    for shard_id, offset in sql('SELECT shard_id, "offset" FROM tombstones ORDER BY 1, 2'):
        dead.setdefault(shard_id, []).append(offset)
    found = sql(
        "SELECT id, kind, name, version, modality, dtype, dim, file, rows, total FROM shards "
        "WHERE rows <> 0 ORDER BY id"
    ).all()
    for _, *group_fields, file, rows, _ in found:
        wrong = shards.odd(folder, Group(*group_fields), file, rows)
        if wrong:
            raise IndexDamaged(f"{wrong}: run `mmsearch verify --repair`")
    try:
        return Snapshot(
            int(str(version)),
            tuple(
                Shard(
                    id_,
                    Group(*group_fields),
                    folder / file,
                    rows,
                    np.frombuffer(total).reshape(group_fields[-1]),
                    np.array([offset for offset in dead.get(id_, []) if offset < rows], dtype=np.int64),
                )
                for id_, *group_fields, file, rows, total in found
            ),
        )
    except (TypeError, ValueError) as error:
        raise IndexDamaged(
            f"the catalog of {folder} makes no sense ({error}): run `mmsearch verify --repair`"
        ) from error
