"""Cleaning up after a writer that died, under the lock of the next one, and removing files that nothing names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmsearch.errors import IndexDamaged
from mmsearch.store import fits, structures
from mmsearch.store import shard as shards
from mmsearch.store.shard import Group
from mmsearch.store.transaction import Active

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Engine


def recover(engine: Engine, folder: Path) -> dict[Group, Active]:
    """Take away what was left: rows of a fit that was not installed to its end, tails of shards, files without a name.

    Returns:
        The shards that the next rows of their groups go to.

    Raises:
        IndexDamaged: the catalog names a shard that cannot be.
    """
    made: dict[Group, Active] = {}
    with engine.begin() as connection:
        if fits.drop_idle(connection.exec_driver_sql):
            connection.exec_driver_sql("UPDATE meta SET value = value + 1 WHERE key = 'version'")
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT id, kind, name, version, modality, dtype, dim, file, rows, sealed, "
            "(SELECT crc FROM blocks WHERE shard_id = id ORDER BY block DESC LIMIT 1) FROM shards"
        ).all()
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
    sweep(folder, named(engine, folder))
    _remove(folder, f"{structures.SUFFIX}.new", set())
    return made


def named(engine: Engine, folder: Path) -> dict[str, set[Path]]:
    """The files that the catalog names, by their suffix."""
    found = {}
    with engine.connect() as connection:
        for table, suffix in (("shards", ".vec"), ("structures", structures.SUFFIX)):
            files = connection.exec_driver_sql(f"SELECT file FROM {table}").scalars()
            found[suffix] = {folder / file for file in files}
    return found


def sweep(folder: Path, kept: Mapping[str, set[Path]]) -> None:
    """Remove files of shards and structures that are not among those that the catalog names."""
    for suffix, files in kept.items():
        _remove(folder, suffix, files)


def _remove(folder: Path, suffix: str, named: set[Path]) -> None:
    """Remove the files below `shards` that are called so and not named."""
    inside = folder.resolve()
    for path in (folder / "shards").rglob(f"*{suffix}"):
        ours = path.parent.resolve().is_relative_to(inside) and (path.is_symlink() or path.is_file())
        if ours and path not in named:
            path.unlink()
