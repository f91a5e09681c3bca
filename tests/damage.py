"""Ways to damage an index, for tests; and the fake model's way from features back to vectors."""

import random
import sqlite3

import numpy as np

from mmsearch.encoders.fake import fake
from mmsearch.store import database, shard
from mmsearch.types import Modality


def projector(identity):
    """What the engine supplies, for the fake model."""
    assert identity["name"] == "fake"
    (head,) = fake().heads

    def project(wanted, given, features):
        assert (wanted.name, given.name) == (head.space.name, "fake")
        return head.project(features.astype(np.float32), Modality(wanted.modality))

    return project


def change(path, place, length=1):
    """Change bytes at a place; negative ones count from the end."""
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place : place + length] = bytes(byte ^ 0xA5 for byte in data[place : place + length])
    path.write_bytes(bytes(data))


def shard_of(folder, kind, modality, number=0):
    """The file of a shard of a kind and a modality, the first if no other is named."""
    with sqlite3.connect(folder / database.CATALOG) as connection:
        found = connection.execute(
            "SELECT file FROM shards WHERE kind = ? AND modality = ? ORDER BY id", (kind, modality)
        ).fetchall()
    connection.close()
    return folder / found[number][0]


def change_row(path, offset, group):
    """Change one byte of a row."""
    change(path, shard.HEADER_BYTES + offset * group.row_bytes + 2)


def zero_page(folder, number):
    """Overwrite a page of the catalog (the first is 1), the log folded in."""
    with sqlite3.connect(folder / database.CATALOG) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    path = folder / database.CATALOG
    data = bytearray(path.read_bytes())
    data[(number - 1) * 4096 : number * 4096] = random.Random(number).randbytes(4096)
    path.write_bytes(bytes(data))


def pages_of(folder, name):
    """The numbers of the pages of a table or an index, its root first."""
    with sqlite3.connect(folder / database.CATALOG) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = [n for (n,) in connection.execute("SELECT pageno FROM dbstat WHERE name = ? ORDER BY path", (name,))]
    connection.close()
    return pages
