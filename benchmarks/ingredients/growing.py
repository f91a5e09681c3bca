"""An index of made vectors of any size, as users make one: `load` from `.npy`, then `optimize`; and how it answers.

Each step is a process of its own, so that memory and cold starts are its own::

    python -m ingredients.growing STEP FOLDER ROWS     from benchmarks/; prints JSON in its last line

A size is a folder: `index/`, `truth.npz` (best rows of the questions, found while they are made), `STEP.json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

QUESTIONS, K = 100, 10
PART, BLOCK = 1_000_000, 100_000  # rows in a file that is loaded, and made at once
COLD = 50  # questions asked with no vector in memory
DIRECTIONS = ("image", "text")
STEPS = ("build", "ask", "cold", "open")
BENCHMARKS = Path(__file__).parents[1]


def run(step: str, folder: Path, rows: int, *, again: bool = False) -> dict[str, Any]:
    """What a step found, of an earlier run unless it is to be done `again`; its progress goes to standard error."""
    kept = folder / f"{step}.json"
    if again or not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "ingredients.growing", step, str(folder), str(rows)]
        said = subprocess.run(command, cwd=BENCHMARKS, check=True, stdout=subprocess.PIPE, text=True).stdout
        kept.write_text(said.splitlines()[-1] + "\n", encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))


def say(text: str) -> None:
    """Progress, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def questions() -> dict[str, Any]:
    """Vectors `(QUESTIONS, d)` of each direction; none of them is stored, or was tuned with."""
    from ingredients import made, vectors

    return {
        "image": vectors.image(QUESTIONS, 9001, made.DIM),
        "text": vectors.text(QUESTIONS, 9101, made.DIM),
    }


def opened(folder: Path):
    """The index of a size."""
    import mmsearch
    from ingredients import made

    return mmsearch.open(folder / "index", model=made.register())


def build(folder: Path, rows: int) -> dict[str, Any]:
    """Load and optimize; an interrupted run goes on behind the last part that was loaded."""
    import numpy as np

    from ingredients import made, resident

    asked = np.concatenate(list(questions().values()))
    best, truth, seconds = np.full((len(asked), K), -np.inf, np.float32), np.zeros((len(asked), K), np.int64), 0.0
    first, unfinished = 0, folder / "loading.npz"
    if unfinished.is_file() and (folder / "index").is_dir():
        with np.load(unfinished) as kept:
            first, best, truth, seconds = int(kept["first"]), kept["best"], kept["truth"], float(kept["seconds"])
    with opened(folder) as index:
        for start in range(first, rows, PART):
            file = folder / f"p{start}.npy"
            matrix = np.lib.format.open_memmap(file, "w+", np.float32, (min(PART, rows - start), made.DIM))
            for at in range(0, len(matrix), BLOCK):
                matrix[at : at + BLOCK] = made.block((start + at) // BLOCK, min(BLOCK, len(matrix) - at))
                best, truth = _better(best, truth, asked @ matrix[at : at + BLOCK].T, start + at)
            matrix.flush()
            del matrix
            say(f"{start:,} of {rows:,}: made, loading")
            report = index.load(file)
            assert report.added + report.replaced == min(PART, rows - start), report
            seconds += report.seconds
            file.unlink()
            np.savez(unfinished, first=start + PART, best=best, truth=truth, seconds=seconds)
            say(f"loaded in {report.seconds:.1f} s, {report.segments / report.seconds:,.0f} rows a second")
        np.savez(folder / "truth.npz", truth=truth)
        load_peak = resident.peak()
        parts, took = _optimized(index)
    disk = resident.on_disk(folder / "index")
    return {
        "load": seconds, "load_peak": load_peak, "optimize": took, "peak": resident.peak(), "disk": disk,
        "structure": parts[0].structure, "built": parts[0].seconds, "bytes": parts[0].bytes,
        "settings": {asked: [one.effort, one.fetch, one.recall] for asked, one in parts[0].settings.items()},
    }  # fmt: skip


def _optimized(index) -> tuple[Any, float]:
    from ingredients import made

    start, last = time.perf_counter(), [0.0]

    def told(what: str, done: int, total: int) -> None:
        if time.perf_counter() - last[0] > 15:
            last[0] = time.perf_counter()
            say(f"{what}: {done:,} of {total:,} after {last[0] - start:.0f} s")

    parts = index.optimize(texts=made.texts(), progress=told)
    for part in parts:
        say(f"optimized: {part}")
    return parts, time.perf_counter() - start


def _better(best, truth, scores, first: int) -> tuple[Any, Any]:
    """The best rows so far, with those of a block; best first."""
    import numpy as np

    places = np.argpartition(scores, -K, axis=1)[:, -K:]
    scores = np.concatenate([best, np.take_along_axis(scores, places, 1)], axis=1)
    rows = np.concatenate([truth, places + first], axis=1)
    order = np.argsort(-scores, axis=1)[:, :K]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)


def row(key: str) -> int:
    """The row that an item is, by the id that `load` gave it: file and place in it."""
    file, _, place = key.partition(":")
    return int(file[1:]) + int(place)


class settled:
    """While this is entered, all questions are asked as one direction was tuned, or exactly with `(0, 0)`."""

    def __init__(self, index, width: str | tuple[int, int]) -> None:
        self._index, self._width = index, width
        self._before = {one.id: dict(one.settings) for one in index._store.snapshot().structures}

    def __enter__(self) -> None:
        for id_, before in self._before.items():
            one = before.get(self._width) if isinstance(self._width, str) else setting(*self._width)
            if one is not None:
                self._settle(id_, dict.fromkeys(DIRECTIONS, one))

    def __exit__(self, *_: object) -> None:
        for id_, before in self._before.items():
            self._settle(id_, before)

    def _settle(self, id_: int, settings: dict[str, Any]) -> None:
        with self._index._store.writer() as writer:
            writer.settle_structure(id_, settings)


def setting(effort: int, fetch: int):
    """Of a structure, as if it had been tuned so."""
    from mmsearch.store.structures import Setting

    return Setting(effort, fetch, 1.0, 1.0, 1.0, 0.95, 1, 0.0, 0.0)


def ask(folder: Path, rows: int) -> dict[str, Any]:
    """Median time of one question by one thread on one core, from vector to hits, and recall; then memory."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import numpy as np

    from ingredients import resident

    truth = dict(zip(DIRECTIONS, np.split(np.load(folder / "truth.npz")["truth"], 2), strict=True))
    found: dict[str, Any] = {}
    with opened(folder) as index:
        for asked, some in questions().items():
            with settled(index, asked):
                _asked(index, some)  # vectors that are proposed get into memory
                times, hits = _asked(index, some)
            shares = [
                np.isin(right, [row(key) for key in keys]).mean()
                for right, keys in zip(truth[asked], hits, strict=True)
            ]
            low, p95 = np.quantile(times, [0.5, 0.95]).tolist()
            found[asked] = {"p50": low, "p95": p95, "recall": float(np.mean(shares))}
            say(f"{rows:,} {asked}: {low * 1e6:,.0f} µs at recall {found[asked]['recall']:.3f}")
        found["memory"] = resident.resident(folder)
    return found


def _asked(index, some) -> tuple[list[float], list[list[str]]]:
    times, found = [], []
    for question in some:
        start = time.perf_counter()
        hits = index.search(vector=question, target="image", k=K, rerank="none")
        times.append(time.perf_counter() - start)
        found.append([hit.id for hit in hits])
    return times, found


def cold(folder: Path, rows: int) -> dict[str, Any]:
    """The first search of a process with nothing of the index in the system's cache, and of those that follow."""
    from ingredients import resident

    some = questions()["text"]
    index = opened(folder)
    _ = index.model
    index.close()  # code and model are in memory: the disk is what is measured
    resident.forget(folder)
    (_, before), start = resident.read(), time.perf_counter()
    with opened(folder) as index:
        times, _ = _asked(index, some[:1])
        first = time.perf_counter() - start
        times, _ = _asked(index, some[1 : 1 + COLD])
    return {"first": first, "next": median(times), "read": resident.read()[1] - before}


def open_(folder: Path, rows: int) -> dict[str, Any]:
    """Opening in a fresh process that has imported the package; and the first search after it, with a warm cache."""
    import mmsearch.engine  # noqa: F401
    from ingredients import made, resident

    made.register()
    some = questions()["text"]
    before, start = resident.read()[0], time.perf_counter()
    with opened(folder) as index:
        seconds = time.perf_counter() - start
        bytes_read = resident.read()[0] - before
        _asked(index, some[:1])
        return {"open": seconds, "read": bytes_read, "first": time.perf_counter() - start}


if __name__ == "__main__":
    step, place, count = sys.argv[1:]
    steps = {"build": build, "ask": ask, "cold": cold, "open": open_}
    print(json.dumps(steps[step](Path(place), int(count))))
