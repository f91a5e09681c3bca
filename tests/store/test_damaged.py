"""What opening, searching and verifying say of an index that is damaged, locked, read-only or newer."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from damage import change, pages_of, projector, shard_of, zero_page

import mmsearch
from mmsearch import Record
from mmsearch.encoders.fake import DIM
from mmsearch.errors import IndexDamaged, IndexLocked, IndexNotFound, IndexTooNew, StoreError
from mmsearch.store import database, migrations
from mmsearch.store.repair import repair
from mmsearch.store.store import Store


def vector(seed):
    return np.random.default_rng(seed).standard_normal(DIM)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged") / "index"
    with mmsearch.open(folder, model="fake") as index:
        index.add_items(Record(id=f"r{n}", text=f"word{n}", vectors={"image": vector(n)}) for n in range(200))
    return folder


@pytest.fixture
def folder(template, tmp_path):
    shutil.copytree(template, tmp_path / "index")
    return tmp_path / "index"


def use(folder):
    """Open, search, show, verify: all that a reader does."""
    with mmsearch.open(folder, create=False) as index:
        assert len(index.search(vector=vector(3), k=200)) > 0
        assert index.verify() == []


def catalog(folder):
    return folder / database.CATALOG


def truncated(folder):
    os.truncate(catalog(folder), catalog(folder).stat().st_size // 2 + 100)


def header_zeroed(folder):
    with catalog(folder).open("r+b") as file:
        file.write(bytes(100))


def flipped_in_the_middle(folder):
    for name in ("items", "segments", "rows", "meta"):
        zero_page(folder, pages_of(folder, name)[0])


def garbage(folder):
    catalog(folder).write_bytes(os.urandom(8192))


DAMAGED = [truncated, header_zeroed, flipped_in_the_middle, garbage]


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_catalog_is_named_with_what_to_do(folder, damage):
    damage(folder)
    with pytest.raises(IndexDamaged, match=r"mmsearch verify"):
        use(folder)


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_repair_says_that_it_cannot_and_leaves_the_shards(folder, damage):
    """What can be mended is in `test_repair.py`."""
    damage(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.vec")}
    with pytest.raises(IndexDamaged, match="nothing can be salvaged from it; index the media again into a new folder"):
        repair(folder, projector)
    assert before == {path: path.read_bytes() for path in folder.rglob("*.vec")} != {}


def test_an_empty_catalog_and_a_folder_in_its_place(folder):
    catalog(folder).write_bytes(b"")
    with pytest.raises(IndexDamaged, match="empty"):
        use(folder)
    catalog(folder).unlink()
    with pytest.raises(IndexNotFound):
        use(folder)
    catalog(folder).mkdir()
    with pytest.raises(StoreError):
        use(folder)


@pytest.mark.parametrize("size", [0, 10, 32, 5000])
def test_a_log_of_garbage_is_ignored(folder, size):
    catalog(folder).with_name("catalog.sqlite-wal").write_bytes(os.urandom(size))
    use(folder)


def test_a_newer_format_is_not_touched(folder):
    with sqlite3.connect(catalog(folder)) as connection:
        connection.execute(f"PRAGMA user_version = {migrations.FORMAT + 1}")
    connection.close()
    before = catalog(folder).read_bytes()
    with pytest.raises(IndexTooNew, match="upgrade to mmsearch"):
        use(folder)
    with pytest.raises(IndexTooNew, match="upgrade to mmsearch"):
        repair(folder)
    assert catalog(folder).read_bytes() == before


def cut(path):
    os.truncate(path, path.stat().st_size - 1)


def empty(path):
    os.truncate(path, 0)


@pytest.mark.parametrize("damage", [cut, empty, Path.unlink])
@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_damaged_shard_is_named_when_it_is_searched_and_by_verify(folder, damage, modality):
    path = shard_of(folder, "vectors", modality)
    damage(path)
    with pytest.raises(IndexDamaged, match=rf"{path.name}.*mmsearch verify --repair"):
        use(folder)
    with mmsearch.open(folder, create=False) as index:
        assert any(path.name in said for said in index.verify())


@pytest.mark.parametrize("place", [4, -1])
def test_a_flipped_bit_is_found_by_verify_and_mended(folder, place):
    change(shard_of(folder, "vectors", "text"), place)
    with mmsearch.open(folder, create=False) as index:
        assert len(index.verify()) == 1
    assert repair(folder, projector).lost == ()
    use(folder)


def test_a_writer_makes_nothing_worse(folder):
    path = shard_of(folder, "vectors", "image")
    os.truncate(path, path.stat().st_size // 2)
    short = path.read_bytes()
    with mmsearch.open(folder, create=False) as index:
        index.add_items([Record(id="new", vectors={"image": vector(999)})])
    assert path.read_bytes() == short
    repair(folder)
    with mmsearch.open(folder, create=False) as index:
        assert index.search(vector=vector(999), target="image")[0].id == "new"
        assert index.verify() == []


def test_verify_is_not_deceived_by_a_writer(folder, monkeypatch):
    """It sees one version: a commit in the middle is no damage."""
    from mmsearch.store import verify

    real = verify.snapshot.seen

    def with_a_commit_after(connection, place):
        seen = real(connection, place)
        monkeypatch.setattr(verify.snapshot, "seen", real)  # the other looks at the index, too
        with mmsearch.open(folder, create=False) as other:
            other.add_items([Record(id="meanwhile", vectors={"image": vector(77)})])
            other.remove(ids=["r5"])
        return seen

    monkeypatch.setattr(verify.snapshot, "seen", with_a_commit_after)
    store = Store.open(folder)
    assert list(verify.verify(store)) == []
    assert verify.snapshot.seen is real
    store.close()


def test_two_writers(folder):
    store = Store.open(folder)
    with store.writer(), mmsearch.open(folder, create=False) as index:
        with pytest.raises(IndexLocked, match="another process"):
            index.add_items([Record(id="x", vectors={"image": vector(1)})])
        assert len(index.search(vector=vector(3))) == 10
    store.close()


HOLD = """
import sys, time
from pathlib import Path
from mmsearch.store.store import Store
writer = Store.open(Path(sys.argv[1])).writer()
print("held", flush=True)
time.sleep(60)
"""


def test_a_writer_that_died_holds_nothing(folder):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with mmsearch.open(folder, create=False) as index:
        with pytest.raises(IndexLocked):
            index.remove(ids=["r1"])
        holder.kill()
        holder.wait()
        holder.stdout.close()
        assert index.remove(ids=["r1"]) == 1
        assert index.verify() == []


READ = """
import os, sys
from pathlib import Path
import mmsearch, mmsearch.engine, mmsearch.search.searcher, mmsearch.store.verify, mmsearch.encoders.fake
import mmap, mmsearch.evaluation.evaluate, mmsearch.indexing.run, sqlite3, filelock, shutil, tempfile
import numpy as np
from mmsearch import Record
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
folder = Path(sys.argv[1])
with mmsearch.open(folder, create=False) as index:
    vector = np.random.default_rng(3).standard_normal(64)
    found = [hit.id for hit in index.search(vector=vector, target="image", k=1)]
    print(found, len(index), list(mmsearch.store.verify.verify(index._store)))
    try:
        index.add_items([Record(id="x", vectors={"image": vector})])
    except mmsearch.MmsearchError as error:
        print(type(error).__name__, "write" in str(error))
"""


def crashed(folder):
    """Leave a log that is not folded in, with its index, as a crash does."""
    code = (
        "import sys, os, numpy as np, mmsearch; from mmsearch import Record; from mmsearch.store.writer import Writer\n"
        "index = mmsearch.open(sys.argv[1], create=False)\n"
        "Writer.close = lambda self: os._exit(0)\n"
        "index.add_items([Record(id='last', vectors={'image': np.random.default_rng(500).standard_normal(64)})])\n"
    )
    subprocess.run([sys.executable, "-c", code, folder], check=True)
    assert catalog(folder).with_name("catalog.sqlite-wal").stat().st_size > 0


@pytest.mark.parametrize("left", ["nothing", "empty log", "log and index", "log without index"])
def test_a_read_only_index_can_be_searched_by_an_ordinary_user(folder, left):
    log, shm = catalog(folder).with_name("catalog.sqlite-wal"), catalog(folder).with_name("catalog.sqlite-shm")
    for path in (log, shm):
        path.unlink(missing_ok=True)
    if left == "empty log":
        log.touch()
    if left.startswith("log"):
        crashed(folder)
        if left == "log without index":
            shm.unlink()
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for path in (folder.parent, *folder.parent.parents[:-2]):
        if os.geteuid() == 0 and path.stat().st_uid == 0 and str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o055)
    try:
        done = subprocess.run([sys.executable, "-c", READ, folder], capture_output=True, text=True, check=False)
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"['r3'] {201 if left.startswith('log') else 200} []", "StoreError True"]
