"""What is compared on an index at scale: each function times one thing of ours beside the bare thing, in turns."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

import numpy as np

from ingredients import growing, vectors
from ingredients.cores import one_core
from ingredients.made import DIM, texts

K, BATCH, THREADS = growing.K, 256, 2


@dataclass(frozen=True, slots=True)
class Compared:
    """Median seconds of ours and of a reference, and what is claimed.

    Attributes:
        what: was done.
        ours: median seconds.
        reference: what ours is compared with.
        theirs: median seconds.
        claim: the largest ratio, or with `added` the most seconds more; None if nothing is claimed.
        added: whether the claim is of the difference.
        note: something to say beside it.
    """

    what: str
    ours: float
    reference: str
    theirs: float
    claim: float | None = None
    added: bool = False
    note: str = ""

    @property
    def kept(self) -> bool:
        """Whether it is as claimed."""
        found = self.ours - self.theirs if self.added else self.ours / self.theirs
        return self.claim is None or found <= self.claim


def in_turns(ours: Callable[[], object], theirs: Callable[[], object], rounds: int, each: int = 1) -> tuple[float, ...]:
    """Median seconds of one call of both, in turns A B B A of `each` calls after a warm-up."""
    times: dict[Callable[[], object], list[float]] = {ours: [], theirs: []}
    for turn in range(-1, rounds):
        for run in (ours, theirs, theirs, ours):
            for _ in range(each):
                start = time.perf_counter()
                run()
                if turn >= 0:
                    times[run].append(time.perf_counter() - start)
    return median(times[ours]), median(times[theirs])


def opening(folder: Path, empty: Path, rows: int) -> Iterator[Compared]:
    """Opening in fresh processes; and the first search after it."""
    full, none = [], []
    for _ in range(5):
        for place, kept in ((folder, full), (empty, none), (empty, none), (folder, full)):
            kept.append(growing.run("open", place, rows, again=True))
    opened, bare = (median(one["open"] for one in some) for some in (full, none))
    note = f"{full[0]['read'] / 1024:,.0f} KiB are read, of the empty one {none[0]['read'] / 1024:,.0f}"
    yield Compared(f"open {rows:,}", opened, "open an empty index", bare, 0.050, True, note)
    first, bare = (median(one["first"] for one in some) for some in (full, none))
    yield Compared(
        "open and search once", first, "the same, empty", bare, note="the structure is read, and its checksum"
    )


def approximate(index, rows: int) -> Iterator[Compared]:
    """Hits, one by one and in batches, beside FAISS with the same settings, alone and scoring again as we do."""
    import faiss

    from mmsearch import Query

    snapshot = index._store.snapshot()
    (standing,) = snapshot.structures
    structure = index.searcher.nearest.structure(standing)
    stored = np.concatenate([snapshot.by_id[cover.shard_id].matrix[: cover.rows] for cover in standing.covers])
    refined = faiss.IndexRefineFlat(structure.index, faiss.swig_ptr(stored))
    questions = growing.questions() | {"batch": vectors.text(BATCH, 9501, DIM)}
    for asked in growing.DIRECTIONS:
        setting, some = standing.settings[asked], questions[asked]
        if setting.effort == 0:
            growing.say(f"{asked} is searched exactly: nothing to compare")
            continue
        effort, fetch = setting.effort, setting.fetch
        alone = structure._probing(effort)
        again = faiss.IndexRefineSearchParameters(k_factor=fetch / K, base_index_params=alone)
        with growing.settled(index, asked):
            mine, bare = count(), count()

            def hits(some=some, turn=mine):
                index.search(vector=some[next(turn) % len(some)], target="image", k=K, rerank="none")

            def call(some=some, turn=bare, fetch=fetch, alone=alone):
                faiss.omp_set_num_threads(1)
                structure.index.search(some[next(turn) % len(some)][None], fetch, params=alone)

            def call_again(some=some, turn=bare, again=again):
                faiss.omp_set_num_threads(1)
                refined.search(some[next(turn) % len(some)][None], K, params=again)

            what = f"FAISS, nprobe {effort}, {fetch} labels"
            for reference, run in ((what, call), (f"{what} refined to {K}", call_again)):
                with one_core():
                    ours, theirs = in_turns(hits, run, 6, len(some))
                claim = 60e-6 if run is call_again else None
                yield Compared(f"hits, {asked} → image", ours, reference, theirs, claim, True, f"x {ours / theirs:.2f}")
            batch = questions["batch"] if asked == "text" else vectors.image(BATCH, 9401, DIM)
            queries = [Query.vector(one) for one in batch]

            def together(batch=batch, again=again):
                faiss.omp_set_num_threads(THREADS)
                refined.search(batch, K, params=again)

            ours, theirs = in_turns(lambda queries=queries: index.rank(queries, "image", K, ["none"]), together, 4)
            rate = f"{BATCH / ours:,.0f} questions a second; {theirs / ours:.2f} of the rate"
            yield Compared(
                f"a batch of {BATCH}, {asked}", ours, f"{what} refined, {THREADS} threads", theirs, 1 / 0.9, note=rate
            )


def exactly(index, rows: int) -> Iterator[Compared]:
    """One question against every vector, beside FAISS flat, and beside reading that much memory."""
    import faiss

    matrices = [shard.matrix for shard in index._store.snapshot().shards if shard.group.kind == "vectors"]
    some, flat = growing.questions()["text"], faiss.IndexFlatIP(DIM)
    for matrix in matrices:
        flat.add(np.ascontiguousarray(matrix))
    mine, bare = count(), count()

    def hits():
        index.search(vector=some[next(mine) % len(some)], target="image", k=K, rerank="none")

    def one(threads):
        def run():
            faiss.omp_set_num_threads(threads)
            flat.search(some[next(bare) % len(some)][None], K)

        return run

    with growing.settled(index, (0, 0)), ThreadPoolExecutor(THREADS) as pool:
        for threads in (1, THREADS):
            ours, theirs = in_turns(hits, one(threads), 10)
            claim = 0.6 if threads == 1 else None
            yield Compared("exact, vector to hits", ours, f"FAISS flat, threads: {threads}", theirs, claim)
        size = sum(matrix.nbytes for matrix in matrices)
        parts = [part for matrix in matrices for part in np.array_split(np.asarray(matrix).reshape(-1), 8)]

        def read():
            list(pool.map(lambda part: np.dot(part, part), parts))

        ours, theirs = in_turns(hits, read, 10)
        note = f"{size / ours / 1e9:.1f} of {size / theirs / 1e9:.1f} GB/s"
        yield Compared(
            "exact, vector to hits", ours, f"reading these bytes, {THREADS} threads", theirs, 1 / 0.65, note=note
        )


def proven(index, rows: int) -> Iterator[Compared]:
    """Exact search by codes, which must find what exact search finds, beside FAISS flat and its codes alone."""
    import faiss

    some, flat = growing.questions()["text"], faiss.IndexFlatIP(DIM)
    with growing.settled(index, (0, 0)):
        right = [[hit.id for hit in _hits(index, one)] for one in some]
    index.optimize(structure="sq8", texts=texts())
    (standing,) = index._store.snapshot().structures
    assert all(setting.effort for setting in standing.settings.values()), "exact search was as fast"
    wrong = sum([hit.id for hit in _hits(index, one)] != ids for one, ids in zip(some, right, strict=True))
    for shard in index._store.snapshot().shards:
        if shard.group.kind == "vectors":
            flat.add(np.ascontiguousarray(shard.matrix))
    codes = index.searcher.nearest.structure(standing).index
    mine, bare = count(), count()

    def hits():
        _hits(index, some[next(mine) % len(some)])

    def call(searched):
        def run():
            faiss.omp_set_num_threads(1)
            searched.search(some[next(bare) % len(some)][None], K)

        return run

    note = f"{wrong} of {len(some)} answers differ from exact search's"
    for what, run, claim in (("FAISS flat, threads: 1", call(flat), 0.6), ("FAISS SQ8, not exact", call(codes), None)):
        ours, theirs = in_turns(hits, run, 10)
        yield Compared("exact by codes, vector to hits", ours, what, theirs, claim, note=note)
    with one_core():
        ours, theirs = in_turns(hits, call(flat), 10)
    yield Compared("exact by codes, on one core", ours, "FAISS flat, threads: 1", theirs, note=note)


def _hits(index, question: np.ndarray):
    return index.search(vector=question, target="image", k=K, rerank="none")


def inserting(index, rows: int) -> Iterator[Compared]:
    """Adding items until they are committed, and until a search has found them, beside writing their bytes."""
    for many, rounds in ((1, 20), (1000, 6)):
        yield _adding(index, many, rounds, False)
        with index.writing():
            for searched in (False, True):
                yield _adding(index, many, rounds, searched, ", as the writer")


def _adding(index, many: int, rounds: int, searched: bool, held: str = "") -> Compared:
    made = vectors.image(many * 2 * (rounds + 1), 9700 + 2 * many + searched, DIM).reshape(-1, many, DIM)
    added = iter([(some, [f"new {many} {searched}{held} {turn} {i}" for i in range(many)])
                  for turn, some in enumerate(made)])  # fmt: skip
    content, scratch = made[0].tobytes(), index.folder.parent / "written"

    def add():
        rows, ids = next(added)
        index.add_vectors(rows, modality="image", ids=ids)
        if searched:
            found = index.search(vector=rows[0], target="image", k=1, rerank="none")
            assert found[0].id == ids[0], "what was added is not found"

    with scratch.open("wb") as file:

        def write():
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

        ours, theirs = in_turns(add, write, rounds)
    what = f"add {many:,}{held}: committed{', and found by a search' if searched else ''}"
    return Compared(what, ours, f"write and fsync of {len(content):,} bytes", theirs, 5.0)


@contextmanager
def copied(folder: Path, place: Path) -> Iterator[Path]:
    """A copy of a size's index that can be written to; it is gone afterwards."""
    shutil.rmtree(place, ignore_errors=True)
    try:
        shutil.copytree(folder / "index", place / "index")
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
