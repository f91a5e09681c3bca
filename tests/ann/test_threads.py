"""FAISS and torch in one process, in whichever order they come: each has OpenMP threads of its own."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("faiss")

# Searches and multiplies in threads at once; prints whether all agree with what one thread alone finds.
BOTH = """
import sys, threading
import numpy as np
for name in sys.argv[1:]:
    if name == "torch":
        import torch
    else:
        from mmsearch.ann.library import faiss
        faiss()
import torch
from mmsearch.ann.library import faiss
from mmsearch.ann.recipe import Recipe
from mmsearch.ann.structure import Structure

random = np.random.default_rng(0)
rows = random.standard_normal((4000, 64)).astype(np.float32)
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
recipe = Recipe("pq", 64, 16)
index = faiss().index_factory(64, recipe.factory, faiss().METRIC_INNER_PRODUCT)
index.train(rows)
index.add(rows)
structure = Structure(index, recipe)
tensor = torch.from_numpy(rows)
labels, product = structure.propose(rows[:200], 20, 16), (tensor @ tensor[:500].T).numpy()
assert (labels == np.arange(200)[:, None]).any(axis=1).all()
wrong = []

def search():
    for n in range(8):
        for size in (1, 200):
            if not np.array_equal(structure.propose(rows[:size], 20, 16), labels[:size]):
                wrong.append("search")

def multiply():
    for _ in range(8):
        if not np.allclose((tensor @ tensor[:500].T).numpy(), product, atol=1e-5):
            wrong.append("matmul")

threads = [threading.Thread(target=work) for work in (search, multiply, search, multiply)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("wrong:", wrong)
"""


@pytest.mark.parametrize("order", [("torch", "faiss"), ("faiss", "torch")], ids="-".join)
def test_search_and_matmul_in_threads_finish_and_agree(order):
    done = subprocess.run([sys.executable, "-c", BOTH, *order], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "wrong: []\n"), done.stderr
