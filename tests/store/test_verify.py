import sqlite3

import pytest
from made_rows import put, state

from mmsearch.store import database, shard
from mmsearch.store.changes import Put
from mmsearch.store.store import Store
from mmsearch.store.verify import verify


@pytest.fixture
def filled(store):
    with store.writer() as writer:
        writer.root(b"/media", b"..")
        writer.commit([put(seed, str(seed)) for seed in range(20)])
        writer.commit([put(3, "3"), put(4, path=b"a.jpg"), Put((), state(b"b.jpg"), "broken")])
    store.close()
    return store


def shard_file(store, name):
    return next((store.folder / "shards" / name).rglob("*.vec"))


def test_a_sound_index(filled):
    assert list(verify(filled)) == []


@pytest.mark.parametrize("name", ["space", "encoder"])
@pytest.mark.parametrize("place", [5, shard.HEADER_BYTES + 3, -1])
def test_one_flipped_bit_anywhere_is_noticed(filled, name, place):
    path = shard_file(filled, name)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))
    (problem, *_) = verify(filled)
    assert path.name in problem
    assert name in problem


def test_a_shard_that_is_cut_short(filled):
    path = shard_file(filled, "space")
    path.write_bytes(path.read_bytes()[:-3])
    assert any("too short" in problem for problem in verify(filled))


def test_a_shard_that_is_missing(filled):
    shard_file(filled, "space").unlink()
    assert any("cannot be read" in problem for problem in verify(filled))


def test_bytes_beyond_the_committed_rows_are_no_damage(filled):
    with shard_file(filled, "space").open("ab") as file:
        file.write(b"an append that was never committed")
    assert list(verify(filled)) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM rows WHERE segment_id = 3", "segments have no vector"),
        ("DELETE FROM segments WHERE id = 3", "rows name segments"),
        ("DELETE FROM items WHERE id = 3", "segments name items"),
        ("DELETE FROM files WHERE error IS NULL", "items name files"),
        ("UPDATE files SET error = NULL", "readable files have no item"),
        ("DELETE FROM roots", "files name roots"),
        ("DELETE FROM tombstones", "are dead"),
        ("INSERT INTO tombstones VALUES (1, 0)", "dead and alive"),
        ("UPDATE segments SET modality = 'audio' WHERE id = 2", "another modality"),
        ("UPDATE shards SET total = zeroblob(64) WHERE kind = 'vectors'", "sum of its vectors"),
        ("UPDATE blocks SET crc = crc + 1", "wrong checksum"),
        ("DELETE FROM shards WHERE kind = 'features'", "rows name shards"),
        ("INSERT INTO items (key, metadata) VALUES ('lonely', '{}')", "items have no segment"),
    ],
)
def test_each_disagreement_is_named(filled, statement, said):
    connection = sqlite3.connect(filled.folder / database.CATALOG)
    with connection:
        connection.execute(statement)
    connection.close()
    again = Store.open(filled.folder)
    assert any(said in problem for problem in verify(again)), list(verify(again))
    again.close()
