"""Catalogs that SQLite can read and that say what cannot be; things of another kind in the place of files."""

import os
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from damage import projector, shard_of

import mmsearch
from mmsearch import Record
from mmsearch.encoders.fake import DIM
from mmsearch.errors import IndexDamaged, StoreError
from mmsearch.store import database, migrations, shard
from mmsearch.store.repair import repair
from mmsearch.store.store import Store
from mmsearch.store.verify import verify

ITEMS = 30


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    work = tmp_path_factory.mktemp("odd")
    (work / "media").mkdir()
    for number in range(5):
        (work / "media" / f"{number}.txt").write_text(f"number{number}")
    with mmsearch.open(work / "index", model="fake") as index:
        index.add([work / "media"])
        ready = (np.random.default_rng(n).standard_normal(DIM) for n in range(ITEMS))
        index.add_items(Record(id=f"r{n}", vectors={"image": v}, metadata={"n": n}) for n, v in enumerate(ready))
        index.remove(ids=["r7"])
        assert index.verify() == []
    return work


@pytest.fixture
def folder(template, tmp_path):
    shutil.copytree(template, tmp_path / "work")
    return tmp_path / "work" / "index"


def sql(folder, *statements):
    connection = sqlite3.connect(folder / database.CATALOG)
    try:
        with connection:
            for statement in statements:
                connection.execute(statement)
    finally:
        connection.close()


def found(folder):
    store = Store.open(folder)
    try:
        return list(verify(store))
    finally:
        store.close()


def sound(folder):
    """It can be read, written and searched."""
    assert found(folder) == []
    with mmsearch.open(folder, create=False) as index:
        index.add_items([Record(id="new", vectors={"image": np.ones(DIM)})])
        assert index.search(vector=np.ones(DIM), target="image", k=1)[0].id == "new"
        assert index.verify() == []


@pytest.mark.parametrize("how", ["up", "absolute", "other name", "in a folder", "link", "linked folder"])
def test_a_shard_outside_of_the_index_is_left_alone(folder, how):
    path = shard_of(folder, "vectors", "image")
    victim = folder.parent / "7.vec"
    victim.write_bytes(b"precious")
    names = {
        "up": "../7.vec",
        "absolute": str(victim),
        "other name": "shards/victim.txt",
        "in a folder": "shards/../../7.vec",
    }
    if how == "link":
        path.unlink()
        path.symlink_to(victim)
    elif how == "linked folder":
        (folder / "shards" / "linked").symlink_to(folder.parent)
        sql(folder, "UPDATE shards SET file = 'shards/linked/7.vec' WHERE modality = 'image'")
    else:
        (folder / "shards" / "victim.txt").write_bytes(b"precious")
        sql(folder, f"UPDATE shards SET file = '{names[how]}' WHERE modality = 'image'")
    assert any("no shard can be called so" in said or "leads out of the index" in said for said in found(folder))
    with mmsearch.open(folder, create=False) as index:
        with pytest.raises(IndexDamaged, match="verify --repair"):
            index.search(vector=np.ones(DIM))
        with pytest.raises(IndexDamaged, match="verify --repair"):
            index.remove(ids=["r3"])
    done = repair(folder, projector)
    assert done.left == ()
    assert len(done.lost) == ITEMS - 1
    assert victim.read_bytes() == b"precious"
    sound(folder)
    assert victim.read_bytes() == b"precious"
    if how == "other name":
        assert (folder / "shards" / "victim.txt").read_bytes() == b"precious"


def test_a_folder_of_shards_outside_of_the_index_is_left_alone(folder):
    (folder / "shards").rename(folder.parent / "elsewhere")
    (folder / "shards").symlink_to(folder.parent / "elsewhere")
    before = {path: path.read_bytes() for path in (folder.parent / "elsewhere").rglob("*.vec")}
    assert any("leads out of the index" in said for said in found(folder))
    with pytest.raises(StoreError, match="shards leads out of the index"):
        repair(folder, projector)
    assert {path: path.read_bytes() for path in (folder.parent / "elsewhere").rglob("*.vec")} == before


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        ("UPDATE shards SET rows = -5", 0),
        ("UPDATE shards SET rows = 1000000000000", 0),
        ("UPDATE shards SET rows = 1000000", 0),
        ("UPDATE shards SET rows = 'many'", 0),
        ("UPDATE shards SET dim = 0", 0),
        ("UPDATE shards SET dim = -1", 0),
        ("UPDATE shards SET dim = 1000000000000", 0),
        ("UPDATE shards SET dim = 32", 0),
        ("UPDATE shards SET dtype = 'foo'", 0),
        ("UPDATE shards SET dtype = 'object'", 0),
        ("UPDATE shards SET name = x'00'", 0),
        ("UPDATE shards SET total = 5", 0),
        ("UPDATE meta SET value = '' WHERE key = 'version'", 0),
        ("DELETE FROM meta WHERE key = 'version'", 0),
        ("UPDATE items SET metadata = '[1]' WHERE key = 'r3'", 1),
        ("DROP TABLE sidecars", 0),
        ("DROP TABLE tombstones", 0),
        ("DROP TABLE blocks", 0),
        ("DROP TABLE fits", 0),
        ("DROP TABLE chains", 0),
        ("DROP TABLE rows", ITEMS + 4),
        ("ALTER TABLE items DROP COLUMN pages", 0),
    ],
)
def test_what_a_catalog_cannot_say(folder, statement, lost):
    sql(folder, statement)
    assert found(folder) != []
    done = repair(folder, projector)
    assert done.done
    assert done.left == ()
    assert len(done.lost) == lost
    sound(folder)
    assert repair(folder, projector).done == ()


def test_an_odd_shard_without_a_header_is_left_out(folder):
    path = shard_of(folder, "vectors", "image")
    path.write_bytes(bytes(path.stat().st_size))
    sql(folder, "UPDATE shards SET dim = 0 WHERE modality = 'image'")
    done = repair(folder, projector)
    assert len(done.lost) == ITEMS - 1
    sound(folder)


@pytest.mark.parametrize("model", ["{}", "[]", "", "{", '{"name": 3}'])
def test_without_a_model_nothing_can_be_salvaged(folder, model):
    sql(folder, f"UPDATE meta SET value = '{model}' WHERE key = 'model'")
    assert any("which model" in said for said in found(folder))
    with pytest.raises(IndexDamaged, match="which model it is for.*new folder"):
        mmsearch.open(folder, create=False)
    with pytest.raises(IndexDamaged, match="index the media again into a new folder"):
        repair(folder, projector)


def test_a_repair_that_gives_up_leaves_no_draft(folder):
    sql(folder, "DROP TABLE tombstones")
    sql(folder, "UPDATE meta SET value = '' WHERE key = 'model'")
    with pytest.raises(IndexDamaged, match="does not tell any more which model it is for"):
        repair(folder, projector)
    assert not list(folder.glob("*.repair*"))


@pytest.mark.parametrize("number", range(migrations.FORMAT))
def test_the_number_of_the_format_is_that_of_the_tables(folder, number):
    sql(folder, f"PRAGMA user_version = {number}")
    with pytest.raises(IndexDamaged, match="verify --repair"):
        Store.open(folder)
    done = repair(folder, projector)
    assert f"is {migrations.FORMAT}" in done.done[0]
    assert (done.lost, done.left) == ((), ())
    sound(folder)


def test_a_folder_in_the_place_of_a_shard(folder):
    path = shard_of(folder, "vectors", "image")
    path.unlink()
    path.mkdir()
    done = repair(folder)
    assert len(done.lost) == ITEMS - 1
    assert path.is_dir()
    sound(folder)


@pytest.mark.skipif(os.name != "posix", reason="there are no named pipes")
def test_a_pipe_in_the_place_of_a_shard(folder):
    path = shard_of(folder, "vectors", "text")
    path.unlink()
    os.mkfifo(path)
    assert any("missing or cannot be read" in said for said in found(folder))
    with pytest.raises(StoreError, match="move it away"):
        repair(folder, projector)
    path.unlink()
    assert repair(folder, projector).lost == ()
    sound(folder)


def test_a_file_in_the_place_of_the_shards_and_a_folder_in_that_of_the_lock(folder):
    for name in ("shards", "writer.lock"):
        path = folder / name
        path.rename(folder.parent / name) if path.exists() else None
        path.touch() if name == "shards" else path.mkdir()
        assert isinstance(found(folder), list)
        with pytest.raises(StoreError, match=rf"{name} is no (file|folder).*move it away"):
            repair(folder, projector)
        with (
            mmsearch.open(folder, create=False) as index,
            pytest.raises(StoreError, match=rf"{name} is no (file|folder).*move it away"),
        ):
            index.remove(ids=["r3"])
        path.unlink() if name == "shards" else path.rmdir()
        if name == "shards":
            (folder.parent / name).rename(path)
    sound(folder)


OPEN = """
import os, sys, mmsearch, sqlite3, shutil, tempfile, filelock, email.parser, importlib.metadata
from pathlib import Path
from mmsearch.store.store import Store
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
store = Store.open(Path(sys.argv[1]))
print(store.query("PRAGMA user_version")[0][0], store.query("SELECT pages FROM items"), store.model["name"])
try:
    store.writer()
except mmsearch.MmsearchError as error:
    print("write" in str(error))
store.close()
print(list(Path(tempfile.gettempdir()).glob("mmsearch-catalog-*")))
"""


def test_an_older_format_can_be_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    with monkeypatch.context() as then:
        then.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:1])
        then.setattr(migrations, "FORMAT", 1)
        Store.create(tmp_path / "index", {"name": "fake"}).close()
    folder, temporary = tmp_path / "index", tmp_path / "temporary"
    temporary.mkdir()
    temporary.chmod(0o777)
    before = (folder / database.CATALOG).read_bytes()
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for path in (tmp_path, *tmp_path.parents[:-2]):
        if os.geteuid() == 0 and path.stat().st_uid == 0 and str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o055)
    try:
        done = subprocess.run(
            [sys.executable, "-c", OPEN, folder],
            env=os.environ | {"TMPDIR": str(temporary)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{migrations.FORMAT} [] fake", "True", "[]"]
    assert (folder / database.CATALOG).read_bytes() == before


def test_a_header_of_nonsense_is_no_group(folder):
    path = shard_of(folder, "vectors", "image")
    path.write_bytes(path.read_bytes().replace(b"float32", b"floot32", 1))
    assert shard.group_of(path) is None
