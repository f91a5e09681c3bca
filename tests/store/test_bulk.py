"""Many records in one commit: the same as one by one, in few statements."""

import numpy as np
import pytest
from made_rows import VECTORS, item, put, state, unit, vector_of

from mmsearch.errors import StoreError
from mmsearch.store import transaction
from mmsearch.store import writer as writer_module
from mmsearch.store.bulk import PutRows
from mmsearch.store.changes import NewItem, NewSegment, Put, Remove
from mmsearch.store.store import Store
from mmsearch.store.verify import verify

TABLES = ("items", "segments", "rows", "tombstones", "blocks", "shards", "sqlite_sequence")


def rows_of(seeds, key="{}"):
    seeds = list(seeds)
    metadata = [{"seed": seed} for seed in seeds]
    texts = [f"text {seed}" if seed % 2 else None for seed in seeds]
    return PutRows([key.format(seed) for seed in seeds], metadata, texts, VECTORS, np.stack([*map(unit, seeds)]))


def one_by_one(put):
    return [
        Put((NewItem((NewSegment("image", None, None, text, {VECTORS: row}),), key, {}, metadata),))
        for key, metadata, text, row in zip(put.keys, put.metadata, put.excerpts, put.rows, strict=True)
    ]


def test_rows_are_put_as_items_one_by_one_would_be(tmp_path):
    stores = [Store.create(tmp_path / name, {"name": "m"}) for name in ("many", "one")]
    again = [rows_of(range(0, 300, 7)), rows_of(range(1000, 1005), "{}")]
    for store, change in zip(stores, (lambda some: [some], one_by_one), strict=True):
        with store.writer() as writer:
            writer._shard_rows = 250
            assert writer.commit(change(rows_of(range(600)))) == 600
            assert writer.commit([put(5, "5"), *(each for some in again for each in change(some))]) == 49
        assert list(verify(store)) == []
    for table in TABLES:
        many, one = (store.query(f"SELECT * FROM {table} ORDER BY 1, 2") for store in stores)
        if table == "shards":  # sums of rows, in another order
            many, one = ([row[:-2] for row in rows] for rows in (many, one))
        assert many == one, table
    assert [s.matrix.tobytes() for s in stores[0].snapshot().shards] == [
        s.matrix.tobytes() for s in stores[1].snapshot().shards
    ]
    np.testing.assert_array_equal(vector_of(stores[0], "7"), unit(7))


def test_rows_with_the_same_key_are_refused(store):
    with store.writer() as writer:
        with pytest.raises(StoreError, match="differ"):
            writer.commit([rows_of([1, 1])])
        assert writer.commit([rows_of([1])]) == 1
    assert list(verify(store)) == []


def test_rows_and_items_of_one_key_in_one_commit_keep_the_last(store):
    with store.writer() as writer:
        writer.commit([rows_of(range(10)), put(20, "3"), rows_of([4]), put(21, "4"), put(22, "4")])
    assert store.query("SELECT count(*) FROM items") == [(10,)]
    assert [vector_of(store, key).tolist() for key in "34"] == [unit(20).tolist(), unit(22).tolist()]
    assert list(verify(store)) == []


def test_a_record_takes_the_key_of_an_item_of_a_file(store):
    with store.writer() as writer:
        writer.root(b"/media", b"..")
        writer.commit([put(1, path=b"a.jpg")])
        ((key,),) = store.query("SELECT key FROM items")
        writer.commit([put(2, path=b"a.jpg"), put(3, key), put(4, "other")])
        assert store.file(1, b"a.jpg") is None  # to be read again
        writer.commit([Put((item(5, "other"),), state(b"b.jpg"))])
    assert sorted(vector_of(store, one).tolist() for one in (key, "other")) == sorted(
        unit(seed).tolist() for seed in (3, 5)
    )
    assert list(verify(store)) == []


@pytest.mark.parametrize("replacing", [False, True])
@pytest.mark.parametrize("make", [lambda: [rows_of(range(2000))], lambda: one_by_one(rows_of(range(2000)))])
def test_a_commit_of_many_records_takes_few_statements(store, make, replacing, monkeypatch):
    said = []

    class Noted(transaction.Transaction):
        def __init__(self, *given):
            super().__init__(*given)
            self._sql, self._sql_many = noted(self._sql), noted(self._sql_many)

    def noted(run):
        return lambda *statement: said.append(statement) or run(*statement)

    monkeypatch.setattr(writer_module, "Transaction", Noted)
    with store.writer() as writer:
        if replacing:
            writer.commit(make())
        said.clear()
        writer.commit(make())
        assert len(said) < (100 if replacing else 60)
        ((last,),) = store.query("SELECT max(id) FROM items")
        writer.commit([Remove((last,))])
    assert list(verify(store)) == []
