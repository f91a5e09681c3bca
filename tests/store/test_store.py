import os
import sqlite3

import numpy as np
import pytest
from made_rows import put, state, unit, vector_of
from sqlalchemy import inspect

from mmsearch.errors import IndexDamaged, IndexNotFound, IndexTooNew
from mmsearch.store import database, fulltext, migrations, schema
from mmsearch.store.changes import Put, Remove
from mmsearch.store.statistics import count
from mmsearch.store.store import Store


def test_migrations_make_the_tables_of_the_schema(store):
    on_disk = inspect(store.engine)
    words = {name for name in on_disk.get_table_names() if name.startswith((fulltext.SEGMENTS, fulltext.ITEMS))}
    assert set(on_disk.get_table_names()) - {"sqlite_sequence"} - words == set(schema.metadata.tables)
    for name, table in schema.metadata.tables.items():
        found = {column["name"]: (str(column["type"]), column["nullable"]) for column in on_disk.get_columns(name)}
        for column in table.columns:
            assert found[column.name][0] == str(column.type.compile(store.engine.dialect)), (name, column.name)
        assert set(found) == {column.name for column in table.columns}


def test_a_newer_format_is_named(store):
    store.close()
    with sqlite3.connect(store.folder / database.CATALOG) as connection:
        connection.execute(f"PRAGMA user_version = {migrations.FORMAT + 1}")
        connection.execute("UPDATE meta SET value = '7.8' WHERE key = 'written_by'")
    connection.close()
    with pytest.raises(IndexTooNew, match=r"7\.8"):
        Store.open(store.folder)


def test_an_older_format_is_brought_up_to_date_when_it_is_opened(store, monkeypatch):
    store.close()
    more = ("ALTER TABLE items ADD COLUMN colour TEXT",)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, more))
    monkeypatch.setattr(migrations, "FORMAT", migrations.FORMAT + 1)
    again = Store.open(store.folder)
    with again.writer() as writer:
        writer.commit([put(1, "a")])
    assert again.query("SELECT key, colour FROM items") == [("a", None)]
    again.close()


def test_a_creation_that_died_leaves_no_index_and_is_no_obstacle(tmp_path):
    (tmp_path / "catalog.sqlite.new").write_bytes(b"half")
    (tmp_path / "catalog.sqlite.new-wal").write_bytes(b"half")
    with pytest.raises(IndexNotFound):
        Store.open(tmp_path)
    made = Store.create(tmp_path, {"name": "test"})
    assert not list(tmp_path.glob("*.new*"))
    assert made.model == {"name": "test"}
    made.close()


def test_a_catalog_of_zero_bytes_is_no_index(tmp_path):
    (tmp_path / database.CATALOG).touch()
    for make in (lambda: Store.open(tmp_path), lambda: Store.create(tmp_path, {"name": "test"})):
        with pytest.raises(IndexDamaged, match="empty"):
            make()


def test_two_creators_make_one_index(store):
    with store.writer() as writer:
        writer.commit([put(1, "a")])
    again = Store.create(store.folder, {"name": "other"})
    assert again.model == {"name": "test"}
    assert count(again).items == 1
    again.close()


def test_there_is_no_index(tmp_path):
    with pytest.raises(IndexNotFound, match="mmsearch index"):
        Store.open(tmp_path / "nowhere")


def test_a_catalog_that_is_no_database(tmp_path):
    (tmp_path / database.CATALOG).write_bytes(b"not a database" * 1000)
    with pytest.raises(IndexDamaged, match="verify"):
        Store.open(tmp_path)


def test_a_snapshot_stays_as_it_was_and_the_next_one_sees_more(store):
    with store.writer() as writer:
        writer.commit([put(1, "a")])
        before = store.snapshot()
        assert store.snapshot() is before
        writer.commit([put(2, "b")])
        assert sum(shard.rows for shard in before.shards if shard.group.kind == "vectors") == 1
        after = store.snapshot()
    (shard,) = after.of("vectors", "space", "1", "image")
    assert shard.rows == 2
    np.testing.assert_allclose(shard.total, unit(1).astype(float) + unit(2), atol=1e-6)


def test_totals_follow_removal(store):
    with store.writer() as writer:
        writer.commit([put(1, "a"), put(2, "b")])
        ((first,),) = store.query("SELECT id FROM items WHERE key = 'a'")
        writer.commit([Remove(item_ids=(first,))])
    (shard,) = store.snapshot().of("vectors", "space", "1", "image")
    np.testing.assert_allclose(shard.total, unit(2), atol=1e-6)


def test_known_files_come_in_the_order_of_their_bytes_page_by_page(store, monkeypatch):
    monkeypatch.setattr("mmsearch.store.store.PAGE", 3)
    names = [b"a.jpg", b"a/b.jpg", b"a/c/d.jpg", b"a0.jpg", b"b.jpg", b"\xff\xfe.jpg", b"zz/x.jpg"]
    with store.writer() as writer:
        writer.root(b"/media", b"..")
        writer.commit([Put((), state(name), "broken") for name in names])
    assert [file.path for file in store.files(1)] == sorted(names)
    assert [file.path for file in store.files(1, b"a/")] == [b"a/b.jpg", b"a/c/d.jpg"]


def test_an_index_that_moved_with_its_media_finds_them(tmp_path):
    (tmp_path / "here" / "media").mkdir(parents=True)
    store = Store.create(tmp_path / "here" / "index", {"name": "test"})
    with store.writer() as writer:
        media = os.fsencode(tmp_path / "here" / "media")
        writer.root(media, os.path.relpath(media, os.fsencode(store.folder)))
    assert store.root_path(1) == media
    store.close()
    (tmp_path / "here").rename(tmp_path / "there")
    moved = Store.open(tmp_path / "there" / "index")
    assert moved.root_path(1) == os.fsencode(tmp_path / "there" / "media")
    moved.close()


def test_one_root_takes_over_the_roots_inside_it(store):
    with store.writer() as writer:
        inner = writer.root(b"/media/birds", b"x")
        writer.commit([put(1, path=b"owl.jpg")])
        outer = writer.root(b"/media", b"x")
        writer.absorb_root(inner, outer, b"birds/")
    assert store.roots().keys() == {outer}
    assert [file.path for file in store.files(outer)] == [b"birds/owl.jpg"]


def test_counts(store):
    with store.writer() as writer:
        writer.root(b"/media", b"..")
        writer.commit([put(1, "a"), put(2, "b"), Put((), state(b"x.jpg"), "broken")])
    counts = count(store)
    assert (counts.items, counts.segments, counts.failed) == (2, 2, 1)
    assert counts.items_by_modality == {"image": 2}
    assert counts.bytes >= 8192


def test_a_read_only_index_can_be_read(store, monkeypatch):
    with store.writer() as writer:
        writer.commit([put(1, "a")])
    store.close()
    monkeypatch.setattr(os, "access", lambda *_: False)
    opened = Store.open(store.folder)
    np.testing.assert_array_equal(vector_of(opened, "a"), unit(1))
    opened.close()
