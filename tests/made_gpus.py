"""Rows in shards, and a CPU that stands for a GPU."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mmsearch.ann.recipe import Recipe
from mmsearch.store.shard import Group
from mmsearch.store.snapshot import Shard

faiss = pytest.importorskip("faiss")

DIM = 64
GROUP = Group("vectors", "fake", "1", "image", "float32", DIM)
IVFPQ, CAGRA = Recipe("ivfpq", DIM, 32), Recipe("cagra", DIM)


def unit(n, seed):
    random = np.random.default_rng(seed)
    made = random.standard_normal((n, DIM)) + 2 * random.standard_normal((40, DIM))[random.integers(0, 40, n)]
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def shard(number, rows, dead=()):
    made = Shard(number, GROUP, Path(f"{number}.vec"), len(rows), rows.sum(0, np.float64), np.array(dead, np.int64))
    made.__dict__["matrix"] = rows
    return made


ROWS, QUESTIONS = unit(6000, 1), unit(200, 2)
SHARDS = [shard(7, ROWS[:2500]), shard(3, ROWS[2500:4000]), shard(9, ROWS[4000:])]


class Small(faiss.IndexScalarQuantizer):
    """Takes no more rows than a GPU that is full."""

    most = 1 << 30

    def add(self, rows):
        if self.ntotal + len(rows) > self.most:
            raise RuntimeError("Error in virtual void* faiss::gpu::allocMemory: cudaMalloc error out of memory\nmore")
        super().add(rows)


class Cpu:
    """Stands for a GPU: the same work in a thread of its own, with FAISS's indexes of the CPU."""

    def __init__(self, number, free=1 << 40, most=1 << 30):
        self.number, self._free, self._most = number, free, most
        self._pool = ThreadPoolExecutor(1)
        self.threads, self.searches, self.broken = set(), 0, False

    def free(self):
        return self._free

    def submit(self, work):
        return self._pool.submit(work)

    def _here(self):
        self.threads.add(threading.get_ident())
        if self.broken:
            raise RuntimeError("CUDA error 2 out of memory")

    def flat16(self, dim):
        self._here()
        index = Small(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        index.most = self._most
        return Counted(index, self)

    def up(self, index, recipe):
        self._here()
        return Counted(faiss.clone_index(index), self)

    def graph(self, rows, recipe):
        self._here()
        assert rows.dtype == np.float16
        index = faiss.IndexHNSWCagra(recipe.dim, 32, faiss.METRIC_INNER_PRODUCT, faiss.Float16)
        index.base_level_only, index.hnsw.efConstruction = False, 160
        index.train(rows.astype(np.float32))
        index.add(rows.astype(np.float32))
        return index

    def down(self, index, recipe):
        self._here()
        return faiss.clone_index(index.index if isinstance(index, Counted) else index)

    def asked(self, recipe, effort, fetch):
        if recipe.kind == "cagra":
            return {"params": faiss.SearchParametersHNSW(efSearch=max(effort, fetch))}
        return {"params": faiss.SearchParametersIVF(nprobe=effort)}


class Counted:
    """An index, and who searched it."""

    def __init__(self, index, card):
        self.index, self._card = index, card

    def __getattr__(self, name):
        return getattr(self.index, name)

    def search(self, queries, fetch, **more):
        self._card._here()
        self._card.searches += 1
        return self.index.search(queries, fetch, **more)


def parts():
    return (ROWS[start : start + 1000] for start in range(0, len(ROWS), 1000))
