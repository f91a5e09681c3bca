"""What `export` writes, and that it comes back as it was."""

import json
import signal
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

import mmsearch
from mmsearch import Record
from mmsearch.errors import FilterError, IndexLocked, ModelMismatch, QueryError, StoreError
from mmsearch.exchange import selection
from mmsearch.exchange.rows import COLUMNS
from mmsearch.store.writer import locked


@pytest.fixture
def rich(full):
    """Pictures, sounds in windows, texts in passages, records of several media, things removed."""
    words = " ".join(f"word{n}" for n in range(200))
    full.add_items(
        [
            Record(id="bäh", text=words, metadata={"jahr": 2024, "tief": {"a": [1, None, "ü"]}, "path": "elsewhere"}),
            Record(
                id="ready", vectors={"image": np.arange(1, 65.0), "audio": np.arange(64.0)}, metadata={"jahr": 1999}
            ),
            Record(id="gone", text="gone"),
        ]
    )
    full.remove(ids=["gone"])
    return full


def rows_of(path):
    if path.is_file():
        found = pq.read_table(path)
        vectors = found.column("vector").combine_chunks().flatten().to_numpy().reshape(len(found), -1)
        lines = found.select(COLUMNS).to_pylist()
        return vectors, [row | {n: json.loads(row[n]) for n in ("metadata", "properties")} for row in lines]
    lines = [json.loads(line) for line in (path / "rows.jsonl").read_text("utf-8").splitlines()]
    return np.load(path / "vectors.npy"), [{name: line.get(name) for name in COLUMNS} for line in lines]


@pytest.mark.parametrize(("first", "second"), [("a.parquet", "b"), ("a", "b.parquet"), ("a", "b")])
def test_export_import_export_is_the_same(rich, tmp_path, monkeypatch, first, second):
    monkeypatch.setattr(selection, "PAGE_ROWS", 7)  # so that items go over the ends of pages
    monkeypatch.setattr("mmsearch.exchange.npy.BATCH_ROWS", 5)
    monkeypatch.setattr("mmsearch.exchange.parquet.BATCH_ROWS", 5)
    made = rich.export(tmp_path / first)
    assert made.rows == rich.counts().segments
    with mmsearch.open(tmp_path / "other", model="fake") as other:
        found = other.load(tmp_path / first)
        assert (found.added, found.segments, found.rejected) == (len(rich), made.rows, 0)
        assert other.verify() == []
        assert [hit.id for hit in other.search("red", target="image")] == [
            hit.id for hit in rich.search("red", target="image", rerank="none")
        ]
        other.export(tmp_path / second)
    vectors, rows = rows_of(tmp_path / first)
    again, rows_again = rows_of(tmp_path / second)
    assert vectors.tobytes() == again.tobytes()
    assert rows == rows_again
    (text,) = {row["metadata"]["jahr"]: row for row in rows if row["id"] == "bäh"}.values()
    assert (text["path"], text["metadata"]) == ("elsewhere", {"jahr": 2024, "tief": {"a": [1, None, "ü"]}})
    assert len({row["start"] for row in rows if row["id"] == "bäh"}) > 1
    assert any(row["path"] and row["path"].endswith("red.png") and row["properties"]["width"] == 64 for row in rows)


def test_rows_are_those_of_the_index(rich, tmp_path):
    rich.export(tmp_path / "out")
    vectors, rows = rows_of(tmp_path / "out")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for item in rich.items():
        (mine, *_) = [i for i, row in enumerate(rows) if row["id"] == item.id]
        (hit,) = rich.search(vector=vectors[mine], target=rows[mine]["modality"], k=1, where=f"id = '{item.id}'")
        assert hit.cosine == pytest.approx(1, abs=1e-5)
        assert str(item.path or rows[mine]["path"]) == str(rows[mine]["path"])


def test_only_some(rich, tmp_path):
    rich.export(tmp_path / "images", target="image")
    assert {row["modality"] for row in rows_of(tmp_path / "images")[1]} == {"image"}
    rich.export(tmp_path / "some", where="jahr >= 2000")
    assert {row["id"] for row in rows_of(tmp_path / "some")[1]} == {"bäh"}
    with pytest.raises(FilterError, match="yahr"):
        rich.export(tmp_path / "x", where="yahr = 1")
    with pytest.raises(FilterError):
        rich.export(tmp_path / "x", where=f"jahr = {10**30}")
    with pytest.raises(QueryError, match="film"):
        rich.export(tmp_path / "x", target="film")
    with pytest.raises(QueryError, match="no vectors"):
        rich.export(tmp_path / "x", space="clip")
    with pytest.raises(QueryError, match="csv"):
        rich.export(tmp_path / "x", format="csv")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(("x", "."))]


def test_nothing_is_overwritten_and_nothing_half_is_left(full, tmp_path, monkeypatch):
    (tmp_path / "there.parquet").write_text("mine")
    with pytest.raises(StoreError, match="there already"):
        full.export(tmp_path / "there.parquet")
    assert (tmp_path / "there.parquet").read_text() == "mine"
    before = sorted(tmp_path.iterdir())

    def stop(what, done, total):
        raise KeyboardInterrupt

    for name in ("out.parquet", "out"):
        with pytest.raises(KeyboardInterrupt):
            full.export(tmp_path / name, progress=stop)
    with pytest.raises(StoreError, match="cannot write"):
        full.export(tmp_path / "there.parquet" / "out")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_a_later_export_clears_away_what_a_killed_one_left(full, tmp_path, name):
    folder, place = full.folder, tmp_path / name
    before = sorted(tmp_path.iterdir())
    program = (
        "import os, signal, sys, mmsearch\n"
        "stop = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "mmsearch.open(sys.argv[1], create=False).export(sys.argv[2], progress=stop)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, folder, place], check=False).returncode == -signal.SIGKILL
    (left,) = set(tmp_path.iterdir()) - set(before)
    assert left.name == f".{name}.part"
    lock = locked(left, wait=0)
    with pytest.raises(IndexLocked, match=f"exporting to .*{name}"):
        full.export(place)
    lock.release()
    assert full.export(place).rows > 0
    assert sorted(tmp_path.iterdir()) == sorted([*before, place])


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_a_disk_that_fills_up_leaves_nothing(full, tmp_path, name):
    before = sorted(tmp_path.iterdir())
    program = (
        "import resource, signal, sys, mmsearch\n"
        "index = mmsearch.open(sys.argv[1], create=False)\n"
        "index.export(sys.argv[2] + '0' + sys.argv[3])\n"  # what is loaded now is not loaded later
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))\n"
        "try:\n"
        "    index.export(sys.argv[2] + '1' + sys.argv[3])\n"
        "except mmsearch.errors.StoreError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program, full.folder, tmp_path / "a", name]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.startswith(f"cannot write {tmp_path / 'a1'}{name}")
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / f"a0{name}"])


def test_vectors_of_another_version_of_the_model_are_refused(full, index, tmp_path):
    full.export(tmp_path / "out")
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    about["model"]["spaces"]["fake"]["version"] = "0"
    (tmp_path / "out" / "about.json").write_text(json.dumps(about))
    with pytest.raises(ModelMismatch, match="version"):
        index.load(tmp_path / "out")
