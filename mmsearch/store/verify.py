"""Prove that catalog, rows and shard files of an index agree, or name what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import StoreError
from mmsearch.store import shard as shards

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mmsearch.store.snapshot import Shard
    from mmsearch.store.store import Store

# Each finds what must not exist: (what is wrong, SELECT of one number that must be 0).
CHECKS = (
    ("rows name segments that do not exist", "FROM rows WHERE segment_id NOT IN (SELECT id FROM segments)"),
    ("rows name shards that do not exist", "FROM rows WHERE shard_id NOT IN (SELECT id FROM shards)"),
    ("segments name items that do not exist", "FROM segments WHERE item_id NOT IN (SELECT id FROM items)"),
    ("segments have no vector", "FROM segments WHERE id NOT IN (SELECT segment_id FROM rows)"),
    ("items have no segment", "FROM items WHERE id NOT IN (SELECT item_id FROM segments)"),
    (
        "items name files that do not exist",
        "FROM items WHERE file_id IS NOT NULL AND file_id NOT IN (SELECT id FROM files)",
    ),
    (
        "readable files have no item",
        "FROM files WHERE error IS NULL AND id NOT IN (SELECT file_id FROM items WHERE file_id IS NOT NULL)",
    ),
    ("files name roots that do not exist", "FROM files WHERE root_id NOT IN (SELECT id FROM roots)"),
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
    """One sentence for each thing that is wrong; nothing if the index is sound. Reads every byte of it."""
    try:
        for (said,) in store.query("PRAGMA integrity_check"):
            if said != "ok":
                yield f"catalog: {said}"
        for wrong, select in CHECKS:
            count = store.query(f"SELECT count(*) {select}")[0][0]
            if count:
                yield f"catalog: {count} {wrong}"
        for shard in store.snapshot().shards:
            yield from _shard(store, shard)
    except StoreError as error:
        yield str(error)


def _shard(store: Store, shard: Shard) -> Iterator[str]:
    name, group = shard.path.relative_to(store.folder), shard.group
    counted = store.query(
        'SELECT (SELECT count(*) FROM rows WHERE shard_id = ?1 AND "offset" < ?2), '
        '(SELECT count(*) FROM tombstones WHERE shard_id = ?1 AND "offset" < ?2)',
        (shard.id, shard.rows),
    )[0]
    if sum(counted) != shard.rows:
        yield f"{name}: {shard.rows} rows are committed, but {counted[0]} are live and {counted[1]} are dead"
    try:
        with shard.path.open("rb") as file:
            if file.read(shards.HEADER_BYTES) != shards.header(group):
                yield f"{name}: the header is not that of this shard"
    except OSError as error:
        yield f"{name}: cannot be read ({error.strerror})"
        return
    expected = dict(store.query("SELECT block, crc FROM blocks WHERE shard_id = ?", (shard.id,)))
    found = dict(shards.checksums(shard.path, group, shard.rows))
    blocks = -(-shard.rows // group.block_rows)
    if len(found) < blocks:
        yield f"{name}: the file is too short, {len(found)} of {blocks} blocks are whole"
    bad = [block for block, crc in found.items() if expected.get(block) != crc]
    for block in bad:
        first = block * group.block_rows
        yield f"{name}: rows {first} to {min(first + group.block_rows, shard.rows) - 1} have a wrong checksum"
    if not bad and len(found) == blocks and group.kind == "vectors":
        yield from _statistics(str(name), shard)


def _statistics(name: str, shard: Shard) -> Iterator[str]:
    live = np.ones(shard.rows, bool)
    live[shard.dead] = False
    total, longest = np.zeros(shard.group.dim), 0.0
    for start in range(0, shard.rows, 16_384):
        part = np.asarray(shard.matrix[start : start + 16_384], np.float64)
        total += part[live[start : start + 16_384]].sum(axis=0)
        longest = max(longest, float(np.abs(np.linalg.norm(part, axis=1) - 1).max()))
    if longest > 1e-3:
        yield f"{name}: vectors are not of unit norm"
    if not np.allclose(total, shard.total, atol=1e-3 * max(1.0, shard.rows**0.5)):
        yield f"{name}: the stored sum of its vectors is wrong"
