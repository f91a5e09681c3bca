"""Make an index that is damaged agree with itself again, and keep the items of which every part is intact.

::

    catalog ─► readable again ─► what dangles is noted ─► shards read, block by block ─► vectors projected again
            ─► header, length and mended rows written ─► one transaction: lost items out, checksums and sums right

The catalog, if it must be, is copied and swapped by one rename. Shards are mended where they are, inside the index
folder: headers, rows of damaged blocks and rows that cannot be what they should are written over before the transaction
ends, rows that are proven to be intact never. So whoever kills this at any moment can start it again. Media files are
not touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsearch.store import database, migrations, salvage
from mmsearch.store.mending import Mending
from mmsearch.store.store import Store
from mmsearch.store.verify import verify
from mmsearch.store.writer import Writer, locked

if TYPE_CHECKING:
    from pathlib import Path

    from mmsearch.store.mending import Projector


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did.

    Attributes:
        done: sentences; empty if nothing had to be done.
        kept: items in the index now.
        lost: items that had to be removed, by path or id, with the reason.
        again: files that the next `mmsearch index` reads again.
        left: what `verify` finds all the same; empty unless the disk goes on failing.
    """

    done: tuple[str, ...]
    kept: int
    lost: tuple[str, ...]
    again: tuple[Path, ...]
    left: tuple[str, ...]


def repair(folder: Path, projector: Projector | None = None, *, wait: float = 0.0) -> Repaired:
    """Repair the index in a folder; one that is sound stays as it is.

    Args:
        folder: of the index.
        projector: given the identity of the index's model, gives what computes vectors from stored features; called
            only if there is a vector to be computed again. Without it, the items of such vectors are lost.
        wait: seconds to wait for another writer.

    Raises:
        IndexNotFound: there is no index.
        IndexDamaged: nothing can be salvaged from its catalog, or it does not tell its model.
        IndexLocked: another process is writing.
        IndexTooNew: a newer mmsearch wrote it.
        StoreError: another process reads a catalog that must be replaced; the disk is full or fails.
    """
    if not folder.is_dir():
        salvage.mend(folder)  # raises what there is to say
    lock = locked(folder, wait=wait)
    engine = None
    try:
        done = salvage.mend(folder)
        engine = database.engine(folder, write=True)
        with database.errors_of(folder), engine.begin() as connection:
            migrations.migrate(connection)
            work = Mending(connection, folder, projector)
            lost, again = work.run()
            if done or work.said:
                connection.exec_driver_sql("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'version'")
        done += work.said
        Writer(folder, engine, lock).close()
    finally:
        if engine is not None:
            engine.dispose()
        lock.release()
    store = Store.open(folder)
    try:
        kept = int(store.query("SELECT count(*) FROM items")[0][0])
        return Repaired(tuple(done), kept, lost, again, tuple(verify(store)))
    finally:
        store.close()
