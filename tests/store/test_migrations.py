import sqlite3

import pytest

from mmsearch.store import migrations
from mmsearch.store.store import Store

# What an index holds that has no shard yet: a file that could not be read.
ROWS = (
    "INSERT INTO roots VALUES (1, CAST('/media' AS BLOB), CAST('../media' AS BLOB))",
    "INSERT INTO files (id, root_id, path, size, mtime_ns, error) VALUES (1, 1, CAST('a.heic' AS BLOB), 5, 6, 'what?')",
)


@pytest.fixture(params=range(1, migrations.FORMAT))
def old(tmp_path, monkeypatch, request):
    """The folder of an index in each format that there was."""
    with monkeypatch.context() as then:
        then.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[: request.param])
        then.setattr(migrations, "FORMAT", request.param)
        Store.create(tmp_path / "index", {"name": "fake"}).close()
    with sqlite3.connect(tmp_path / "index" / "catalog.sqlite") as connection:
        for row in ROWS:
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
    file = store.file(1, b"a.heic")
    assert (file.error, file.reader) == ("what?", 1)  # read by the first reader there was: it is tried again
    store.close()
    new.close()
