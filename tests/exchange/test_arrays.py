import threading

import numpy as np
import pytest

import mmsearch
from mmsearch.errors import IndexLocked, QueryError

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.standard_normal((300, 64)).astype(np.float32)  # of the model `fake`


@pytest.fixture
def index(tmp_path):
    with mmsearch.open(tmp_path / "index", model="fake") as made:
        yield made


def first(index, row, **more):
    (hit, *_) = index.search(vector=row, target="image", k=1, rerank="none", **more)
    return hit


def test_vectors_are_found_with_their_ids_and_metadata(index):
    ids, metadata = [f"v{i}" for i in range(300)], [{"n": i} for i in range(300)]
    report = index.add_vectors(ROWS, modality="image", ids=ids, metadata=metadata)
    assert (report.added, report.replaced, report.segments, report.rejected) == (300, 0, 300, 0)
    for i in (0, 17, 299):
        hit = first(index, ROWS[i])
        assert (hit.id, hit.metadata) == (f"v{i}", {"n": i}) and hit.cosine == pytest.approx(1, abs=1e-5)
    assert first(index, ROWS[17], where="n = 4").id == "v4"


def test_lists_of_numbers_are_a_matrix_too(index):
    assert index.add_vectors(ROWS[:3].tolist(), modality="image", ids=["a", "b", "c"]).added == 3
    assert first(index, ROWS[1]).id == "b"


def test_without_ids_each_row_is_an_item_of_its_own(index):
    index.add_vectors(ROWS[:5].astype(np.float64), modality="image")
    index.add_vectors(ROWS[:5].astype(np.float16), modality="image")
    assert len(index) == 10 and len({item.id for item in index.items()}) == 10


def test_an_id_that_is_there_is_replaced(index):
    index.add_vectors(ROWS[:2], modality="image", ids=["a", "b"])
    report = index.add_vectors(ROWS[2:4], modality="image", ids=["b", "c"])
    assert (report.added, report.replaced, len(index)) == (1, 1, 3)
    assert first(index, ROWS[2]).id == "b" and first(index, ROWS[1]).cosine < 0.9


def test_a_row_that_cannot_be_used_is_named_and_stops_nothing(index):
    rows = ROWS[:4].copy()
    rows[1], rows[2, 3] = 0, np.nan
    report = index.add_vectors(rows, modality="image", ids=["a", "b", "c", "a"])
    assert (report.added, report.rejected) == (1, 3)
    assert [failure.id for failure in report.failed] == ["b", "c", "a"] and "zero" in report.failed[0].reason


@pytest.mark.parametrize(
    ("rows", "more", "said"),
    [
        (ROWS[0], {}, "matrix"),
        ([[1.0, 2.0], [3.0]], {}, "matrix"),
        (ROWS.astype(int), {}, "floating"),
        (ROWS[:, :32], {}, "32 numbers, those of the index have 64"),
        (ROWS, {"ids": ["a"]}, "300 vectors and 1 ids"),
        (ROWS, {"metadata": [{}]}, "300 vectors and 1 metadata"),
    ],
)
def test_what_makes_no_sense_is_refused(index, rows, more, said):
    with pytest.raises(QueryError, match=said):
        index.add_vectors(rows, modality="image", **more)
    assert len(index) == 0


def test_who_is_writing_commits_each_change_and_keeps_others_out(index):
    with mmsearch.open(index.folder) as other, index.writing():
        for i in range(3):
            index.add_vectors(ROWS[i : i + 1], modality="image", ids=[str(i)])
            assert first(other, ROWS[i]).id == str(i)
        index.remove(ids=["1"])
        assert len(other) == 2
        with pytest.raises(IndexLocked):
            other.add_vectors(ROWS[5:6], modality="image")
        raised = []

        def add():
            try:
                index.add_vectors(ROWS[5:6], modality="image")
            except IndexLocked as error:
                raised.append(error)

        thread = threading.Thread(target=add)
        thread.start()
        thread.join()
        assert len(raised) == 1
        with index.writing():
            index.add_vectors(ROWS[6:7], modality="image")
        index.add_vectors(ROWS[7:8], modality="image")
    with mmsearch.open(index.folder) as other:
        other.add_vectors(ROWS[8:9], modality="image")
        assert len(other) == 5 and other.verify() == []
