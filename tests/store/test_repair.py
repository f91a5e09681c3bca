import os
import random
import shutil
import sqlite3
from pathlib import Path

import crash_state
import numpy as np
import pytest
from damage import change, change_row, pages_of, projector, shard_of, zero_page

import mmsearch
from mmsearch import Record
from mmsearch.encoders.fake import DIM
from mmsearch.errors import IndexDamaged, IndexLocked, IndexNotFound, StoreError
from mmsearch.store import database, shard
from mmsearch.store.repair import repair
from mmsearch.store.store import Store
from mmsearch.store.verify import verify

TEXTS = 300  # several blocks of vectors would be 1024 rows: blocks are made small instead


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(shard, "BLOCK_BYTES", 4096)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """An index of texts in files and of records with ready vectors, in small shards and small blocks."""
    work = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard, "BLOCK_BYTES", 4096)
        patch.setattr(shard, "SHARD_ROWS", 100)
        patch.setattr("mmsearch.indexing.run.COMMIT_SEGMENTS", 30)
        (work / "media").mkdir()
        for number in range(TEXTS):
            (work / "media" / f"{number:03}.txt").write_text(f"number{number} of words{number * 3} and {number * 7}")
        with mmsearch.open(work / "index", model="fake") as index:
            index.add([work / "media"])
            ready = (np.random.default_rng(n).standard_normal(DIM) for n in range(40))
            index.add_items(Record(id=f"r{n}", vectors={"image": v}, metadata={"n": n}) for n, v in enumerate(ready))
            index.remove(ids=["r7"])
            assert index.verify() == []
    return work


@pytest.fixture
def work(template, tmp_path):
    shutil.copytree(template, tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def folder(work):
    return work / "index"


def state(folder):
    store = Store.open(folder)
    try:
        return crash_state.read(store)
    finally:
        store.close()


def clean(folder):
    store = Store.open(folder)
    try:
        return list(verify(store))
    finally:
        store.close()


def group_of(path):
    return shard.group_of(path)


def sql(folder, statement, values=()):
    connection = sqlite3.connect(folder / database.CATALOG)
    try:
        with connection:
            return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def test_a_sound_index_stays_as_it_is(folder):
    before, files = state(folder), {p: p.read_bytes() for p in folder.rglob("*.vec")}
    done = repair(folder)
    assert (done.done, done.lost, done.again, done.left) == ((), (), (), ())
    assert done.kept == TEXTS + 39
    assert state(folder) == before
    assert {p: p.read_bytes() for p in folder.rglob("*.vec")} == files


def test_a_damaged_vector_is_computed_again_from_its_features(folder):
    before = state(folder)
    path = shard_of(folder, "vectors", "text")
    change_row(path, 5, group_of(path))
    assert clean(folder) != []
    done = repair(folder, projector)
    assert (done.lost, done.again, done.left) == ((), (), ())
    assert "16 vectors were computed again" in done.done[0]  # of one block
    assert state(folder) == before
    assert clean(folder) == []


def test_without_the_model_the_items_of_the_block_go_and_their_files_are_read_again(folder):
    before = state(folder)
    path = shard_of(folder, "vectors", "text")
    change_row(path, 5, group_of(path))
    done = repair(folder)
    assert len(done.lost) == len(done.again) == 16
    assert clean(folder) == [] == list(done.left)
    now = state(folder)
    assert now.items() <= before.items()
    assert len(now) == len(before) - 16
    with mmsearch.open(folder) as index:
        media = template_media(index)
        assert {path.parent for path in done.again} == {media}
        assert index.add([media]).added == 16
    assert sorted(map(tuple, state(folder).values())) == sorted(map(tuple, before.values()))


def template_media(index):
    """The index knows its media under the place where they were indexed, or beside it where both moved."""
    (root,) = index._store.roots().values()
    return Path(os.fsdecode(root))


def test_damaged_features_cannot_be_computed_again(folder):
    path = shard_of(folder, "features", "text")
    group = group_of(path)
    change_row(path, 0, group)
    done = repair(folder, projector)
    assert len(done.lost) == len(done.again) == group.block_rows
    assert clean(folder) == []


def test_ready_vectors_have_no_features_and_are_lost_by_id(folder):
    path = shard_of(folder, "vectors", "image")
    change_row(path, 0, group_of(path))
    done = repair(folder, projector)
    assert {name.split()[0] for name in done.lost} < {f"r{n}" for n in range(40)}
    assert 15 <= len(done.lost) <= 16  # one was removed
    assert done.again == ()
    assert clean(folder) == []


@pytest.mark.parametrize("kind", ["vectors", "features"])
def test_a_shard_that_is_cut_short_keeps_its_whole_blocks(folder, kind):
    before = state(folder)
    path = shard_of(folder, kind, "text")
    group = group_of(path)
    rows = (path.stat().st_size - shard.HEADER_BYTES) // group.row_bytes
    with path.open("r+b") as file:
        file.truncate(shard.HEADER_BYTES + 50 * group.row_bytes + 3)
    done = repair(folder, projector)
    whole = 50 // group.block_rows * group.block_rows
    assert len(done.lost) == (0 if kind == "vectors" else rows - whole)
    assert state(folder).items() <= before.items()
    assert clean(folder) == []


@pytest.mark.parametrize("how", ["missing", "empty", "folder"])
def test_a_shard_that_is_gone(folder, how):
    before = state(folder)
    path = shard_of(folder, "vectors", "text")
    path.unlink()
    if how == "empty":
        path.touch()
    if how == "folder":
        path.mkdir()
        with pytest.raises(StoreError, match=path.name):
            repair(folder, projector)
        path.rmdir()
    done = repair(folder, projector)
    assert (done.lost, done.left) == ((), ())
    assert state(folder) == before
    path.unlink()
    done = repair(folder)
    assert len(done.lost) == 100
    assert not path.exists()
    assert clean(folder) == []


def test_a_damaged_header_is_written_again(folder):
    before = state(folder)
    path = shard_of(folder, "vectors", "text")
    content = path.read_bytes()
    change(path, 3, 200)
    assert any("header" in said for said in clean(folder))
    done = repair(folder)
    assert "header" in done.done[0]
    assert path.read_bytes() == content
    assert state(folder) == before
    assert clean(folder) == []


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        ("UPDATE shards SET total = zeroblob(512) WHERE kind = 'vectors'", 0),
        ("UPDATE shards SET total = x'00'", 0),
        ("DELETE FROM blocks", 0),
        ("UPDATE meta SET value = 'seven' WHERE key = 'version'", 0),
        ("DELETE FROM tombstones", 0),
        ("INSERT INTO tombstones VALUES (1, 0)", 0),
        ("INSERT INTO tombstones VALUES (1, 100000)", 0),
        ("INSERT INTO tombstones VALUES (999, 0)", 0),
        ("DELETE FROM rows WHERE segment_id = 3", 1),
        ("DELETE FROM segments WHERE id = 3", 1),
        ("DELETE FROM items WHERE id = 3", 0),
        ("DELETE FROM files WHERE id = 3", 1),
        ("DELETE FROM roots", TEXTS),
        ("UPDATE segments SET modality = 'audio' WHERE id = 2", 1),
        ("UPDATE segments SET modality = 'smell' WHERE id = 2", 1),
        ("UPDATE items SET metadata = '{' WHERE id = 2", 1),
        ("UPDATE items SET key = CAST(x'61ff62' AS TEXT) WHERE id = 2", 1),
        ("UPDATE segments SET excerpt = CAST(x'61ff62' AS TEXT) WHERE id = 2", 1),
        ("INSERT INTO items (key, metadata) VALUES ('lonely', '{}')", 1),
        ("UPDATE rows SET segment_id = 2 WHERE segment_id = 3", 2),
    ],
)
def test_what_disagrees_goes_and_the_rest_stays(folder, statement, lost):
    before = state(folder)
    sql(folder, statement)
    assert clean(folder) != []
    done = repair(folder, projector)
    assert len(done.lost) == lost
    assert clean(folder) == [] == list(done.left)
    assert len(before) - len(state(folder)) in (lost, lost + 1 if "DELETE FROM items" in statement else lost - 1)
    assert state(folder).items() <= before.items()
    assert repair(folder).done == ()


def test_a_file_that_lost_one_of_its_items_is_read_again(tmp_path):
    (tmp_path / "media").mkdir()
    lines = "".join(f'{{"id": "j{n}", "text": "line{n} word{n}"}}\n' for n in range(5))
    (tmp_path / "media" / "some.jsonl").write_text(lines)
    with mmsearch.open(tmp_path / "index", model="fake") as index:
        index.add([tmp_path / "media"])
        if not len(index):
            pytest.skip("no records in .jsonl files")
    before = state(tmp_path / "index")
    sql(tmp_path / "index", "DELETE FROM rows WHERE segment_id = 2")
    done = repair(tmp_path / "index")
    assert (len(done.lost), done.again, done.kept) == (1, (tmp_path / "media" / "some.jsonl",), 4)
    with mmsearch.open(tmp_path / "index") as index:
        index.add([tmp_path / "media"])
        assert index.verify() == []
    assert state(tmp_path / "index") == before


TABLES = ["items", "segments", "rows", "shards", "blocks", "files", "tombstones"]
INDEXES = ["rows_segment", "segments_item", "items_file", "files_hash", "sqlite_autoindex_items_1"]


@pytest.mark.parametrize("name", INDEXES)
def test_damaged_indexes_of_the_catalog_are_built_again(folder, name):
    before = state(folder)
    zero_page(folder, pages_of(folder, name)[-1])
    store = Store.open(folder)
    assert any(said.startswith("catalog:") or "malformed" in said for said in verify(store))
    store.close()
    done = repair(folder, projector)
    assert (done.lost, done.left) == ((), ())
    assert state(folder) == before


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_page_of_a_table_costs_its_own_rows(folder, name, which):
    before = state(folder)
    page = pages_of(folder, name)[which]
    zero_page(folder, page)
    damaged = (folder / database.CATALOG).read_bytes()
    store = Store.open(folder)
    assert list(verify(store))
    store.close()
    done = repair(folder, projector)
    assert done.left == () == tuple(clean(folder))
    assert state(folder).items() <= before.items()
    if name in ("rows", "shards", "blocks", "tombstones"):  # known a second time
        assert len(state(folder)) == len(before)
    (kept,) = folder.glob("catalog.sqlite.damaged*")
    assert len(kept.read_bytes()) == len(damaged)
    with mmsearch.open(folder) as index:
        index.add([template_media(index)] if index._store.roots() else [])
        assert index.verify() == []


def test_a_segment_that_lost_its_features_with_a_page_of_the_catalog_is_read_again(folder):
    sql(folder, "DELETE FROM rows WHERE segment_id = 3 AND shard_id IN (SELECT id FROM shards WHERE kind = 'features')")
    sql(folder, "INSERT INTO meta VALUES ('salvaged', '1')")
    done = repair(folder)
    assert (len(done.lost), len(done.again)) == (1, 1)
    assert sql(folder, "SELECT count(*) FROM meta WHERE key = 'salvaged'") == [(0,)]
    assert clean(folder) == []


def test_vectors_and_features_of_a_segment_are_not_the_same_row(folder):
    sql(folder, "DELETE FROM rows WHERE segment_id = 3 AND shard_id IN (SELECT id FROM shards WHERE kind = 'vectors')")
    assert any("no vector" in said for said in clean(folder))


def test_a_catalog_that_cannot_be_read_at_all_says_what_to_do(folder):
    (folder / database.CATALOG).write_bytes(b"no database" * 1000)
    with pytest.raises(IndexDamaged, match="index the media again into a new folder"):
        repair(folder)
    (folder / database.CATALOG).write_bytes(b"")
    with pytest.raises(IndexDamaged, match="is empty.*new folder"):
        repair(folder)
    (folder / database.CATALOG).unlink()
    with pytest.raises(IndexNotFound):
        repair(folder)
    (folder / database.CATALOG).mkdir()
    with pytest.raises(IndexDamaged, match="is no file"):
        repair(folder)
    with pytest.raises(IndexNotFound):
        repair(folder / "nowhere")


def test_a_writer_keeps_a_repair_out(folder):
    store = Store.open(folder)
    with store.writer(), pytest.raises(IndexLocked):
        repair(folder)
    store.close()


def test_a_reader_keeps_the_catalog_from_being_replaced(folder, monkeypatch):
    monkeypatch.setattr("mmsearch.store.salvage.BUSY_SECONDS", 0.1)
    store = Store.open(folder)
    zero_page(folder, pages_of(folder, "items")[-1])
    assert list(verify(store))
    with pytest.raises(StoreError, match="locked|in use"):
        repair(folder)
    store.close()
    assert repair(folder).left == ()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_bytes_are_damaged_the_repair_ends_sound_or_says_that_it_cannot(folder, seed):
    before, draw = state(folder), random.Random(seed)
    files = [folder / database.CATALOG, *sorted(folder.rglob("*.vec"))]
    for _ in range(draw.randint(1, 6)):
        path = draw.choice([files[0], draw.choice(files)])
        match draw.choice(["page", "page", "bytes", "zeros", "cut"]):
            case "page":
                overwrite(path, draw.randrange(4096, path.stat().st_size, 4096), draw.randbytes(4096))
            case "bytes":
                overwrite(path, draw.randrange(200, path.stat().st_size), draw.randbytes(draw.randint(1, 9)))
            case "zeros":
                overwrite(path, draw.randrange(4096, path.stat().st_size, 4096), bytes(4096))
            case "cut" if path != files[0]:
                os.truncate(path, draw.randrange(path.stat().st_size))
    try:
        done = repair(folder, projector)
    except IndexDamaged as error:
        assert "nothing can be salvaged" in str(error)  # noqa: PT017
        return
    assert done.left == ()
    assert clean(folder) == []
    kept = {name: vectors for name, vectors in state(folder).items() if "#" not in name}
    assert set(map(tuple, kept.values())) <= set(map(tuple, before.values()))


def overwrite(path, place, content):
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(place)
        file.write(content[: size - place])
