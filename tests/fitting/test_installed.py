"""What happens to an index that uses a fit: everything that is stored in it has rows of the fit, whatever comes."""

import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damage import change_row, shard_of
from fitted_rows import rows, sound
from made import picture
from made_pairs import WORDS, paintings, unit

import mmsearch
from mmsearch import Record
from mmsearch.errors import IndexDamaged, StoreError
from mmsearch.store import shard
from mmsearch.store.writer import Writer

SPACE = "fake.fit-image"
VECTORS = unit(np.random.default_rng(3).standard_normal((5, 64)))


def found(index, question="rot", target="image", **more):
    hits = index.search(question, target=target, k=500, **more)
    assert all(hit.why[0] == f"text→{target} in {SPACE}" for hit in hits)
    return [hit.id for hit in hits]


def scores(index, question="rot"):
    return {hit.id: hit.cosine for hit in index.search(question, target="image", k=500)}


def test_what_is_added_is_found_by_what_was_learnt(taught):
    taught.add_items([Record(id="new", image=picture("red")), Record(id="other", image=picture("green"))])
    order = found(taught)
    assert order.index("new") < order.index("other")
    assert found(taught, "gruen").index("other") < found(taught, "gruen").index("new")
    sound(taught)


def test_a_text_that_is_added_is_found_by_a_picture(taught):
    taught.add_items([Record(id=f"w-{word}", text=f"{word} und noch etwas") for word in WORDS.values()])
    hits = taught.search(image=picture("purple"), target="text", k=3)
    assert hits[0].why[0] == f"image→text in {SPACE}"
    assert hits[0].id == "w-lila"
    sound(taught)


def test_what_is_removed_or_replaced_is_gone(taught):
    taught.remove(ids=["p0", "rot"])
    taught.add_items([Record(id="p1", image=picture("blue"), text="blau")])
    assert "p0" not in found(taught) and found(taught).count("p1") == 1
    assert found(taught, "blau").index("p1") < found(taught, "rot").index("p1")
    sound(taught)


def test_files_that_are_renamed_copied_and_changed(taught, media):
    taught.add([media])
    before = scores(taught)
    names = {item.path.name: item.id for item in taught.items() if item.path is not None}
    (media / "red.png").rename(media / "crimson.png")
    shutil.copy(media / "blue.png", media / "copy.png")
    picture("green", (50, 50)).save(media / "yellow.png")
    report = taught.add([media])
    assert (report.reused, report.updated) == (2, 1)
    now, after = {item.path.name: item.id for item in taught.items() if item.path is not None}, scores(taught)
    assert after[now["crimson.png"]] == before[names["red.png"]]
    assert after[now["copy.png"]] == after[now["blue.png"]] == before[names["blue.png"]]
    assert after[now["yellow.png"]] == pytest.approx(after[now["green.png"]], abs=0.02)
    sound(taught)


@pytest.mark.parametrize("way", ["add_vectors", "records", "file"])
def test_vectors_without_features_are_found_by_what_the_model_knows(taught, tmp_path, way):
    ids = [f"v{n}" for n in range(5)]
    if way == "add_vectors":
        taught.add_vectors(VECTORS, modality="image", ids=ids)
    elif way == "records":
        taught.add_items(Record(id=key, vectors={"image": row}) for key, row in zip(ids, VECTORS, strict=True))
    else:
        column = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.reshape(-1)), 64)
        pq.write_table(pa.table({"id": ids, "vector": column}), tmp_path / "x.parquet")
        assert taught.load(tmp_path / "x.parquet").added == 5
    sound(taught)
    order = [key for key in found(taught, "red blue thing") if key in ids]
    taught.fits.undo()
    plain = [hit.id for hit in taught.search("red blue thing", target="image", k=500)]
    assert order == [key for key in plain if key in ids] and len(order) == 5
    taught.fits.use("colours")
    sound(taught)


def test_vectors_that_were_there_before_the_fit(kit, plain):
    plain.add_vectors(VECTORS, modality="image", ids=[f"v{n}" for n in range(5)])
    plain.fits.put("colours", kit[1], {})
    assert {f"v{n}" for n in range(5)} < set(found(plain))
    sound(plain)


def test_an_export_has_no_rows_of_fits_unless_they_are_asked_for(taught, plain, tmp_path):
    for index, name in ((taught, "taught"), (plain, "plain")):
        index.export(tmp_path / f"{name}.parquet")
    ours, theirs = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("taught", "plain"))
    assert ours.num_rows == theirs.num_rows
    with mmsearch.open(tmp_path / "again", model="fake") as again:
        again.load(tmp_path / "taught.parquet")
        assert len(again) == len(taught)
    with mmsearch.open(taught.folder) as other:
        other.load(tmp_path / "plain.parquet")  # over what is there: vectors without features
        sound(other)


def test_several_shards_and_their_compaction(kit, plain, monkeypatch):
    monkeypatch.setattr(shard, "SHARD_ROWS", 64)
    monkeypatch.setattr("mmsearch.fitting.install.TOGETHER", 7)
    plain.add_items(paintings(150, seed=7, first=100))
    plain.remove(ids=[f"p{n}" for n in range(0, 60, 3)])
    told = []
    plain.fits.put("colours", kit[1], {}, told=lambda *now: told.append(now))
    live = sum(shard.live for shard in plain._store.snapshot().shards if shard.group.name == SPACE)
    assert told[-1] == ("applying the fit", live, live) and len(told) > 10
    before = scores(plain)
    plain.remove(ids=[f"p{n}" for n in range(1, 60, 3)])
    done = plain.compact(dead_share=0.0)
    assert done.rows_dropped > 0
    left = scores(plain)
    assert left == {key: before[key] for key in left} and 0 < len(left) < len(before)
    sound(plain)


def test_a_snapshot_has_the_fit(taught, tmp_path):
    taught.snapshot(tmp_path / "copy")
    with mmsearch.open(tmp_path / "copy", create=False) as copy:
        assert scores(copy) == scores(taught)
        assert [one.name for one in copy.fits.kept() if one.active] == ["colours"]
        sound(copy)


def test_repair_of_damaged_rows_of_a_fit_loses_nothing(kit, taught, plain):
    path = next(one.path for one in taught._store.snapshot().shards if one.group.name == SPACE)
    group = next(one.group for one in taught._store.snapshot().shards if one.path == path)
    folder, wanted, before = taught.folder, scores(taught), rows(plain)
    taught.close()
    change_row(path, 3, group)
    said = mmsearch.repair(folder)
    assert f"mmsearch fit --use colours --index {folder}" in " ".join(said.done)
    with mmsearch.open(folder) as index:
        assert [(one.name, bool(one.active)) for one in index.fits.kept()] == [("colours", False)]
        assert {key: row.tobytes() for key, row in rows(index).items()} == {k: r.tobytes() for k, r in before.items()}
        index.fits.use("colours")
        assert scores(index) == wanted
        sound(index)


def test_repair_computes_vectors_again_and_the_fit_goes_on(taught):
    path, wanted, folder = shard_of(taught.folder, "vectors", "image"), scores(taught), taught.folder
    group = next(one.group for one in taught._store.snapshot().shards if one.path == path)
    taught.close()
    change_row(path, 5, group)
    mmsearch.repair(folder)
    with mmsearch.open(folder) as index:
        if not any(one.active for one in index.fits.kept()):
            index.fits.use("colours")
        assert scores(index) == wanted
        sound(index)


def test_a_damaged_fit_is_named_and_can_be_taken_out_of_use(taught):
    """What is searched without it, and undoing it, need it not."""
    folder = taught.folder
    connection = sqlite3.connect(folder / "catalog.sqlite")
    with connection:
        connection.execute(
            "UPDATE fits SET content = CAST(substr(content, 1, length(content) - 4) || x'0000803f' AS BLOB)"
        )
    connection.close()
    with mmsearch.open(folder) as index:
        with pytest.raises(IndexDamaged, match="the content of the fit 'colours' is not what was kept"):
            index.search("rot", target="image")
        assert index.fits.undo() == ("colours", None)
        assert len(index.search("rot", target="image")) == 10
        index.fits.forget("colours")
    assert taught.fits.kept() == ()


def test_structures_over_a_fit(kit, tmp_path):
    """They are built and tuned for the questions that the fit serves, and go when it goes."""
    random = np.random.default_rng(0)
    with mmsearch.open(tmp_path / "many", model="fake") as index:
        colours = random.dirichlet(np.full(10, 0.3), 1000).astype(np.float32)
        vectors = np.pad(colours, ((0, 0), (0, 54)))
        index.add_vectors(vectors, modality="image", ids=[f"i{n}" for n in range(1000)])
        index.add_items(Record(id=f"t{n}", text=record.metadata["caption"]) for n, record in enumerate(paintings(300)))
        index.fits.put("colours", kit[1], {})
        exact = {word: found(index, word)[:10] for word in WORDS.values()}
        parts = index.optimize(structure="pq", recall=0.8)
        built = [part for part in parts if part.space == SPACE and part.modality == "image"]
        assert [set(part.settings) for part in built] == [{"text"}], built
        recipes = {(one.name, one.modality) for one in index._store.snapshot().structures}
        assert (SPACE, "image") in recipes
        near = {word: found(index, word)[:10] for word in WORDS.values()}
        assert np.mean([len(set(exact[word]) & set(near[word])) / 10 for word in exact]) > 0.8
        sound(index)
        index.fits.undo()
        assert not any(one.name == SPACE for one in index._store.snapshot().structures)
        assert list(index.verify()) == []


BROKEN_OFF = """
import os, sys
import mmsearch
from mmsearch.store.writer import Writer
from mmsearch.fitting import install
install.TOGETHER = 20
step = sys.argv[3]
def die(*_): os._exit(9)
if step == "rows":
    count = iter(range(3))
    commit = Writer.commit
    Writer.commit = lambda self, changes: commit(self, changes) if next(count, None) is not None else die()
else:
    Writer.activate_fit = die
with mmsearch.open(sys.argv[1]) as index:
    index.fits.load(sys.argv[2])
"""


@pytest.mark.parametrize("step", ["rows", "activation"])
def test_an_installation_that_is_broken_off_leaves_nothing(taught, plain, tmp_path, step):
    before = {key: row.tobytes() for key, row in rows(plain).items()}
    wanted = scores(plain)
    taught.fits.export("colours", tmp_path / "fit")
    script = [sys.executable, "-c", BROKEN_OFF, plain.folder, tmp_path / "fit", step]
    assert subprocess.run(script, check=False, env=environment()).returncode == 9
    left = rows(plain)
    assert any(group.name == SPACE for group, _ in left)  # rows of it are there, and no search looks at them
    assert scores(plain) == wanted and list(plain.verify()) == []
    plain.add_items([Record(id="p0", image=picture("red"))])
    assert not any(group.name == SPACE for group, _ in rows(plain))
    plain.add_items(record for record in paintings(60) if record.id == "p0")
    assert {row.tobytes() for row in rows(plain).values()} == set(before.values())
    plain.fits.use("colours")
    assert scores(plain) == scores(taught)
    sound(plain)


def environment():
    return {**os.environ, "PYTHONPATH": str(Path(mmsearch.__file__).parents[1])}


def test_a_disk_that_fails_leaves_the_index_as_it_was(kit, taught, monkeypatch):
    wanted, commit, calls = scores(taught), Writer.commit, iter(range(2))

    def full(self, changes):
        if next(calls, None) is None:
            raise StoreError("the disk is full")
        return commit(self, changes)

    monkeypatch.setattr("mmsearch.fitting.install.TOGETHER", 20)
    with monkeypatch.context() as patch, pytest.raises(StoreError, match="full"):
        patch.setattr(Writer, "commit", full)
        taught.fits.put("strong", replace(kit[1], settings=replace(kit[1].settings, weight=0.9)), {})
    assert scores(taught) == wanted
    assert {one.name: bool(one.active) for one in taught.fits.kept()} == {"colours": True, "strong": False}
    taught.fits.use("strong")
    sound(taught)
