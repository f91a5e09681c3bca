"""Prove that catalog, rows and shard files of an index agree, or name what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import StoreError
from mmsearch.store import backgrounds, chains, database, fit_checks, fulltext, migrations, snapshot, structures, tags
from mmsearch.store import shard as shards
from mmsearch.store.fits import BASE
from mmsearch.store.prune import KNOWN, NO_OBJECT, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from mmsearch.store.snapshot import Shard
    from mmsearch.store.store import Store

# Each finds what must not exist: (what is wrong, SELECT of one number that must be 0).
CHECKS = (
    ("rows name segments that do not exist", "FROM rows WHERE segment_id NOT IN (SELECT id FROM segments)"),
    ("rows name shards that do not exist", "FROM rows WHERE shard_id NOT IN (SELECT id FROM shards)"),
    ("dead rows name shards that do not exist", "FROM tombstones WHERE shard_id NOT IN (SELECT id FROM shards)"),
    ("checksums name shards that do not exist", "FROM blocks WHERE shard_id NOT IN (SELECT id FROM shards)"),
    (
        "rows lie beyond the end of their shard",
        'FROM rows r JOIN shards s ON s.id = r.shard_id WHERE r."offset" < 0 OR r."offset" >= s.rows',
    ),
    (
        "dead rows lie beyond the end of their shard",
        'FROM tombstones t JOIN shards s ON s.id = t.shard_id WHERE t."offset" < 0 OR t."offset" >= s.rows',
    ),
    ("segments name items that do not exist", "FROM segments WHERE item_id NOT IN (SELECT id FROM items)"),
    (
        "segments have no vector",
        "FROM segments WHERE id NOT IN (SELECT r.segment_id FROM rows r JOIN shards s ON s.id = r.shard_id "
        f"WHERE s.kind = 'vectors' AND {BASE})",
    ),
    ("segments have an unknown modality", f"FROM segments WHERE modality NOT IN ({KNOWN})"),
    ("items have no segment", "FROM items WHERE id NOT IN (SELECT item_id FROM segments)"),
    ("items have metadata that cannot be read", f"FROM items WHERE {NO_OBJECT}"),
    ("items have tags that cannot be read", f"FROM items WHERE {tags.UNREADABLE}"),
    (
        "items name files that do not exist",
        "FROM items WHERE file_id IS NOT NULL AND file_id NOT IN (SELECT id FROM files)",
    ),
    (
        "readable files have no item",
        "FROM files WHERE error IS NULL AND id NOT IN (SELECT file_id FROM items WHERE file_id IS NOT NULL)",
    ),
    ("files name roots that do not exist", "FROM files WHERE root_id NOT IN (SELECT id FROM roots)"),
    ("metadata files name roots that do not exist", "FROM sidecars WHERE root_id NOT IN (SELECT id FROM roots)"),
    (
        "segments have two rows in one group",
        "FROM (SELECT 1 FROM rows r JOIN shards s ON s.id = r.shard_id "
        "GROUP BY r.segment_id, s.kind, s.name, s.version HAVING count(*) > 1)",
    ),
    (
        "rows are dead and alive at once",
        'FROM rows r JOIN tombstones t ON t.shard_id = r.shard_id AND t."offset" = r."offset"',
    ),
    (
        "rows lie in a shard of another modality",
        "FROM rows r JOIN segments g ON g.id = r.segment_id JOIN shards s ON s.id = r.shard_id "
        "WHERE g.modality <> s.modality",
    ),
)


def verify(store: Store) -> Iterator[str]:
    """One sentence for each thing that is wrong; nothing if the index is sound. Reads every byte of it.

    All of it is seen as it was at one moment, whatever a writer does meanwhile.
    """
    try:
        with database.errors_of(store.folder), store.engine.connect() as connection:
            yield from _catalog(store, connection)
            odd = list(_odd(store, connection))
            yield from odd
            if odd:
                return  # the shards cannot be found
            for shard in snapshot.seen(connection.exec_driver_sql, store.folder).shards:
                yield from _shard(store, connection, shard)
            for _, why in structures.problems(connection.exec_driver_sql, store.folder):
                yield f"{why}: until `mmsearch optimize` makes it anew, search is exact"
            for problem in fit_checks.problems(connection.exec_driver_sql):
                yield f"the fit {problem.name!r}: {problem.said}"
            for said in fulltext.problems(connection.exec_driver_sql):
                yield f"catalog: {said}"
            yield from chains.problems(connection.exec_driver_sql)
            yield from backgrounds.problems(connection.exec_driver_sql)
    except StoreError as error:
        yield str(error)


def _odd(store: Store, connection: Connection) -> Iterator[str]:
    select = "SELECT kind, name, version, modality, dtype, dim, file, rows FROM shards ORDER BY id"
    for *fields, file, rows in connection.exec_driver_sql(select):
        wrong = shards.odd(store.folder, shards.Group(*fields), file, rows)
        if wrong:
            yield f"catalog: {wrong}"


def _catalog(store: Store, connection: Connection) -> Iterator[str]:
    for (said,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if said != "ok":
            yield from (f"catalog: {line}" for line in str(said).splitlines() if not line.startswith("***"))
    for wrong, select in CHECKS:
        try:
            with database.errors_of(store.folder):
                count = connection.exec_driver_sql(f"SELECT count(*) {select}").scalar_one()
        except StoreError as error:
            yield f"catalog: whether {wrong} cannot be told: {error}"
            continue
        if count:
            yield f"catalog: {count} {wrong}"
    count = len(set(unreadable(connection.exec_driver_sql)))
    if count:
        yield f"catalog: {count} items have text that cannot be read"
    if migrations.layout(lambda statement: connection.exec_driver_sql(statement).all()) != migrations.FORMAT:
        yield f"catalog: its tables are not those of format {migrations.FORMAT}"
    if migrations.identity(connection.exec_driver_sql(migrations.MODEL).scalar()) is None:
        yield "catalog: it does not tell which model it is for"


def _shard(store: Store, connection: Connection, shard: Shard) -> Iterator[str]:
    name, group = shard.path.relative_to(store.folder), shard.group
    sql = connection.exec_driver_sql
    live, dead = sql(
        "SELECT (SELECT count(*) FROM rows WHERE shard_id = ?1), (SELECT count(*) FROM tombstones WHERE shard_id = ?1)",
        (shard.id,),
    ).one()
    if live + dead != shard.rows:
        yield f"{name}: {shard.rows} rows are committed, but {live} are live and {dead} are dead"
    counted = sql("SELECT dead FROM shards WHERE id = ?", (shard.id,)).scalar()
    if counted != dead:
        yield f"{name}: {dead} rows are dead, but the catalog counts {counted}"
    expected = {block: crc for block, crc in sql("SELECT block, crc FROM blocks WHERE shard_id = ?", (shard.id,))}  # noqa: C416
    found = shards.examine(shard.path, group, shard.rows, expected)
    if not found.readable and not store.query("SELECT 1 FROM shards WHERE id = ?", (shard.id,)):
        return  # a compaction has removed it meanwhile
    if not found.readable:
        yield f"{name}: the file is missing or cannot be read"
        return
    if not found.header:
        yield f"{name}: the header is not that of this shard"
    blocks = -(-shard.rows // group.block_rows)
    if found.cut:
        yield f"{name}: the file is too short, {blocks - len(found.cut)} of {blocks} blocks are whole"
    for block in sorted(found.bad + found.unproven):
        first = block * group.block_rows
        what = "a wrong" if block in found.bad else "no"
        yield f"{name}: rows {first} to {min(first + group.block_rows, shard.rows) - 1} have {what} checksum"
    if len(expected) > blocks:
        yield f"{name}: there are checksums of {len(expected)} blocks, it has {blocks}"
    if not (found.cut or found.bad or found.unproven) and group.kind == "vectors":
        yield from _statistics(str(name), shard)


def _statistics(name: str, shard: Shard) -> Iterator[str]:
    live = np.ones(shard.rows, bool)
    live[shard.dead] = False
    total, longest = np.zeros(shard.group.dim), 0.0
    for start in range(0, shard.rows, 16_384):
        part = np.asarray(shard.matrix[start : start + 16_384][live[start : start + 16_384]], np.float64)
        total += part.sum(axis=0)
        longest = max(longest, float(np.abs(np.linalg.norm(part, axis=1) - 1).max(initial=0.0)))
    if not longest <= 1e-3:
        yield f"{name}: vectors are not of unit norm"
    if not np.allclose(total, shard.total, atol=1e-3 * max(1.0, shard.rows**0.5)):
        yield f"{name}: the stored sum of its vectors is wrong"
