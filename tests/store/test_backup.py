"""Copies of an index that is in use."""

import os
import random
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from made_rows import put, unit, vector_of

from mmsearch.errors import IndexDamaged, IndexLocked, StoreError
from mmsearch.store import shard as shards
from mmsearch.store.backup import backup
from mmsearch.store.changes import Remove
from mmsearch.store.store import Store
from mmsearch.store.verify import verify
from mmsearch.store.writer import locked

# Commits items 0, 1, 2, ... one by one, and removes every third again.
WRITER = """
import sys
from pathlib import Path
sys.path.append(sys.argv[2])
from made_rows import put
from mmsearch.store.changes import Remove
from mmsearch.store.store import Store
from mmsearch.store import shard
store = Store.open(Path(sys.argv[1]))
with store.writer() as writer:
    writer._shard_rows = 40
    print("ready", flush=True)
    for n in range(30_000):
        writer.commit([put(n, f"item {n}"), put(n + 30_000, f"twin {n}")])
        if n % 3 == 0:
            (found,) = store.query("SELECT id FROM items WHERE key = ?", (f"item {n}",))
            writer.commit([Remove(found)])
"""

# Copies an index again and again, slowly.
COPIER = """
import sys, time
from pathlib import Path
from mmsearch.store import backup
from mmsearch.store.store import Store
def slow(path, real=backup._sync):
    time.sleep(0.01)
    real(path)
backup._sync = slow
def file(self, shard, real=backup._Copy._shard):
    time.sleep(0.002)
    real(self, shard)
backup._Copy._shard = file
store = Store.open(Path(sys.argv[1]))
print("ready", flush=True)
for n in range(100_000):
    backup.backup(store, Path(sys.argv[2]) / f"copy{n}")
"""


def started(code, *arguments):
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def ended(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def filled(store, count=100, shard_rows=40):
    with store.writer() as writer:
        writer._shard_rows = shard_rows
        writer.commit([put(n, f"item {n}", year=n) for n in range(count)])


def opened(folder):
    found = Store.open(folder)
    assert list(verify(found)) == []
    return found


def test_a_copy_is_the_index(store, tmp_path):
    filled(store)
    with store.writer() as writer:
        writer.commit([Remove((1,))])
    made = backup(store, tmp_path / "deep" / "copy")
    copy = opened(made.folder)
    assert made.version == copy.snapshot().version == store.snapshot().version
    assert made.bytes >= 99 * (8 * 4 + 4 * 2)
    every = "SELECT id, key, metadata FROM items"
    assert copy.query(every) == store.query(every)
    for n in range(1, 100):
        np.testing.assert_array_equal(vector_of(copy, f"item {n}"), unit(n))
    with copy.writer() as writer:
        writer.commit([put(7000, "new")])
    np.testing.assert_array_equal(vector_of(copy, "new"), unit(7000))
    assert store.query("SELECT count(*) FROM items WHERE key = 'new'") == [(0,)]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["copy"]
    copy.close()


def test_an_empty_index_and_an_empty_folder(store, tmp_path):
    (tmp_path / "copy").mkdir()
    copy = opened(backup(store, tmp_path / "copy").folder)
    assert copy.model == store.model
    copy.close()


def test_a_copy_while_a_writer_commits_holds_exactly_one_version(store, tmp_path):
    writer = started(WRITER, store.folder, Path(__file__).parents[1])
    try:
        for n in range(8):
            time.sleep(random.random() * 0.2)
            copy = opened(backup(store, tmp_path / f"copy{n}", link=n % 2 == 1).folder)
            keys = {key for (key,) in copy.query("SELECT key FROM items")}
            last = max((int(key.split()[1]) for key in keys if key.startswith("twin")), default=-1)
            whole = {f"twin {i}" for i in range(last + 1)} | {f"item {i}" for i in range(last + 1) if i % 3}
            assert keys in (whole, whole | {f"item {last}"})
            if last > 0:
                np.testing.assert_array_equal(vector_of(copy, f"twin {last}"), unit(last + 30_000))
            copy.close()
        assert last > 3
    finally:
        ended(writer)


def test_who_kills_a_copy_leaves_no_index_and_no_obstacle(store, tmp_path):
    filled(store, 400)
    for n in range(10):
        place = tmp_path / f"round{n}"
        place.mkdir()
        copier = started(COPIER, store.folder, place)
        time.sleep(random.random() * 0.3)
        ended(copier)
        done = sorted(path for path in place.iterdir() if not path.name.startswith("."))
        for path in done:
            opened(path).close()
        left = [path for path in place.iterdir() if path.name.startswith(".")]
        assert len(left) <= 1
        for path in left:  # of which nothing is taken for granted
            (path / "shards").mkdir(exist_ok=True)
            (path / "shards" / "stray").write_bytes(b"x")
            name = path.name.removeprefix(".").removesuffix(".part")
            copy = opened(backup(store, place / name).folder)
            assert copy.query("SELECT count(*) FROM items") == [(400,)]
            assert not (place / name / "shards" / "stray").exists()
            copy.close()
            assert not path.exists()


def test_links_are_made_of_full_shards_only(store, tmp_path):
    filled(store)
    made = backup(store, tmp_path / "copy", link=True)
    inodes = {
        path.name: (path.stat().st_ino == (made.folder / path.relative_to(store.folder)).stat().st_ino)
        for path in (store.folder / "shards").rglob("*.vec")
    }
    sealed = {Path(file).name: bool(sealed) for file, sealed in store.query("SELECT file, sealed FROM shards")}
    assert inodes == sealed
    assert set(sealed.values()) == {True, False}
    with store.writer() as writer:
        writer.commit([put(n, f"more {n}") for n in range(100, 200)])
    copy = opened(made.folder)
    assert copy.query("SELECT count(*) FROM items") == [(100,)]
    copy.close()


@pytest.mark.parametrize("link", [False, True])
def test_damage_is_not_copied(store, tmp_path, link):
    filled(store)
    path = sorted((store.folder / "shards").rglob("*.vec"))[0]
    content = bytearray(path.read_bytes())
    content[shards.HEADER_BYTES + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(IndexDamaged, match="verify --repair"):
        backup(store, tmp_path / "copy", link=link)
    assert not list(tmp_path.glob("*copy*"))
    path.unlink()
    store.close()
    with pytest.raises(IndexDamaged):
        backup(Store.open(store.folder), tmp_path / "copy", link=link)


def test_places_that_are_taken(store, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").touch()
    for place in (tmp_path / "full", tmp_path / "file"):
        with pytest.raises(StoreError, match="empty folder"):
            backup(store, place)
    with pytest.raises(StoreError, match="outside"):
        backup(store, store.folder / "copy")
    with pytest.raises(StoreError, match="cannot copy"):
        backup(store, tmp_path / "file" / "copy")
    (tmp_path / ".copy.part").mkdir()
    lock = locked(tmp_path / ".copy.part", wait=0)
    with pytest.raises(IndexLocked):
        backup(store, tmp_path / "copy")
    lock.release()
    backup(store, tmp_path / "copy")


def test_a_full_destination_is_named_and_the_source_is_not_blamed(store, tmp_path):
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from mmsearch.errors import StoreError\n"
        "from mmsearch.store.backup import backup\n"
        "from mmsearch.store.store import Store\n"
        "store = Store.open(Path(sys.argv[1]))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "try:\n"
        "    backup(store, Path(sys.argv[2]))\n"
        "except StoreError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", program, store.folder, tmp_path / "copy"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.startswith(f"StoreError cannot copy the index to {tmp_path / 'copy'}: ")
    assert str(store.folder) not in said
    assert not [path for path in tmp_path.iterdir() if "copy" in path.name]


def test_a_copy_finds_the_media_after_both_have_moved(store, tmp_path):
    (tmp_path / "all" / "media").mkdir(parents=True)
    media = os.fsencode(tmp_path / "all" / "media")
    with store.writer() as writer:
        writer.root(media, os.path.relpath(media, os.fsencode(store.folder)))
    backup(store, tmp_path / "all" / "deep" / "copy")
    (tmp_path / "all").rename(tmp_path / "moved")
    copy = Store.open(tmp_path / "moved" / "deep" / "copy")
    assert copy.root_path(1) == os.fsencode(tmp_path / "moved" / "media")
    copy.close()


def test_structures_come_along_if_they_are_intact(store, tmp_path):
    filled(store)
    with store.writer() as writer, writer._engine.begin() as connection:
        for n, crc in ((1, 0), (2, 1)):
            content = b"x" * n
            (store.folder / "shards" / f"{n}.ann").write_bytes(content)
            connection.exec_driver_sql(
                "INSERT INTO structures VALUES (?, 'space', '1', 'image', 'Flat', ?, ?, ?, 1, 0.5)",
                (n, f"shards/{n}.ann", n, zlib.crc32(content) + crc),
            )
            connection.exec_driver_sql("INSERT INTO covered VALUES (?, 1, 0, 1, 0, NULL)", (n,))
            connection.exec_driver_sql("INSERT INTO settings VALUES (?, 'text', 1, 1, 1, 1, 1, 1, 1, 1, 1)", (n,))
    (store.folder / "bridge.npz").write_bytes(b"bridge")
    made = backup(store, tmp_path / "copy", also=("bridge.npz", "absent"))
    assert made.dropped == ("shards/2.ann",)
    copy = Store.open(made.folder)
    for table, column in (("structures", "id"), ("covered", "structure_id"), ("settings", "structure_id")):
        assert copy.query(f"SELECT {column} FROM {table}") == [(1,)]
    assert [path.name for path in made.folder.rglob("*.ann")] == ["1.ann"]
    assert (made.folder / "bridge.npz").read_bytes() == b"bridge"
    copy.close()
