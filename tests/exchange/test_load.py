"""Vectors from elsewhere: foreign Parquet files, `.npy` with a table, clip-retrieval's folders, and bad rows."""

import datetime
import json
import sys
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mmsearch
from mmsearch.errors import MediaError, MissingExtra
from mmsearch.exchange import load
from mmsearch.exchange.batch import Columns

DIM = 64


def vectors(count, seed=0, dtype=np.float32):
    found = np.random.default_rng(seed).standard_normal((count, DIM))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(dtype)


def nearest(index, vector, target="image"):
    return index.search(vector=vector, target=target, k=1, rerank="none")[0]


@pytest.mark.parametrize("kind", ["fixed", "list", "half"])
def test_a_foreign_parquet_file(index, tmp_path, kind):
    found = vectors(20)
    column = {
        "fixed": lambda: pa.FixedSizeListArray.from_arrays(pa.array(found.reshape(-1)), DIM),
        "list": lambda: pa.array(found.astype(float).tolist()),
        "half": lambda: pa.FixedSizeListArray.from_arrays(pa.array(found.astype(np.float16).reshape(-1)), DIM),
    }[kind]()
    day = datetime.datetime(2024, 5, 6, 7, 8, 9)
    table = {
        "name": [f"n{i}" for i in range(20)], "emb": column, "year": list(range(2000, 2020)), "when": [day] * 20,
        "score": [float("nan"), *[0.5] * 19], "raw": [b"\xff"] * 20, "tags": [["a", None]] * 20, "none": [None] * 20,
    }  # fmt: skip
    pq.write_table(pa.table(table), tmp_path / "x.parquet", row_group_size=6)
    done = index.load(tmp_path / "x.parquet", Columns(id="name"))
    assert (done.added, done.replaced, done.rejected) == (20, 0, 0)
    hit = nearest(index, found[3])
    assert (hit.id, round(hit.cosine, 3)) == ("n3", 1)
    when = "2024-05-06T07:08:09"
    assert hit.metadata == {"year": 2003, "when": when, "score": 0.5, "raw": "\ufffd", "tags": ["a", None]}
    assert nearest(index, found[0]).metadata.keys() == {"year", "when", "raw", "tags"}
    assert index.verify() == []
    again = index.load(tmp_path / "x.parquet", Columns(id="name", metadata=("year",), modality="audio"))
    assert (again.added, again.replaced, len(index)) == (0, 20, 20)
    assert nearest(index, found[3], "audio").metadata == {"year": 2003}
    assert index.verify() == []


def test_bad_rows_are_named_and_counted(index, tmp_path):
    found = vectors(8).astype(float).tolist()
    found[1][5] = float("nan")
    found[2] = [0.0] * DIM
    found[3] = found[3][:10]
    found[4] = None
    found[5][0] = float("inf")
    ids = ["a", "b", "c", "d", "e", "f", None, "a"]
    pq.write_table(pa.table({"id": ids, "vector": pa.array(found)}), tmp_path / "x.parquet")
    done = index.load(tmp_path / "x.parquet")
    assert (done.added, done.rejected, done.segments) == (1, 7, 1)
    said = [(failure.id, failure.reason) for failure in done.failed]
    expected = [
        ("b", "row 1: its vector is not finite"), ("c", "row 2: its vector is all zero"),
        ("d", "row 3: its vector has 10 numbers, not 64"), ("e", "row 4: it has no vector"),
        ("f", "row 5: its vector is not finite"), (None, "row 6: it has no id"),
        ("a", "its id came before in the same source"),
    ]  # fmt: skip
    assert said == expected
    np.testing.assert_allclose(nearest(index, found[0]).cosine, 1, atol=1e-6)
    assert index.verify() == []


@pytest.mark.parametrize("large", [False, True])
def test_a_duplicate_far_away_is_one(index, tmp_path, monkeypatch, large):
    """The parts of a large source are made in a thread, one ahead."""
    monkeypatch.setattr("mmsearch.exchange.npy.BATCH_ROWS", 4)
    if large:
        monkeypatch.setattr("mmsearch.exchange.load.BATCH_ROWS", 4)
    made_by, real = set(), load._unit
    monkeypatch.setattr(load, "_unit", lambda *rows: made_by.add(threading.current_thread().name) or real(*rows))
    np.save(tmp_path / "x.npy", vectors(20))
    ids = [*range(18), 2, 17]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps({"id": i}) + "\n" for i in ids))
    done = index.load(tmp_path / "x.npy")
    assert (done.added, done.replaced, [failure.id for failure in done.failed]) == (18, 0, ["2", "17"])
    assert {name.startswith("mmsearch-load") for name in made_by} == {large}
    again = index.load(tmp_path / "x.npy")
    assert (again.added, again.replaced, [failure.id for failure in again.failed]) == (0, 18, ["2", "17"])


@pytest.mark.parametrize("make", [lambda wide: wide.astype(float).tolist(), lambda wide: None])
def test_a_file_of_another_dimension_is_refused(index, tmp_path, make):
    wide = np.ones((3, 512), np.float32)
    column = make(wide)
    if column is None:
        column = pa.FixedSizeListArray.from_arrays(pa.array(wide.reshape(-1)), 512)
    pq.write_table(pa.table({"id": ["a", "b", "c"], "v": column}), tmp_path / "x.parquet")
    np.save(tmp_path / "x.npy", wide)
    for name in ("x.parquet", "x.npy"):
        with pytest.raises(MediaError, match="512 numbers, the index needs 64"):
            index.load(tmp_path / name)


@pytest.fixture
def clip_retrieval(tmp_path):
    """Two parts of 10 and 5 pictures with captions, as `clip-retrieval inference` writes them."""
    folder = tmp_path / "embeddings"
    images, texts = vectors(15, 1, np.float16), vectors(15, 2, np.float16)
    for name in ("img_emb", "text_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    for number, rows in (("0", slice(0, 10)), ("1", slice(10, 15))):
        np.save(folder / "img_emb" / f"img_emb_{number}.npy", images[rows])
        np.save(folder / "text_emb" / f"text_emb_{number}.npy", texts[rows])
        known = {
            "image_path": [f"/data/{i}.jpg" for i in range(15)[rows]],
            "caption": [f"caption {i}" for i in range(15)[rows]],
            "width": [100 + i for i in range(15)[rows]],
        }
        pq.write_table(pa.table(known), folder / "metadata" / f"metadata_{number}.parquet")
    return folder, images, texts


def test_what_clip_retrieval_wrote(index, clip_retrieval):
    folder, images, texts = clip_retrieval
    done = index.load(folder)
    assert (done.added, done.segments, done.rejected) == (15, 30, 0)
    for i in range(15):
        picture, caption = nearest(index, images[i]), nearest(index, texts[i], "text")
        assert picture.id == caption.id == f"/data/{i}.jpg"
        assert picture.metadata == {"image_path": f"/data/{i}.jpg", "caption": f"caption {i}", "width": 100 + i}
        assert (picture.excerpt, caption.excerpt) == (None, f"caption {i}")
    assert index.verify() == []


def test_clip_retrieval_without_texts_or_metadata(index, clip_retrieval):
    folder, images, _ = clip_retrieval
    for path in [*folder.glob("text_emb/*"), *folder.glob("metadata/*")]:
        path.unlink()
    assert index.load(folder).added == 15
    assert nearest(index, images[12]).id == "1:2"


def test_tables_of_another_length_are_refused(index, clip_retrieval, tmp_path):
    folder, images, _ = clip_retrieval
    np.save(folder / "img_emb" / "img_emb_1.npy", images[:4])
    with pytest.raises(MediaError, match="different numbers"):
        index.load(folder)
    for lines, match in ((2, "2 rows for 3"), (4, "more rows")):
        np.save(tmp_path / "x.npy", vectors(3))
        (tmp_path / "x.jsonl").write_text('{"a": 1}\n' * lines)
        with pytest.raises(MediaError, match=match):
            index.load(tmp_path / "x.npy")


def test_a_bad_line_costs_its_row_only(index, tmp_path):
    np.save(tmp_path / "x.npy", vectors(3))
    (tmp_path / "x.jsonl").write_text('{"id": "a"}\n{"id": \n{"id": "c"}\n')
    done = index.load(tmp_path / "x.npy")
    assert [item.id for item in index.items()] == ["a", "c"]
    assert "row 1: line 2: not JSON" in done.failed[0].reason


def test_unit_vectors_stay_as_they_are_and_others_become_unit(index, tmp_path):
    found = vectors(4)
    np.save(tmp_path / "x.npy", np.concatenate([found[:2], 7 * found[2:]]))
    index.load(tmp_path / "x.npy")
    index.export(tmp_path / "out")
    back = np.load(tmp_path / "out" / "vectors.npy")
    assert back[:2].tobytes() == found[:2].tobytes()
    np.testing.assert_allclose(back[2:], found[2:], atol=1e-7)


def test_what_is_no_source(index, tmp_path):
    (tmp_path / "x.csv").write_text("a")
    (tmp_path / "x.parquet").write_text("a")
    (tmp_path / "x.npy").write_text("a")
    np.save(tmp_path / "ints.npy", np.ones((2, DIM), int))
    (tmp_path / "empty").mkdir()
    for name, match in [
        ("nowhere", "no file"), ("nowhere.npy", "no file"), ("x.csv", "no .parquet"), ("x.parquet", "as Parquet"),
        ("x.npy", "as .npy"), ("ints.npy", "int64"), ("empty", "img_emb"),
    ]:  # fmt: skip
        with pytest.raises(MediaError, match=match):
            index.load(tmp_path / name)
    pq.write_table(pa.table({"a": [[0.5]], "b": [[0.5]], "c": ["x"]}), tmp_path / "two.parquet")
    for columns, match in [
        (Columns(), "a, b"), (Columns(vector="c"), "no lists"), (Columns(vector="z"), "no column 'z'"),
        (Columns(vector="a", id="q"), "no column 'q'"),
    ]:  # fmt: skip
        with pytest.raises(MediaError, match=match):
            index.load(tmp_path / "two.parquet", columns)


def test_a_modality_that_there_is_not(index, tmp_path):
    np.save(tmp_path / "x.npy", vectors(2))
    done = index.load(tmp_path / "x.npy", Columns(modality="film"))
    assert (done.added, done.rejected) == (0, 2)
    assert done.failed[0].reason == "row 0: film: no modality; there are: image, text, audio"
    done = index.load(tmp_path / "x.npy", Columns(modality="imge"))
    assert "did you mean image?" in done.failed[0].reason


def test_without_pyarrow_the_extra_is_named_and_npy_works(full, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    full.export(tmp_path / "out")
    with mmsearch.open(tmp_path / "other", model="fake") as other:
        assert other.load(tmp_path / "out").added == len(full)
    (tmp_path / "x.parquet").touch()
    for call in (lambda: full.export(tmp_path / "y.parquet"), lambda: full.load(tmp_path / "x.parquet")):
        with pytest.raises(MissingExtra, match=r"mmsearch\[parquet\]"):
            call()
    assert not list(tmp_path.glob("*y.parquet*"))
