"""The engine as a contender of `ann.py`: labels from its structures, hits from the whole way, and filtered search."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ingredients import growing, made, vectors
from ingredients.peers import Ask, K, Peer, size_of
from ingredients.rows import ids

EFFORTS, FETCHES = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256), (20, 40, 80, 160, 320)
LEAST, USEFUL = 0.93, 8  # recall of the structure's settings that the whole way is asked with, and how many
SHARES = (0.5, 0.1, 0.01, 0.001)
TRIED = 100  # questions that settings are chosen with
WANTED = 0.95
FILTERED = 60  # questions that are asked with each filter
DEAD = 0.2


class Own:
    """An index of `rows` with a structure whose setting can be chosen."""

    def __init__(self, index, rows: np.ndarray) -> None:
        self.index, self.rows = index, rows
        self.nearest = index.searcher.nearest
        self._places: dict[int, np.ndarray] | None = None

    def shards(self) -> tuple:
        """The snapshot, and the shards of vectors in it."""
        with self.index.hold() as view:
            snapshot = view.snapshot()
        return snapshot, tuple(shard for shard in snapshot.shards if shard.group.kind == "vectors")

    def standing(self):
        """The structure, as it is committed."""
        snapshot, shards = self.shards()
        return snapshot.structures_of(shards)[0]

    def settle(self, effort: int, fetch: int) -> None:
        """Ask so from now on, whatever asks."""
        one = growing.setting(effort, fetch)
        with self.index._store.writer() as writer:
            writer.settle_structure(self.standing().id, {"image": one, "text": one})

    def labels(self, setting: str) -> Ask:
        """Rows that the structure finds with a setting."""
        self.settle(*map(int, setting.split("/")))
        snapshot, shards = self.shards()
        if self._places is None:
            self._places = self.places(shards)
        places = self._places

        def ask(query: np.ndarray) -> np.ndarray:
            (found,) = self.nearest.top(snapshot, shards, query, K, asked="image")
            return _rows(found, places)

        return ask

    def hits(self, setting: str) -> Ask:
        """The same by the public search, with ids and metadata."""
        self.settle(*map(int, setting.split("/")))
        search = self.index.search
        return lambda query: np.array(
            [int(hit.id) for hit in search(vector=query[0], target="image", k=K, rerank="none")]
        )

    def places(self, shards: tuple) -> dict[int, np.ndarray]:
        """For each shard, which of `rows` each of its rows is, -1 for dead ones; they are in no order."""
        found = {}
        with self.index.hold() as view:
            for shard in shards:
                found[shard.id] = np.array([int(id_ or -1) for id_ in ids(view, shard)])
        return found


def _rows(found, places: dict[int, np.ndarray]) -> np.ndarray:
    return np.array([places[s][o] for s, o in zip(found.shards.tolist(), found.offsets.tolist(), strict=True)])


def peers(rows: np.ndarray, questions: dict[str, np.ndarray], extra: list[str]) -> Iterator[Peer]:
    """The index at both levels; the tables of filtered search are added to `extra`."""
    import mmsearch
    from mmsearch import Record

    model, texts = (made.register(), made.texts()) if rows.shape[1] == made.DIM else ("lite", [])
    with tempfile.TemporaryDirectory() as folder, mmsearch.open(Path(folder) / "index", model=model) as index:
        start = time.perf_counter()
        index.add_items(Record(id=str(i), vectors={"image": row}, metadata={"number": i}) for i, row in enumerate(rows))
        added, own = time.perf_counter() - start, Own(index, rows)
        settings = [f"{e}/{f}" for e in EFFORTS for f in FETCHES if f <= 0.1 * len(rows)]
        for kind in ("rabitq", "pq"):
            (part,) = index.optimize(structure=kind, texts=texts)
            size = own.standing().path.stat().st_size
            yield Peer(
                f"mmsearch {part.structure}", "ours, labels", part.seconds, part.bytes, size,
                lambda: ((one, own.labels(one)) for one in settings),
            )  # fmt: skip
        useful = _useful(own, settings, questions)
        yield Peer(
            "mmsearch, hits", "ours, hits", added + part.seconds, part.bytes, size_of(folder),
            lambda: ((one, own.hits(one)) for one in useful),
        )  # fmt: skip
        yield Peer(
            "mmsearch exact, hits", "ours, hits", added, 0, size_of(folder),
            lambda: ((one, own.hits(one)) for one in ("0/0",)),
        )  # fmt: skip
        asked = questions["text"][:TRIED]
        truth = vectors.nearest(asked, rows, K)
        least = next((one for one in useful if _recall(own, one, asked, truth) >= WANTED), useful[-1])
        own.settle(*map(int, least.split("/")))
        extra.append(_filtered(own, questions, f"all rows alive, setting {least}"))
        gone = np.random.default_rng(5).choice(len(rows), int(DEAD * len(rows)), replace=False)
        index.remove(ids=[str(one) for one in gone.tolist()])
        extra.append(_filtered(own, questions, f"{DEAD:.0%} of the rows removed, setting {least}", gone))


def _useful(own: Own, settings: list[str], questions: dict[str, np.ndarray]) -> list[str]:
    """The cheapest settings near the recall that is wanted, for each direction."""
    tried = {asked: (some[:TRIED], vectors.nearest(some[:TRIED], own.rows, K)) for asked, some in questions.items()}
    ordered = sorted(settings, key=lambda one: 4 * int(one.split("/")[0]) + int(one.split("/")[1]))
    found: dict[str, None] = {}
    for asked in tried:
        enough = (one for one in ordered if _recall(own, one, *tried[asked]) >= LEAST)
        found |= dict.fromkeys(itertools.islice(enough, USEFUL))
    return list(found) or ordered[-1:]


def _recall(own: Own, setting: str, questions: np.ndarray, truth: np.ndarray) -> float:
    ask = own.labels(setting)
    return float(np.mean([np.isin(right, ask(one[None])).mean() for one, right in zip(questions, truth, strict=True)]))


def _filtered(own: Own, questions: dict[str, np.ndarray], title: str, gone: np.ndarray | None = None) -> str:
    """Recall@10 and median time with filters that leave random rows, or those on one side of the space.

    `as it decides` is what a search does; `by the structure` has it asked where a search would score all that is left;
    `exact` scores all that is left.
    """
    from mmsearch.search import nearest

    places = own.places(own.shards()[1])
    alive = np.ones(len(own.rows), bool)
    alive[[] if gone is None else gone] = False
    direction = np.random.default_rng(3).standard_normal(own.rows.shape[1]).astype(np.float32)
    orders = {"random": np.random.default_rng(4).random(len(own.rows)), "correlated": own.rows @ direction}
    lines = [f"## Filtered search: {title}", ""]
    lines += [
        "| filter | left | asked | as it decides: recall, ms | by the structure: recall, ms, first ms | exact ms |"
    ]
    lines += ["|---" * 6 + "|"]
    kept, shares = nearest.SURVIVORS, (1.0, *SHARES)
    for name, order in orders.items():
        for share in shares if name == "random" else SHARES:
            mask = alive & (order >= np.quantile(order, 1 - share))
            left = np.flatnonzero(mask)
            for asked, every in questions.items():
                some = every[:FILTERED]
                truth = left[vectors.nearest(some, own.rows[left], K)]
                cells = []
                for survivors in (kept, 0, len(own.rows) + 1):
                    nearest.SURVIVORS = survivors
                    try:
                        cells.append(_asked(own, places, some, truth, mask if share < 1 else None))
                    finally:
                        nearest.SURVIVORS = kept
                decided, structure, scan = cells
                every = f"{scan[1] * 1e3:.2f}" if share < 1 else "-"
                lines.append(
                    f"| {name if share < 1 else 'none'} | {share:.1%} | {asked} | {decided[0]:.3f}, "
                    f"{decided[1] * 1e3:.2f} | {structure[0]:.3f}, {structure[1] * 1e3:.2f}, "
                    f"{structure[2] * 1e3:.0f} | {every} |"
                )
    return "\n".join(lines)


def _asked(
    own: Own, places: dict[int, np.ndarray], questions: np.ndarray, truth: np.ndarray, mask: np.ndarray | None
) -> tuple[float, float, float]:
    """Recall@10, median seconds, and seconds of the first question, which prepares the filter."""
    snapshot, shards = own.shards()
    allowed = None
    if mask is not None:
        allowed = {id_: np.flatnonzero((rows >= 0) & mask[rows]) for id_, rows in places.items()}
    shares, times = [], []
    for question, right in zip(questions, truth, strict=True):
        start = time.perf_counter()
        (found,) = own.nearest.top(snapshot, shards, question[None], K, asked="image", allowed=allowed)
        times.append(time.perf_counter() - start)
        shares.append(np.isin(right, _rows(found, places)).mean())
    return float(np.mean(shares)), float(np.median(times)), times[0]
