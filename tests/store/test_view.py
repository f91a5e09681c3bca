import threading

import numpy as np
import pytest
from made_rows import FEATURES, put, unit, vector_of

import mmsearch
from mmsearch import Record
from mmsearch.encoders.fake import DIM
from mmsearch.errors import IndexDamaged
from mmsearch.store import shard, snapshot
from mmsearch.store.changes import Remove
from mmsearch.store.store import Store

GROUP = ("vectors", "space", "1", "image")
FEATURES_GROUP = (FEATURES.kind, FEATURES.name, FEATURES.version, FEATURES.modality)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shard, "SHARD_ROWS", 10)


def commit(store, *changes):
    with store.writer() as writer:
        writer.commit(changes)


def item_ids(store, *keys):
    return tuple(store.query("SELECT id FROM items WHERE key = ?", (key,))[0][0] for key in keys)


def remove(store, *keys):
    commit(store, Remove(item_ids(store, *keys), ()))


def fill(store, count):
    commit(store, *(put(seed, str(seed)) for seed in range(count)))


def test_a_view_sees_what_was_there_when_it_began(store):
    fill(store, 15)
    with store.view() as view:
        before = view.snapshot()
        places = {s.id: view.ids(s.id, 0, s.rows) for s in before.of(*GROUP)}
        remove(store, "3", "12")
        commit(store, put(99, "new"))
        assert view.snapshot() is before
        assert view.query("SELECT count(*) FROM items") == [(15,)]
        for s in before.of(*GROUP):
            np.testing.assert_array_equal(view.ids(s.id, 0, s.rows), places[s.id])
            assert sorted(view.locate(s.id, range(s.rows))) == list(range(s.rows))
            segments = places[s.id][:, 0].tolist()
            assert sorted(view.hydrate(segments)) == segments
            assert view.rows_of(segments, [s.id]) == {seg: (s.id, at) for at, seg in enumerate(segments)}
        np.testing.assert_array_equal(vector_of(view, "3"), unit(3))
    assert store.query("SELECT count(*) FROM items") == [(14,)]
    with store.view() as view:
        assert view.query("SELECT count(*) FROM items") == [(14,)]
        assert view.snapshot().version > before.version


def test_a_view_is_one_connection_which_is_used_again(store):
    fill(store, 2)
    used = set()
    for _ in range(5):
        with store.view() as view:
            used.add(id(view._connection))
            assert view._connection.in_transaction
        assert not view._connection.in_transaction
    assert len(used) == 1
    store.close()
    with store.view() as view:  # an index that was closed can be asked again, as ever
        assert view.query("SELECT count(*) FROM items") == [(2,)]


def test_a_view_gives_its_connection_back_when_the_block_fails(store):
    fill(store, 2)
    with pytest.raises(ZeroDivisionError), store.view():
        raise ZeroDivisionError
    commit(store, put(7, "7"))
    assert len(store.query("SELECT id FROM items")) == 3


def test_what_has_not_changed_is_not_read_again(store):
    fill(store, 35)
    asked = []

    def spy(connection):
        def sql(statement, parameters=()):
            if "tombstones" in statement:
                asked.append(parameters[0])
            return connection.execute(statement, parameters)

        return sql

    with store._connections.taken() as connection:
        first = snapshot.seen(spy(connection), store.folder)
    assert sorted(asked) == [s.id for s in first.shards]
    asked.clear()
    remove(store, "3")  # one row of the first shard of vectors, one of the first of features
    with store._connections.taken() as connection:
        second = snapshot.seen(spy(connection), store.folder, first)
    changed = [s.id for s in second.shards if s is not first.by_id[s.id]]
    assert sorted(asked) == sorted(changed) == sorted(min(s.id for s in first.of(*g)) for g in (GROUP, FEATURES_GROUP))
    for id_ in changed:
        assert second.by_id[id_].matrix is first.by_id[id_].matrix
        assert (list(first.by_id[id_].dead), list(second.by_id[id_].dead)) == ([], [3])
    asked.clear()
    commit(store, put(50, "50"))
    with store._connections.taken() as connection:
        third = snapshot.seen(spy(connection), store.folder, second)
    assert asked == []  # the last shards have grown, and none has more dead rows
    fresh = Store.open(store.folder)
    for one, other in zip(third.shards, fresh.snapshot().shards, strict=True):
        assert (one.id, one.rows, one.group) == (other.id, other.rows, other.group)
        np.testing.assert_array_equal(one.dead, other.dead)
        np.testing.assert_array_equal(one.total, other.total)
        np.testing.assert_array_equal(one.matrix, other.matrix)
    fresh.close()


def test_the_files_of_a_view_may_go(store):
    fill(store, 15)
    with store.view() as view:
        for path in store.folder.rglob("*.vec"):
            path.unlink()
        for seed in range(15):
            np.testing.assert_array_equal(vector_of(view, str(seed)), unit(seed))


def test_a_file_that_is_missing_is_told_when_it_is_asked_for(store):
    fill(store, 15)
    broken = next(store.folder.rglob("shards/encoder/**/*.vec"))
    broken.unlink()
    with store.view() as view:
        np.testing.assert_array_equal(vector_of(view, "3"), unit(3))
        (lost,) = (s for s in view.snapshot().shards if s.path == broken)
        with pytest.raises(IndexDamaged, match="repair"):
            _ = lost.matrix


def test_a_snapshot_whose_files_vanish_while_it_is_read_is_read_again(store, monkeypatch):
    from mmsearch.store.compact import compact

    fill(store, 15)
    remove(store, "3")
    real, calls = snapshot.seen, []

    def late(sql, folder, previous=None):
        calls.append(sql("SELECT value FROM meta WHERE key = 'version'").fetchone())
        if len(calls) == 1:
            other = Store.open(store.folder)
            with monkeypatch.context() as undone:
                undone.setattr(snapshot, "seen", real)
                compact(other, dead_share=0)
            other.close()
        return real(sql, folder, previous)

    monkeypatch.setattr(snapshot, "seen", late)
    with store.view() as view:
        assert view.snapshot().whole
        np.testing.assert_array_equal(vector_of(view, "4"), unit(4))
    assert len(calls) == 2
    assert calls[0] != calls[1]


def test_hold_is_one_view_for_all_threads_until_the_last_has_left(store):
    fill(store, 5)
    seen = []
    inside, leave = threading.Event(), threading.Event()

    def longer():
        with store.hold():
            inside.set()
            leave.wait(10)
            with store.view() as view:
                seen.append(view.query("SELECT count(*) FROM items")[0][0])

    thread = threading.Thread(target=longer)
    with store.hold() as held:
        thread.start()
        inside.wait(10)
        remove(store, "1")
        with store.view() as view:
            assert view is held
    with store.view() as view:  # the other thread holds it still
        assert view is held
        leave.set()
        thread.join()
        assert view.query("SELECT count(*) FROM items") == [(5,)]  # nor does it end under who uses it
    assert seen == [5]
    with store.view() as view:
        assert view.query("SELECT count(*) FROM items") == [(4,)]


def test_an_index_that_is_held_answers_as_before(tmp_path):
    rows = np.random.default_rng(0).standard_normal((40, DIM))
    with mmsearch.open(tmp_path / "index", model="fake") as index:
        index.add_items(Record(id=str(n), vectors={"image": row}, metadata={"n": n}) for n, row in enumerate(rows))

        def answers():
            return [[h.id for h in index.search(vector=row, k=40, target="image", where="n < 30")] for row in rows[:5]]

        before = answers()
        with index.hold():
            index.remove(ids=["3", "4"])
            index.compact(dead_share=0)
            assert answers() == before
        assert answers() == [[id_ for id_ in one if id_ not in ("3", "4")] for one in before]


def test_an_older_view_finds_rows_that_have_died_since(tmp_path):
    """Ids of rows are kept; those that a newer view has read know nothing of rows that an older one still has."""
    rows = np.random.default_rng(0).standard_normal((30, DIM))
    with mmsearch.open(tmp_path / "index", model="fake") as index:
        index.add_items(Record(id=str(n), vectors={"image": row}) for n, row in enumerate(rows))
        with index.hold():
            index.remove(ids=["7"])
            with mmsearch.open(tmp_path / "index", create=False) as newer:
                newer.search(vector=rows[7], k=30, target="image")
                index.searcher._finder.tables = newer.searcher._finder.tables  # read after the removal
            assert index.searcher._finder.tables
            assert index.search(vector=rows[7], k=30, target="image")[0].id == "7"


def test_many_threads_view_while_a_writer_writes(store):
    fill(store, 10)
    failures, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            with store.view() as view:
                live = sum(s.live for s in view.snapshot().of(*GROUP))
                known = view.query("SELECT count(*) FROM segments")[0][0]
                if live != known:
                    failures.append((live, known))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        with store.writer() as writer:
            for seed in range(100, 130):
                writer.commit([put(seed, str(seed))])
                if seed % 3 == 0:
                    writer.commit([Remove(item_ids(store, str(seed)), ())])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
