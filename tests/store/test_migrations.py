import sqlite3

import pytest

from mmsearch.store import fulltext, migrations
from mmsearch.store.covers import Cover
from mmsearch.store.store import Store

# What an index holds that has no shard yet: a file that could not be read.
ROWS = (
    "INSERT INTO roots VALUES (1, CAST('/media' AS BLOB), CAST('../media' AS BLOB))",
    "INSERT INTO files (id, root_id, path, size, mtime_ns, error) VALUES (1, 1, CAST('a.heic' AS BLOB), 5, 6, 'what?')",
)


# As format 3 had them; a shard of no rows has the label of the next one.
COVERED = (
    "INSERT INTO structures VALUES (1, 'space', '1', 'image', 'hnsw', 'shards/1.ann', 9, 9, 30, 1.0)",
    "INSERT INTO covered VALUES (1, 4, 0, 20)",
    "INSERT INTO covered VALUES (1, 5, 20, 0)",
    "INSERT INTO covered VALUES (1, 6, 20, 10)",
)


@pytest.fixture(params=range(1, migrations.FORMAT))
def old(tmp_path, monkeypatch, request):
    """The folder of an index in each format that there was."""
    with monkeypatch.context() as then:
        then.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[: request.param])
        then.setattr(migrations, "FORMAT", request.param)
        then.setattr(fulltext, "fill", lambda sql: None)  # it follows the last migration, and needs its columns
        Store.create(tmp_path / "index", {"name": "fake"}).close()
    with sqlite3.connect(tmp_path / "index" / "catalog.sqlite") as connection:
        for row in (*ROWS, *(COVERED if request.param == 3 else ())):
            connection.execute(row)
    connection.close()
    return tmp_path / "index"


def test_old_formats_are_brought_up_to_date(old, tmp_path):
    Store.create(tmp_path / "new", {"name": "fake"}).close()
    store = Store.open(old)
    assert store.query("PRAGMA user_version") == [(migrations.FORMAT,)]
    assert store.query("SELECT count(*) FROM pragma_integrity_check") == [(1,)]
    columns = "SELECT m.name, c.name, c.type FROM sqlite_schema m, pragma_table_info(m.name) c ORDER BY 1, 2"
    new = Store.open(tmp_path / "new")
    assert store.query(columns) == new.query(columns)
    indexes = "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1"
    assert store.query(indexes) == new.query(indexes)
    file = store.file(1, b"a.heic")
    assert (file.error, file.reader) == ("what?", 1)  # read by the first reader there was: it is tried again
    if store.query("SELECT count(*) FROM structures") == [(1,)]:
        (standing,) = store.snapshot().structures
        assert standing.covers == (Cover(4, 0, 20), Cover(6, 20, 10))
    store.close()
    new.close()
