import sqlite3
import zlib

import numpy as np
import pytest
from sqlalchemy import create_engine

from mmsearch.store import covers, migrations
from mmsearch.store.covers import Cover, pack


def test_labels_and_rows_belong_together():
    cover = Cover(7, 100, 10, start=20, packed=pack(np.array([0, 3, 4, 9])))
    assert (cover.there, cover.end, cover.moved) == (6, 26, True)
    assert cover.gone.tolist() == [0, 3, 4, 9]
    assert cover.numbers(np.arange(20, 26)).tolist() == [1, 2, 5, 6, 7, 8]
    assert cover.inside(np.array([0, 19, 20, 23, 26])).tolist() == [20, 23]
    plain = Cover(7, 100, 10)
    assert (plain.there, plain.end, plain.moved, plain.odd) == (10, 10, False, "")
    assert plain.numbers(np.array([0, 9])).tolist() == [0, 9]
    assert pack(np.array([], np.int64)) is None


@pytest.fixture
def catalog():
    """An empty catalog of the newest format."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrations.migrate(connection)
        yield connection.exec_driver_sql
    engine.dispose()


def test_rows_are_followed_through_many_compactions(catalog):
    """Against a model: the shards as lists of the labels that their rows have."""
    random = np.random.default_rng(3)
    shards = {1: list(range(100, 140)), 2: list(range(140, 180)), 3: list(range(200, 230)) + [None] * 20}
    covers.enter(catalog, 1, [Cover(1, 100, 40), Cover(2, 140, 40)])
    covers.enter(catalog, 2, [Cover(3, 200, 30)])
    for id_, rows in shards.items():
        insert(catalog, id_, len(rows))
    for number in range(4, 40):
        batch = sorted(random.choice(sorted(shards), min(len(shards), int(random.integers(1, 4))), replace=False))
        live = []
        for source in map(int, batch):
            dead = np.flatnonzero(random.random(len(shards[source])) < 0.1 * random.integers(0, 3))
            for offset in dead.tolist():
                catalog("INSERT INTO tombstones VALUES (?, ?)", (source, offset))
            live += [label for offset, label in enumerate(shards[source]) if offset not in set(dead.tolist())]
        insert(catalog, number, len(live) + 3)
        covers.follow(catalog, [int(one) for one in batch], number)
        for source in map(int, batch):
            catalog("DELETE FROM covered WHERE shard_id = ?", (source,))
            catalog("DELETE FROM shards WHERE id = ?", (source,))
            del shards[source]
        shards[number] = live + [None] * 3  # what was added since
        found = {id_: [None] * len(rows) for id_, rows in shards.items()}
        lengths = {id_: len(rows) for id_, rows in shards.items()}
        read = covers.read(catalog)
        for structure in (1, 2):
            assert covers.odd([cover for id_, cover in read if id_ == structure], 300, lengths) == ""
        for _, cover in read:
            offsets = np.arange(cover.start, cover.end)
            for offset, label in zip(offsets.tolist(), (cover.first + cover.numbers(offsets)).tolist(), strict=True):
                assert found[cover.shard_id][offset] is None
                found[cover.shard_id][offset] = label
        assert found == shards
    assert any(len(cover.gone) > 5 for _, cover in read)


def insert(catalog, id_, rows):
    catalog(
        "INSERT INTO shards (id, kind, name, version, modality, dtype, dim, file, rows, sealed, total) "
        "VALUES (?, 'vectors', 'space', '1', 'image', '<f4', 4, ?, ?, 1, x'')",
        (id_, f"shards/{id_}.vec", rows),
    )


def test_what_has_not_changed_is_not_read_again():
    connection = sqlite3.connect(":memory:")
    for statements in migrations.MIGRATIONS:
        for statement in statements:
            connection.execute(statement)
    covers.enter(connection.execute, 1, [Cover(1, 0, 9, 2, pack(np.array([4]))), Cover(2, 9, 9)])
    before = covers.read(connection.execute)
    connection.execute("UPDATE covered SET start = 1 WHERE first = 9")
    after = covers.read(connection.execute, before)
    connection.close()
    assert after[0][1] is before[0][1]
    assert (before[1][1].start, after[1][1].start) == (0, 1)


GONE = pack(np.array([1, 5]))


@pytest.mark.parametrize(
    "cover",
    [
        Cover(1, "0", 10),
        Cover(1, 0, None),
        Cover(1, -1, 10),
        Cover(1, 0, 10, -1),
        Cover(1, 0, 10, 91),
        Cover(1, 0, 5, 0, GONE),
        Cover(1, 0, 10, 0, b"rubbish"),
        Cover(1, 0, 10, 0, "text"),
        Cover(1, 0, 10, 0, b""),
        Cover(1, 0, 10, 0, GONE[:-1]),
        Cover(1, 0, 10, 0, pack(np.array([5, 1]))),
        Cover(1, 0, 10, 0, pack(np.array([5, 5]))),
        Cover(1, 0, 10, 0, pack(np.array([-1, 5]))),
        Cover(1, 0, 10, 0, pack(np.arange(100))),
        Cover(1, 0, 10, 0, zlib.compress(b"abc")),
        Cover(1, 91, 10),
    ],
)
def test_what_cannot_be_is_found(cover):
    assert covers.odd([cover], 100, {1: 100}) != ""


def test_covers_that_do_not_go_together_are_found():
    lengths = {1: 100}
    assert covers.odd([Cover(1, 0, 10), Cover(1, 10, 10, 10)], 100, lengths) == ""
    assert covers.odd([Cover(1, 0, 10), Cover(1, 9, 10, 10)], 100, lengths) == "its rows overlap"
    assert covers.odd([Cover(1, 0, 10), Cover(1, 10, 10, 9)], 100, lengths) == "it covers rows twice"
    assert covers.odd([Cover(1, 0, 10, 0, GONE), Cover(1, 10, 10, 8)], 100, lengths) == ""
