"""Exact search at 100,000 x 384: what the engine adds to the bare scan, for one question and for a batch.

::

    python benchmarks/search.py [--rows 100000]

Ours is the whole way from a vector to hydrated hits (paths, metadata, times). The bare scan is NumPy's product and a
partial sort on the same memory-mapped shard; FAISS is IndexFlatIP with as many threads.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import cycle
from pathlib import Path

from reference import Contender, limit_threads, race, report

THREADS, DIM, K, BATCH = 2, 384, 10, 256


def main(rows: int) -> bool:
    limit_threads(THREADS)
    import faiss
    import numpy as np

    import mmsearch
    from mmsearch import Query, Record
    from mmsearch.search import exact

    random = np.random.default_rng(0)
    centres = random.standard_normal((1000, DIM))
    vectors = centres[random.integers(0, 1000, rows)] + 0.7 * random.standard_normal((rows, DIM))
    questions = (centres[random.integers(0, 1000, 512)] + 0.7 * random.standard_normal((512, DIM))).astype(np.float32)
    questions /= np.linalg.norm(questions, axis=1, keepdims=True)

    with tempfile.TemporaryDirectory() as folder, mmsearch.open(Path(folder) / "index", model="lite") as index:
        index.add_items(
            Record(id=str(i), vectors={"image": row}, metadata={"number": i}) for i, row in enumerate(vectors)
        )
        (shard,) = (s for s in index._store.snapshot().shards if s.group.kind == "vectors")
        matrix = shard.matrix
        flat = faiss.IndexFlatIP(DIM)
        flat.add((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32))
        ones, batches = cycle(questions), cycle((questions[:BATCH], questions[BATCH:]))

        def bare():
            scores = matrix @ next(ones)
            best = np.argpartition(scores, rows - K)[rows - K :]
            return best[np.argsort(-scores[best])]

        def bare_batch():
            scores = next(batches) @ matrix.T
            best = np.argpartition(scores, rows - K, axis=1)[:, rows - K :]
            return np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)

        default = faiss.cvar.distance_compute_blas_threshold

        def faiss_one(threads):
            def run():
                faiss.omp_set_num_threads(threads)
                flat.search(next(ones)[None], K)

            return run

        def faiss_batch():
            faiss.omp_set_num_threads(THREADS)
            faiss.cvar.distance_compute_blas_threshold = 20  # by default it uses BLAS only for larger batches
            flat.search(next(batches), K)
            faiss.cvar.distance_compute_blas_threshold = default

        hits = Contender("vector to hits", lambda: index.search(vector=next(ones), target="image", k=K))
        batch = Contender(
            f"{BATCH} vectors to ids", lambda: index.rank([Query.vector(q) for q in next(batches)], "image", K)
        )
        best = [int(hit.id) for hit in index.search(vector=questions[0], target="image", k=K)]
        assert best == flat.search(questions[:1], K)[1][0].tolist(), "not the same answers"
        scan = Contender("scan of the engine", lambda: exact.top([shard], next(ones)[None], K))
        races = [
            race("one question", hits, Contender("bare scan", bare), rounds=60, warmup=5, at_most=1.10),
            race("the scan alone", scan, Contender("FAISS flat, 1 thread", faiss_one(1)), rounds=40, at_most=1.0),
            race("one question", hits, Contender("FAISS flat, 1 thread", faiss_one(1)), rounds=40),
            race("one question", hits, Contender("FAISS flat, 2 threads", faiss_one(THREADS)), rounds=20),
            race("a batch of 256", batch, Contender("bare scan", bare_batch), rounds=4, warmup=1, at_most=1 / 0.95),
            race("a batch of 256", batch, Contender("FAISS flat with BLAS, 2 threads", faiss_batch), rounds=4),
        ]
    return report(
        "search",
        f"Exact search at {rows:,} x {DIM}, k = {K}",
        races,
        packages=["faiss-cpu", "sqlalchemy"],
        notes="Clustered synthetic vectors, in a real index with a catalog row and metadata for each.",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    raise SystemExit(not main(parser.parse_args().rows))
