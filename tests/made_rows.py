"""Rows, items and changes for tests of the store."""

import numpy as np

from mmsearch.store.changes import FileState, NewItem, NewSegment, Put
from mmsearch.store.shard import Group

VECTORS = Group("vectors", "space", "1", "image", "float32", 8)
FEATURES = Group("features", "encoder", "1", "image", "float16", 4)


def unit(seed):
    row = np.random.default_rng(seed).standard_normal(VECTORS.dim)
    return (row / np.linalg.norm(row)).astype(np.float32)


def item(seed, key=None, **metadata):
    rows = {VECTORS: unit(seed), FEATURES: np.full(4, seed, np.float16)}
    return NewItem((NewSegment("image", None, None, None, rows),), key, {"width": seed}, metadata)


def state(path, root_id=1, content=b"0" * 16):
    return FileState(root_id, path, 10, 20, content)


def put(seed, key=None, path=None, **metadata):
    return Put((item(seed, key, **metadata),), None if path is None else state(path))


def vector_of(store, key):
    ((segment_id,),) = store.query(
        "SELECT s.id FROM segments s JOIN items i ON i.id = s.item_id WHERE i.key = ?", (key,)
    )
    shards = {s.id: s for s in store.snapshot().of("vectors", "space", "1", "image")}
    shard_id, offset = store.rows_of([segment_id], list(shards))[segment_id]
    return np.array(shards[shard_id].matrix[offset])
