import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_rows import FEATURES, VECTORS, item, put, state, unit, vector_of

from mmsearch.errors import IndexLocked, StoreError
from mmsearch.store import shard as shards
from mmsearch.store.changes import Annotate, Move, NewItem, NewSegment, Put, Remove
from mmsearch.store.store import Store
from mmsearch.store.verify import verify
from mmsearch.store.writer import Writer


def keys(store):
    return [key for (key,) in store.query("SELECT key FROM items ORDER BY id")]


def test_what_is_committed_is_found_by_its_own_vector(store):
    with store.writer() as writer:
        assert writer.commit([put(1, "a"), put(2, "b")]) == 2
        assert writer.commit([put(3, "c")]) == 1
    for seed, key in ((1, "a"), (2, "b"), (3, "c")):
        np.testing.assert_array_equal(vector_of(store, key), unit(seed))
    assert list(verify(store)) == []


def test_an_item_with_a_known_key_is_replaced(store):
    with store.writer() as writer:
        writer.commit([put(1, "a"), put(2, "b")])
        writer.commit([put(9, "a")])
    assert sorted(keys(store)) == ["a", "b"]
    np.testing.assert_array_equal(vector_of(store, "a"), unit(9))
    (shard,) = store.snapshot().of("vectors", "space", "1", "image")
    assert (shard.rows, shard.live, list(shard.dead)) == (3, 2, [0])
    assert list(verify(store)) == []


def test_rows_of_several_groups_and_shards_lie_where_they_are_committed(store):
    with store.writer() as writer:
        writer._shard_rows = 4
        assert writer.commit([put(seed, str(seed)) for seed in range(6)]) == 6
        for seed in range(6):
            np.testing.assert_array_equal(vector_of(store, str(seed)), unit(seed))
        assert list(verify(store)) == []


def test_the_same_key_twice_in_one_commit_keeps_the_last(store):
    with store.writer() as writer:
        writer.commit([put(1, "a"), put(2, "a")])
    assert keys(store) == ["a"]
    np.testing.assert_array_equal(vector_of(store, "a"), unit(2))
    assert list(verify(store)) == []


def test_a_file_that_changed_keeps_its_items_key(store):
    with store.writer() as writer:
        writer.root(b"/media", b"..")
        writer.commit([put(1, path=b"a.jpg")])
        before = keys(store)
        writer.commit([put(2, path=b"a.jpg")])
    assert keys(store) == before
    np.testing.assert_array_equal(vector_of(store, before[0]), unit(2))
    assert list(verify(store)) == []


def test_a_file_that_can_no_longer_be_read_loses_its_items_and_is_remembered(store):
    with store.writer() as writer:
        writer.root(b"/media", b"..")
        writer.commit([put(1, path=b"a.jpg")])
        writer.commit([Put((), state(b"a.jpg"), "broken")])
    assert keys(store) == []
    assert store.file(1, b"a.jpg").error == "broken"
    assert list(verify(store)) == []


def test_moving_annotating_and_removing(store):
    with store.writer() as writer:
        writer.root(b"/media", b"..")
        writer.commit([put(1, path=b"a.jpg"), put(2, path=b"b.jpg"), put(3, "c")])
        key = keys(store)[0]
        file = store.file(1, b"a.jpg")
        writer.commit([Move(file.id, state(b"z.jpg")), Annotate(file.id, {"year": 1999})])
        assert store.file(1, b"a.jpg") is None
        assert store.file(1, b"z.jpg").id == file.id
        assert store.query("SELECT key, metadata FROM items WHERE file_id = ?", (file.id,)) == [(key, '{"year": 1999}')]
        writer.commit([Remove(file_ids=(file.id,))])
        ((last,),) = store.query("SELECT id FROM items WHERE key = 'c'")
        writer.commit([Remove(item_ids=(last,))])
    assert len(keys(store)) == 1
    assert list(verify(store)) == []


def test_many_items_can_be_removed_at_once(store):
    with store.writer() as writer:
        writer.commit([put(seed) for seed in range(1200)])
        ids = tuple(id_ for (id_,) in store.query("SELECT id FROM items ORDER BY id"))
        writer.commit([Remove(item_ids=ids[100:])])
    assert len(keys(store)) == 100
    assert list(verify(store)) == []


def test_full_shards_are_sealed_and_the_next_one_begun(store, tmp_path):
    with store.writer() as writer:
        writer._shard_rows = 4
        writer.commit([put(seed, str(seed)) for seed in range(6)])
        writer.commit([put(seed, str(seed)) for seed in range(6, 11)])
    assert [shard.rows for shard in store.snapshot().of("vectors", "space", "1", "image")] == [4, 4, 3]
    for seed in range(11):
        np.testing.assert_array_equal(vector_of(store, str(seed)), unit(seed))
    assert list(verify(store)) == []


@pytest.mark.parametrize("metadata", [{"a": object()}, {"a": float("nan")}])
def test_a_commit_that_fails_changes_nothing_and_the_next_one_works(store, metadata):
    with store.writer() as writer:
        writer.commit([put(1, "a")])
        with pytest.raises(StoreError):
            writer.commit([put(2, "b"), Put((NewItem(item(3).segments, "c", {}, metadata),))])
        assert keys(store) == ["a"]
        writer.commit([put(4, "d")])
    assert keys(store) == ["a", "d"]
    np.testing.assert_array_equal(vector_of(store, "d"), unit(4))
    assert list(verify(store)) == []


def test_rows_that_are_not_finite_are_refused(store):
    bad = {VECTORS: np.full(8, np.nan, np.float32), FEATURES: np.zeros(4, np.float16)}
    with store.writer() as writer, pytest.raises(StoreError, match="finite"):
        writer.commit([Put((NewItem((NewSegment("image", None, None, None, bad),)),))])
    assert keys(store) == []


def test_a_disk_that_is_full_in_the_middle_loses_nothing(store, monkeypatch):
    real = shards.append

    def full(path, group, committed, new):
        real(path, group, committed, new[: len(new) // 2])
        raise StoreError("cannot write: No space left on device")

    with store.writer() as writer:
        writer.commit([put(1, "a")])
        monkeypatch.setattr(shards, "append", full)
        with pytest.raises(StoreError, match="No space"):
            writer.commit([put(2, "b"), put(3, "c")])
        monkeypatch.setattr(shards, "append", real)
        assert keys(store) == ["a"]
        writer.commit([put(4, "d")])
    np.testing.assert_array_equal(vector_of(store, "d"), unit(4))
    assert list(verify(store)) == []


class Interrupted:
    """A connection that is interrupted just after its commit, as by Ctrl-C in the C call that waits for the disk."""

    def __init__(self, connection):
        self.connection, self.left = connection, 1

    def __getattr__(self, name):
        return getattr(self.connection, name)

    def commit(self):
        self.connection.commit()
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_a_commit_that_is_interrupted_when_it_was_made_already_stays(store):
    """The next commit of the same writer must not take the places of its rows."""
    with store.writer() as writer:
        writer.commit([put(1, "a")])
        connection, free = writer._connections.take()
        free.append(Interrupted(connection))
        with pytest.raises(KeyboardInterrupt):
            writer.commit([put(2, "b")])
        writer.commit([put(3, "c")])
    for seed, key in ((1, "a"), (2, "b"), (3, "c")):
        np.testing.assert_array_equal(vector_of(store, key), unit(seed))
    assert list(verify(store)) == []


def test_what_a_writer_says_of_an_index_is_what_is_in_it(store):
    def counted(writer):
        return [(one.modality, one.rows, one.dead) for one in writer.extents()]

    with store.writer() as writer:
        assert counted(writer) == []
        writer.commit([put(seed, str(seed)) for seed in range(5)])
        assert counted(writer) == [("image", 5, 0)]
        writer.commit([put(9, "3")])
        assert counted(writer) == [("image", 6, 1)]
        with pytest.raises(StoreError):
            writer.commit([Put((NewItem(item(3).segments, "c", {}, {"a": object()}),))])
        assert counted(writer) == [("image", 6, 1)]
    with store.writer() as writer:
        assert counted(writer) == [("image", 6, 1)]


def test_a_second_writer_is_told_that_there_is_one(store):
    with store.writer(), pytest.raises(IndexLocked, match="another process"):
        store.writer()
    with store.writer():
        pass


CRASH = """
import os, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from made_rows import put
from mmsearch.store import transaction
from mmsearch.store.store import Store
store = Store.open(Path(sys.argv[1]))
writer = store.writer()
writer.commit([put(seed, str(seed)) for seed in range(5)])
real = transaction.shards.append
def die(path, group, committed, new):
    real(path, group, committed, new)
    os._exit(9)
transaction.shards.append = die
writer.commit([put(seed, str(seed)) for seed in range(5, 9)])
"""


def test_a_writer_that_died_leaves_nothing_behind_and_blocks_nobody(store):
    died = subprocess.run([sys.executable, "-c", CRASH, store.folder, Path(__file__).parents[1]], check=False)
    assert died.returncode == 9
    assert list(verify(store)) == []
    assert keys(store) == [str(seed) for seed in range(5)]
    tails = [path.stat().st_size for path in store.folder.rglob("*.vec")]
    orphan = store.folder / "shards" / "space" / "image" / "99.vec"
    orphan.write_bytes(b"left by a compaction that died")
    with store.writer() as writer:
        assert not orphan.exists()
        assert sum(path.stat().st_size for path in store.folder.rglob("*.vec")) < sum(tails)
        writer.commit([put(7, "7")])
    np.testing.assert_array_equal(vector_of(store, "7"), unit(7))
    assert list(verify(store)) == []


def test_opening_a_writer_on_a_folder_that_is_read_only(store, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(StoreError, match="Permission denied"):
        Writer.open(store.folder, store.engine)


def test_creating_over_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="not empty"):
        Store.create(tmp_path, {"name": "test"})
