"""What evaluation adds to a bare matrix product and sort, and that it needs no matrix of all scores.

::

    python benchmarks/evaluation.py [--distractors 1000000]

Ours is `evaluate` on an index with stored vectors, both directions: reading ids and truth, asking, ranking 1,000 deep,
judging, fourteen measures with bootstrap intervals. The reference is NumPy's `queries @ items.T` and `argsort` of all
scores, both directions, without anything else. Memory is what the process allocates at its peak (Linux' `RssAnon`, seen
every 20 ms), without pages of the files that hold the vectors, which the system takes back when it needs them.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reference import Contender, limit_threads, race, report

THREADS, DIM, CAPTIONS = 2, 384, 5


def main(distractors: int) -> bool:
    limit_threads(THREADS)
    import numpy as np

    import mmsearch
    from mmsearch.evaluation.datasets import Dataset, Judgements
    from mmsearch.types import Modality, Record

    random = np.random.default_rng(0)

    def unit(rows: np.ndarray) -> np.ndarray:
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
        pictures = unit(random.standard_normal((count, DIM), np.float32))
        noise = random.standard_normal((CAPTIONS * count, DIM), np.float32)
        return pictures, unit(np.repeat(pictures, CAPTIONS, axis=0) + 5 * noise / DIM**0.5)

    def dataset(count: int) -> Dataset:
        captions = [(f"c{n}", f"p{n // CAPTIONS}") for n in range(CAPTIONS * count)]
        records = [Record(id=f"p{n}", image=Path(f"{n}.jpg")) for n in range(count)]
        records += [Record(id=id, text=id) for id, _ in captions]
        to_picture = {id: frozenset([picture]) for id, picture in captions}
        to_text = {f"p{n}": frozenset(f"c{CAPTIONS * n + i}" for i in range(CAPTIONS)) for n in range(count)}
        text, image = Modality.TEXT, Modality.IMAGE
        return Dataset("made", tuple(records), (Judgements(text, image, to_picture), Judgements(image, text, to_text)))

    def fill(index: mmsearch.Index, pictures: np.ndarray, captions: np.ndarray) -> None:
        index.add_vectors(pictures, modality="image", ids=[f"p{n}" for n in range(len(pictures))])
        index.add_vectors(captions, modality="text", ids=[f"c{n}" for n in range(len(captions))])

    def evaluated(index: mmsearch.Index, asked: Dataset) -> tuple[float, float, str]:
        """Seconds, MiB allocated at most, and the figures."""
        with allocated() as most:
            start = time.perf_counter()
            found = index.evaluate(asked, rerank="none", stored=True)
            took = time.perf_counter() - start
        hits = (f"{100 * one.measures['hit@10'].value:.1f}" for one in found.directions.values())
        return took, most[0], " / ".join(hits)

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        pictures, captions = pairs(1_000)
        asked = dataset(1_000)

        def bare() -> None:
            for queries, items in ((captions, pictures), (pictures, captions)):
                np.argsort(-(queries @ items.T), axis=1)

        with mmsearch.open(Path(folder) / "small", model="lite") as index:
            fill(index, pictures, captions)
            ours = Contender("evaluate", lambda: index.evaluate(asked, rerank="none", stored=True))
            one = race("1,000 pictures x 5,000 captions", ours, Contender("product and argsort", bare), at_most=2.0)
        pictures, captions = pairs(5_000)
        with mmsearch.open(Path(folder) / "large", model="lite") as index:
            fill(index, pictures, captions)
            rows.append(("5,000 pictures, 25,000 captions (COCO 5k)", *evaluated(index, dataset(5_000))))
            asked = dataset(1_000)
            for start in range(0, distractors, 100_000):
                more = unit(random.standard_normal((min(100_000, distractors - start), DIM), np.float32))
                index.add_vectors(more, modality="image", ids=[f"d{start + n}" for n in range(len(more))])
            told = f"1,000 of these pictures and 5,000 captions asked, {distractors:,} distractors among the pictures"
            rows.append((told, *evaluated(index, asked)))
    table = ["| asked | seconds | allocated at most | hit@10, text→image / image→text |", "|---|---|---|---|"]
    table += [f"| {what} | {took:.1f} | {grown:,.0f} MiB | {hits} |" for what, took, grown, hits in rows]
    return report(
        "evaluation",
        "Evaluation with stored vectors beside a bare product and sort",
        [one],
        notes="\n".join(table)
        + "\n\nSynthetic vectors of 384 numbers. All scores at once would take 500 MB in either direction of COCO 5k, "
        f"and {(5_000 + distractors) * 5_000 * 4 / 1e9:.0f} GB with the distractors.",
    )


@contextmanager
def allocated() -> Iterator[list[float]]:
    """How many MiB more than at the beginning were allocated at most."""
    begin, most, done = _anonymous(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            most[0] = max(most[0], _anonymous() - begin)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def _anonymous() -> float:
    """MiB that this process has allocated and touched; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distractors", type=int, default=1_000_000)
    raise SystemExit(not main(parser.parse_args().distractors))
