"""Cleaning up after a writer that died, under the lock of the next one, and removing files that nothing names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsearch.errors import IndexDamaged
from mmsearch.store import fits, structures
from mmsearch.store import shard as shards
from mmsearch.store.shard import Group
from mmsearch.store.transaction import Active

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from sqlalchemy import Engine

SUFFIXES = (".vec", structures.SUFFIX)


def recover(engine: Engine, folder: Path) -> dict[Group, Active]:
    """Take away what was left: rows of a fit that was not installed to its end, tails of shards, files without a name.

    Returns:
        The shards that the next rows of their groups go to.

    Raises:
        IndexDamaged: the catalog names a shard that cannot be.
    """
    made: dict[Group, Active] = {}
    with engine.begin() as connection:
        sql = connection.exec_driver_sql
        if fits.drop_idle(sql):
            sql("UPDATE meta SET value = value + 1 WHERE key = 'version'")
        found = sql(
            "SELECT id, kind, name, version, modality, dtype, dim, file, rows, sealed, "
            "(SELECT crc FROM blocks WHERE shard_id = id ORDER BY block DESC LIMIT 1) FROM shards"
        ).all()
        kept = _named(sql, folder)
    for id_, *group_fields, file, rows, sealed, crc in found:
        group = Group(*group_fields)
        wrong = shards.odd(folder, group, file, rows)
        if wrong:
            raise IndexDamaged(f"{wrong}: run `mmsearch verify --repair`")
        path = folder / file
        end = shards.HEADER_BYTES + rows * group.row_bytes
        if not path.is_file() or path.stat().st_size < end:
            continue  # `verify` tells; a writer must not make it worse
        if path.stat().st_size > end:
            with path.open("r+b") as handle:
                handle.truncate(end)
        if not sealed:
            made[group] = Active(id_, path, rows, crc or 0)
    sweep(folder, kept, (*SUFFIXES, f"{structures.SUFFIX}.new"))
    return made


def named(engine: Engine, folder: Path) -> set[Path]:
    """The files that the catalog names, of shards and of structures."""
    with engine.connect() as connection:
        return _named(connection.exec_driver_sql, folder)


def _named(sql: Callable[[str], Iterable[Any]], folder: Path) -> set[Path]:
    return {folder / file for (file,) in sql("SELECT file FROM shards UNION ALL SELECT file FROM structures")}


def sweep(folder: Path, kept: Collection[Path], suffixes: tuple[str, ...] = SUFFIXES) -> None:
    """Remove files of shards and structures, or those that are called so, but for those that are `kept`."""
    for parent, folders, files in os.walk(folder / "shards"):
        if not Path(parent).resolve().is_relative_to(folder.resolve()):  # a junction, which is no link to Python 3.11
            continue
        for path in (Path(parent, name) for name in (*folders, *files) if name.endswith(suffixes)):
            if path not in kept and (path.is_symlink() or path.is_file()):
                path.unlink()
