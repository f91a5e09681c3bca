import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from made_rows import FEATURES, item, put, unit, vector_of
from typer.testing import CliRunner

import mmsearch
from mmsearch import Record
from mmsearch.encoders.fake import DIM
from mmsearch.errors import IndexDamaged, IndexLocked, StoreError
from mmsearch.store import compact as compaction
from mmsearch.store import shard
from mmsearch.store.changes import NewItem, Put, Remove
from mmsearch.store.compact import compact
from mmsearch.store.repair import repair
from mmsearch.store.store import Store
from mmsearch.store.verify import verify

GROUP = ("vectors", "space", "1", "image")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shard, "SHARD_ROWS", 100)
    monkeypatch.setattr(shard, "BLOCK_BYTES", 256)


def commit(store, *changes):
    with store.writer() as writer:
        writer.commit(changes)


def remove(store, *keys):
    ids = {key: id_ for id_, key in store.query("SELECT id, key FROM items")}
    commit(store, Remove(tuple(ids[key] for key in keys), ()))


def fill(store, seeds):
    commit(store, *(put(seed, str(seed)) for seed in seeds))


def check(store, seeds):
    assert list(verify(store)) == []
    assert {int(key) for (key,) in store.query("SELECT key FROM items")} == set(seeds)
    for seed in seeds:
        np.testing.assert_array_equal(vector_of(store, str(seed)), unit(seed))
    assert {path for path in store.folder.rglob("*.vec")} == {s.path for s in store.snapshot().shards}


def size(folder):
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def rows_of(store, group=GROUP):
    return [(s.rows, len(s.dead)) for s in store.snapshot().of(*group)]


def test_dead_rows_go_and_the_others_stay_what_they_are(store):
    fill(store, range(350))
    gone = [seed for seed in range(350) if seed % 2 or 100 <= seed < 200]
    remove(store, *map(str, gone))
    kept = set(range(350)) - set(gone)
    features = store.snapshot().of("features", "encoder", "1", "image")
    before = {seed: store.hydrate([seed + 1]) for seed in kept}
    done = compact(store)
    assert (done.shards_before, done.rows_dropped) == (8, 2 * len(gone))
    assert done.shards_after == len(store.snapshot().shards) == 4
    assert done.bytes_after < done.bytes_before
    assert rows_of(store) == [(100, 0), (25, 0)]  # 50 + 50, and 25: the shard in which nothing lived is gone
    check(store, kept)
    assert {seed: store.hydrate([seed + 1]) for seed in kept} == before
    for s in store.snapshot().of("features", "encoder", "1", "image"):
        assert s not in features
        places = store.ids(s.id, 0, s.rows)[:, 0]
        np.testing.assert_array_equal(s.matrix, np.repeat(places[:, None] - 1, 4, axis=1).astype(np.float16))
    assert compact(store).rows_dropped == 0
    fill(store, range(1000, 1100))  # into what was the active shard
    assert rows_of(store) == [(100, 0), (100, 0), (25, 0)]
    check(store, kept | set(range(1000, 1100)))


def test_shards_with_few_dead_rows_are_left(store):
    fill(store, range(200))
    remove(store, "3", *map(str, range(100, 130)))
    first, second = store.snapshot().of(*GROUP)
    compact(store)
    now = store.snapshot().of(*GROUP)
    assert now[0] is first
    assert [s.rows for s in now] == [100, 70]
    assert second.path not in {s.path for s in now}
    compact(store, dead_share=0)
    assert rows_of(store) == [(70, 0), (99, 0)]
    check(store, set(range(200)) - {3, *range(100, 130)})


def test_small_shards_are_merged_and_one_alone_is_left(store):
    for round_ in range(3):
        fill(store, range(round_ * 100, round_ * 100 + 100))
        remove(store, *map(str, range(round_ * 100, round_ * 100 + 90)))
        compact(store, small_rows=0)
    fill(store, range(300, 320))
    assert rows_of(store) == [(10, 0), (10, 0), (10, 0), (20, 0)]
    compact(store)
    assert rows_of(store) == [(50, 0)]
    version = store.snapshot().version
    assert compact(store).shards_after == 2
    assert store.snapshot().version == version
    kept = {*range(90, 100), *range(190, 200), *range(290, 320)}
    check(store, kept)
    fill(store, range(400, 410))
    assert rows_of(store) == [(60, 0)]


def test_an_index_that_lost_everything(store):
    fill(store, range(150))
    remove(store, *map(str, range(150)))
    assert compact(store).shards_after == 0
    check(store, ())
    fill(store, range(5))
    check(store, range(5))


def test_nine_tenths_less_is_at_most_fifteen_percent(tmp_path, monkeypatch):
    monkeypatch.setattr(shard, "SHARD_ROWS", 1000)
    monkeypatch.setattr(shard, "BLOCK_BYTES", 65536)
    folder, random_ = tmp_path / "index", np.random.default_rng(0)
    rows = random_.standard_normal((12_000, DIM)).astype(np.float32)
    with mmsearch.open(folder, model="fake") as index:
        index.add_items(
            Record(id=str(n), vectors={"image": row}, metadata={"n": n, "text": "some words " * 5})
            for n, row in enumerate(rows)
        )
    before = size(folder)
    with mmsearch.open(folder, create=False) as index:
        kept = sorted(random_.permutation(12_000)[:1200].tolist())
        index.remove(ids=sorted({str(n) for n in range(12_000)} - {str(n) for n in kept}))

        def answers():
            found = [index.search(vector=rows[n], k=5, target="image") for n in kept[::10]]
            return [[(hit.id, hit.cosine, hit.metadata) for hit in hits] for hits in found]

        told = answers()
        assert [one[0][0] for one in told] == [str(n) for n in kept[::10]]
        done = index.compact()
        assert answers() == told
        assert size(folder) <= 0.15 * before
        assert done.bytes_after <= 0.15 * done.bytes_before
        assert index.verify() == []


def test_a_reader_that_holds_a_view_goes_on_finding_everything(store):
    fill(store, range(250))
    other = Store.open(store.folder)
    with other.view() as view:
        remove(store, *map(str, range(0, 250, 2)))
        compact(store)
        compact(store, dead_share=0)
        for seed in range(250):
            np.testing.assert_array_equal(vector_of(view, str(seed)), unit(seed))
        assert [s.rows for s in view.snapshot().of(*GROUP)] == [100, 100, 50]
    for seed in range(1, 250, 2):
        np.testing.assert_array_equal(vector_of(other, str(seed)), unit(seed))
    other.close()


SEARCHES = """
import sys, time
import numpy as np
import mmsearch
from mmsearch.encoders.fake import DIM
rows = np.random.default_rng(1).standard_normal((300, DIM))
index = mmsearch.open(sys.argv[1], create=False)
asked = missed = 0
print("ready", flush=True)
while not sys.stdin.closed:
    for at in np.random.default_rng(asked).permutation(300)[:20]:
        hits = index.search(vector=rows[at], k=3, target="image", where="n >= 0" if asked % 3 == 0 else None)
        asked += 1
        missed += [len(hits), hits[0].id] != [3, f"keep{at}"]
    keys = index.rank([mmsearch.search.query.Query.vector(row) for row in rows], "image", 1)
    asked += 1
    missed += [one[0] for one in keys] != [f"keep{n}" for n in range(300)]
    print(asked, missed, flush=True)
"""


def test_another_process_misses_nothing_while_this_one_compacts(tmp_path):
    folder = tmp_path / "index"
    rows = np.random.default_rng(1).standard_normal((300, DIM))
    with mmsearch.open(folder, model="fake") as index:
        index.add_items(Record(id=f"keep{n}", vectors={"image": row}, metadata={"n": n}) for n, row in enumerate(rows))
        with subprocess.Popen(
            [sys.executable, "-c", SEARCHES, folder], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        ) as other:
            try:
                assert other.stdout is not None
                assert other.stdout.readline() == "ready\n"
                said = []
                reading = threading.Thread(target=lambda: said.extend(other.stdout))
                reading.start()
                compacted, end = 0, time.monotonic() + 3
                while time.monotonic() < end:
                    ids = [f"junk{n}" for n in range(60)]
                    index.add_items(Record(id=id_, vectors={"image": -rows[0]}, metadata={"n": 0}) for id_ in ids)
                    index.remove(ids=ids)
                    index.compact(dead_share=0)
                    compacted += 1
            finally:
                other.kill()
                reading.join()
        assert index.verify() == []
    asked, missed = map(int, said[-1].split())
    assert compacted >= 3
    assert asked >= 40
    assert missed == 0


def churn(folder):
    """In a child: what is kept moves from shard to shard, until the process is killed."""
    store = Store.open(folder)
    for round_ in range(10_000):
        fill(store, range(1000, 1040))
        remove(store, *map(str, range(1000, 1040)))
        compact(store, dead_share=0, small_rows=(round_ % 2) * 80)


@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_killed_at_any_moment_nothing_is_lost(store, monkeypatch):
    monkeypatch.setattr(shard, "SHARD_ROWS", 60)
    fill(store, range(150))
    chance = random.Random(5)
    for _ in range(15):
        store.close()  # no connection may be open where a process is forked
        child = os.fork()
        if child == 0:
            try:
                churn(store.folder)
            finally:
                os._exit(1)
        time.sleep(chance.uniform(0.02, 0.25))
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        store = Store.open(store.folder)
        assert list(verify(store)) == []
        for seed in range(150):
            np.testing.assert_array_equal(vector_of(store, str(seed)), unit(seed))
        with store.writer():
            pass
        left = {int(key) for (key,) in store.query("SELECT key FROM items")} - set(range(150))
        if left:
            remove(store, *map(str, left))
    check(store, range(150))
    store.close()


@pytest.mark.parametrize("point", ["before", "commit"])
def test_a_compaction_that_fails_changes_nothing(store, monkeypatch, point):
    gone = 50 if point == "before" else 100  # then the structure goes with its shard
    fill(store, range(150))
    remove(store, *map(str, range(gone)))
    version = store.snapshot().version

    def full(*_):
        raise OSError(28, "No space left on device")

    if point == "commit":
        commit_structure(store, "image", store.snapshot().of(*GROUP)[0].id)
        version += 1
    with monkeypatch.context() as patch:
        if point == "before":
            patch.setattr(compaction.os, "fsync", full)
        else:
            patch.setattr(compaction.structures, "drop", full)  # the last step of the transaction
        with pytest.raises(StoreError, match="No space left"):
            compact(store)
    assert store.snapshot().version == version
    with store.writer():
        pass
    check(store, range(gone, 150))


def commit_structure(store, modality, *shard_ids):
    """A structure as the catalog sees it, which covers these shards, and its file."""
    from mmsearch.store import database

    engine = database.engine(store.folder, write=True)
    with engine.begin() as connection:
        sql = connection.exec_driver_sql
        number = sql("SELECT coalesce(max(id), 0) + 1 FROM structures").scalar_one()
        path = store.folder / f"shards/space/{modality}/{number}.ann"
        path.write_bytes(b"lists")
        sql(
            "INSERT INTO structures VALUES (?, 'space', '1', ?, 'ivf', ?, 5, ?, ?, 1.0)",
            (
                number,
                modality,
                path.relative_to(store.folder).as_posix(),
                zlib.crc32(b"lists"),
                100 * len(shard_ids),
            ),
        )
        sql("INSERT INTO settings VALUES (?, 'text', 1, 10, 1.0, 1.0, 1.0, 0.9, 10, 0.1, 0.2)", (number,))
        for first, shard_id in enumerate(shard_ids):
            sql(
                "INSERT INTO covered (structure_id, shard_id, first, rows) VALUES (?, ?, ?, 100)",
                (number, shard_id, 100 * first),
            )
        sql("UPDATE meta SET value = value + 1 WHERE key = 'version'")
    engine.dispose()
    return path


def test_structures_go_with_the_last_shard_that_they_cover(store):
    fill(store, range(300))
    first, second, third = store.snapshot().of(*GROUP)
    lost = commit_structure(store, "image", first.id)
    kept = commit_structure(store, "image", second.id, third.id)
    remove(store, *map(str, range(150)))
    done = compact(store)
    assert (done.uncovered, done.then) == (0, "")
    assert (lost.exists(), kept.exists()) == (False, True)
    assert store.query("SELECT id FROM structures") == [(2,)]
    moved, unmoved = store.snapshot().structures[0].covers
    assert (unmoved.shard_id, unmoved.first, unmoved.start, unmoved.packed) == (third.id, 100, 0, None)
    assert (moved.shard_id, moved.first, moved.start, moved.end) == (store.snapshot().of(*GROUP)[-1].id, 0, 0, 50)
    assert moved.gone.tolist() == list(range(50))
    assert store.query("SELECT structure_id FROM settings") == [(2,)]


@pytest.mark.parametrize(
    ("what", "spoil"),
    [
        ("is damaged in block 12", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        ("is too short", lambda data: data[:-10]),
        ("cannot be read", lambda _: None),
    ],
)
def test_damage_is_found_and_nothing_changes(store, what, spoil):
    fill(store, range(150))
    remove(store, *map(str, range(50)))
    version, (first, _) = store.snapshot().version, store.snapshot().of(*GROUP)
    whole = first.path.read_bytes()
    spoiled = spoil(whole)
    if spoiled is None:
        first.path.unlink()
    else:
        first.path.write_bytes(spoiled)
    files = {path: path.read_bytes() for path in store.folder.rglob("*.vec")}
    with pytest.raises(IndexDamaged, match=f"{what}.*verify --repair"):
        compact(store)
    assert {path: path.read_bytes() for path in store.folder.rglob("*.vec")} == files
    assert store.snapshot().version == version
    first.path.write_bytes(whole)
    compact(store)
    check(store, range(50, 150))


def test_a_wrong_count_of_the_dead_is_told_and_repaired(store):
    fill(store, range(50))
    remove(store, *map(str, range(10)))
    import sqlite3

    with sqlite3.connect(store.folder / "catalog.sqlite") as connection:
        connection.execute("UPDATE shards SET dead = 3 WHERE kind = 'vectors'")
    connection.close()
    (said,) = verify(store)
    assert "10 rows are dead, but the catalog counts 3" in said
    store.close()
    done = repair(store.folder)
    assert any("counted again" in line for line in done.done)
    assert done.left == ()


def test_a_writer_goes_on_after_a_compaction_of_its_own(store):
    with store.writing() as writer:
        writer.commit([put(seed, str(seed)) for seed in range(50)])
        ids = tuple(id_ for (id_,) in store.query("SELECT id FROM items ORDER BY id"))
        writer.commit([Remove(ids[:40])])
        assert compact(store).rows_dropped == 80  # vectors and features
        assert [(one.rows, one.dead) for one in writer.extents()] == [(10, 0)]
        writer.commit([put(60, "60")])
        assert compact(store, dead_share=0.0, small_rows=100).rows_dropped == 0
        writer.commit([put(61, "61")])
    for seed in (45, 60, 61):
        np.testing.assert_array_equal(vector_of(store, str(seed)), unit(seed))
    assert list(verify(store)) == []


def test_only_one_compacts_at_a_time(store):
    with store.writer(), pytest.raises(IndexLocked):
        compact(store)


def test_items_of_many_segments_and_only_vectors(store):
    def many(seed):
        one = item(seed, str(seed))
        segment = one.segments[0]
        bare = type(segment)("image", None, None, None, {g: r for g, r in segment.rows.items() if g != FEATURES})
        return Put((NewItem((segment, bare, bare), str(seed)),), None)

    commit(store, *(many(seed) for seed in range(60)))
    remove(store, *map(str, range(0, 60, 3)))
    compact(store, dead_share=0)
    assert sum(rows for rows, _ in rows_of(store)) == 120
    assert sum(rows for rows, _ in rows_of(store, ("features", "encoder", "1", "image"))) == 40
    assert list(verify(store)) == []


def test_on_the_command_line(store):
    from mmsearch.cli.app import app

    fill(store, range(150))
    remove(store, *map(str, range(50)))
    folder = str(Path(store.folder).absolute())
    shown = CliRunner().invoke(app, ["compact", "--index", folder, "--json"])
    found = json.loads(shown.stdout)
    assert (found["shards_before"], found["shards_after"], found["rows_dropped"]) == (4, 4, 100)
    assert found["bytes_after"] < found["bytes_before"]
    shown = CliRunner().invoke(app, ["compact", "--index", folder])
    assert "shards" in shown.stdout
    assert "after" in shown.stdout
    check(store, range(50, 150))
