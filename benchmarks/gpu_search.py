"""Search on one NVIDIA GPU: exact in float16, IVF-PQ and CAGRA, beside FAISS called directly.

::

    python benchmarks/gpu_search.py [--rows 10000000] [--large 100000000] [--dim 512]

Vectors are made on the GPU: clusters of unequal weight, low rank, off the origin, with questions from beside them. One
question at a time, exact search is bound by memory: its figure is a share of the bandwidth of a copy. A batch of 1,024
is bound by arithmetic: its figure is a share of what a product of two large float16 matrices reaches. Both are measured
in the same run. Without a GPU nothing is measured.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from reference import RESULTS, limit_threads, machine

K, BATCH, QUESTIONS, SINGLE = 10, 1024, 1024, 100
CENTRES, RANK, SPREAD, OFF_CENTRE, NOISE = 4000, 64, 0.55, 1.2, 0.02
SHARD_ROWS = 262_144
WHOLE = 2**34  # bytes in float16 up to which FAISS gets a copy of its own, and rows are scored again
FETCHES = {"ivfpq": (10, 40, 160, 640), "cagra": (10, 40)}
EFFORTS = {"ivfpq": (1, 4, 16, 64, 256), "cagra": (32, 64, 128, 256, 512)}


@dataclass(frozen=True)
class Point:
    """One setting, asked with questions of one kind: seconds for one alone, questions a second in a batch."""

    name: str
    setting: str
    asked: str
    recall: float
    seconds: float
    rate: float

    def cells(self) -> str:
        """A row of the table."""
        cells = (self.name, self.setting, self.asked, f"{self.recall:.3f}", f"{1e3 * self.seconds:.3f}")
        return f"| {' | '.join(cells)} | {self.rate:,.0f} |"


class Made:
    """Rows of a shard `(rows, dim)` that are made anew, the same ones, whenever they are read."""

    def __init__(self, world: World, seed: int, rows: int) -> None:
        self._world, self._seed, self.shape = world, seed, (rows, world.dim)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, some: slice):
        start, stop, _ = some.indices(len(self))
        return self._world.rows(stop - start, (self._seed << 20) + start).cpu().numpy()


class World:
    """Makes unit vectors on a device."""

    def __init__(self, dim: int, device: str) -> None:
        import torch

        self.dim, self._device = dim, device
        made = torch.Generator(device).manual_seed(7)
        scale = torch.arange(1, RANK + 1, device=device, dtype=torch.float32) ** -0.5
        self._scale, self._centres = scale, torch.randn(CENTRES, RANK, generator=made, device=device) * scale
        self._weights = torch.rand(CENTRES, generator=made, device=device) ** -0.66  # a heavy tail
        self._basis = torch.linalg.qr(torch.randn(dim, RANK, generator=made, device=device))[0].T.contiguous()
        means = torch.randn(2, dim, generator=made, device=device)
        self._means = OFF_CENTRE * means / means.norm(dim=1, keepdim=True)

    def rows(self, n: int, seed: int, asked: str = "image"):
        """A tensor `(n, dim)` float32; of `text`, beyond another mean and looser."""
        import torch

        made = torch.Generator(self._device).manual_seed(seed + 1)
        latent = self._centres[torch.multinomial(self._weights, n, True, generator=made)]
        loose = SPREAD * (1.5 if asked == "text" else 1.0)
        latent = latent + loose * self._scale * torch.randn(n, RANK, generator=made, device=self._device)
        rows = latent @ self._basis + self._means[int(asked == "text")]
        rows += NOISE * torch.randn(n, self.dim, generator=made, device=self._device)
        return rows / rows.norm(dim=1, keepdim=True)

    def questions(self, asked: str):
        """Questions `(n, dim)` of one modality."""
        return self.rows(QUESTIONS, 1 << 50, asked).cpu().numpy()


def main(rows: int, large: int, dim: int, *, stand_in: bool) -> None:
    limit_threads(1 if stand_in else 16)
    from mmsearch.ann import gpu
    from mmsearch.ann.library import WHEELS

    cards = (Cpu(),) if stand_in else gpu.found("auto")[:1]
    try:
        import torch
    except ImportError:
        print("torch is not installed, which measures the GPU itself: nothing was measured.")
        return
    device = "cpu" if stand_in else "cuda:0"
    if not cards or not (stand_in or torch.cuda.is_available()):
        print("No NVIDIA GPU that both FAISS and torch can use: nothing was measured.")
        return
    bandwidth, peak = _bandwidth(device, stand_in), _peak(device, stand_in)
    if not stand_in:
        torch.cuda.empty_cache()
    world = World(dim, device)
    text = [
        "# Search on a GPU",
        "No GPU: tried out on the CPU, the figures mean nothing." if stand_in else torch.cuda.get_device_name(0),
        f"A copy moves {bandwidth / 1e9:,.0f} GB/s, counted both ways; a product of large float16 matrices makes "
        f"{peak / 1e12:,.1f} TFLOP/s.",
    ]
    exact = [_exact(world, count, cards, bandwidth, peak) for count in (rows, large) if count]
    text += ["## Exact, float16", _table(EXACT_HEAD, [cells for some in exact for cells in some])]
    points, built = _approximate(world, rows, cards[0])
    text += ["## Approximate", *built, _table(POINT_HEAD, [point.cells() for point in points])]
    text += [
        "`propose` is what mmsearch asks of the GPU, candidates for ten answers; `scored again`: the stored vectors "
        "have decided their order, as in a search. FAISS is asked for as many as the setting says, by the same index "
        f"or one that has all rows in one piece. Recall@{K} against exact search with the stored vectors.",
        machine([one for one in ("torch", *WHEELS) if _version(one)]),
    ]
    said = "\n\n".join(text) + "\n"
    if not stand_in:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "gpu_search.md").write_text(said, encoding="utf-8")
        _plot(points, RESULTS / "gpu_search.png", f"{rows:,} x {dim}, batches of {BATCH:,}")
    print(said)


EXACT_HEAD = (
    "rows",
    "what",
    "GB",
    "one question, ms",
    "share of bandwidth",
    f"{BATCH:,} questions, ms",
    "share of peak",
)
POINT_HEAD = ("what", "setting", "asked with", f"recall@{K}", "one question, ms", "questions a second")


def _exact(world: World, rows: int, cards, bandwidth: float, peak: float) -> list[str]:
    """Rows of the table: ours, and FAISS called directly."""
    from mmsearch.ann.flat16 import OVER, Flat16

    some = _shards(world, rows, held=False)
    flat = Flat16(some, cards)
    questions, size, found = world.questions("text"), 2 * world.dim * flat.rows, []

    def cells(name: str, ask) -> str:
        one = _seconds(lambda n: ask(questions[n : n + 1]), SINGLE)
        many = _seconds(lambda n: ask(questions), 5)
        shares = size / one / bandwidth, 2.0 * flat.rows * world.dim * len(questions) / many / peak
        return (
            f"| {flat.rows:,} | {name} | {size / 1e9:.1f} | {1e3 * one:.3f} | {shares[0]:.1%} | {1e3 * many:.2f} | "
            f"{shares[1]:.1%} |"
        )

    if not flat.rows:
        return [f"| {rows:,} | does not fit |  |  |  |  |  |"]
    found.append(cells("mmsearch, propose", lambda asked: flat.propose(asked, K + OVER, 1)))
    parts = list(flat._held[cards[0].number])
    found.append(
        cells(
            f"FAISS, its {len(parts)} parts by themselves", lambda asked: [p.search(asked, K + OVER) for *_, p in parts]
        )
    )
    parts.clear()
    flat.close()
    if size <= WHOLE:
        whole = cards[0].submit(lambda: cards[0].flat16(world.dim)).result()
        for one in some:
            for start in range(0, one.rows, 65_536):
                whole.add(one.matrix[start : start + 65_536])
        found.append(cells("FAISS, one index", lambda asked: whole.search(asked, K + OVER)))
    return found


def _approximate(world: World, rows: int, card) -> tuple[list[Point], list[str]]:
    import numpy as np

    from mmsearch.ann import gpu, on_gpu
    from mmsearch.ann.flat16 import OVER, Flat16
    from mmsearch.ann.recipe import Recipe
    from mmsearch.search.gathered import Gathered

    some = _shards(world, rows, held=True)
    flat = Flat16(some, [card])
    stored = Gathered.of(flat.standing, {one.id: one for one in some})
    questions = {asked: world.questions(asked) for asked in ("image", "text")}

    def scored(labels, asked):
        found = np.full((len(asked), K), -1)
        for row, best in zip(found, map(lambda some, one: stored.best(some, one, K), labels, asked), strict=True):
            row[: len(best.offsets)] = best.offsets + stored.firsts[np.searchsorted(stored.ids, best.shards)]
        return found

    truth = {asked: scored(flat.propose(q, 4 * (K + OVER), 1), q) for asked, q in questions.items()}
    points = []

    def measure(name: str, setting: str, ask) -> None:
        for asked, q in questions.items():
            labels = ask(q)[:, :K]
            recall = np.mean([np.isin(right, one).mean() for right, one in zip(truth[asked], labels, strict=True)])
            one = _seconds(lambda n, q=q: ask(q[n : n + 1]), SINGLE)
            points.append(Point(name, setting, asked, float(recall), one, len(q) / _seconds(lambda n, q=q: ask(q), 5)))

    measure("exact float16, scored again", f"{K + OVER} of all", lambda q: scored(flat.propose(q, K + OVER, 1), q))
    flat.close()
    lists = 1 << round(math.log2(4 * rows**0.5))
    built = []
    for recipe in (Recipe("ivfpq", world.dim, lists), Recipe("cagra", world.dim)):
        if not (isinstance(card, Cpu) or gpu.can_build(recipe)):
            built.append(f"Skipped: {recipe.kind}, which this FAISS was built without.")
            continue
        start = time.perf_counter()
        parts = (one.matrix[at : at + 65_536] for one in some for at in range(0, one.rows, 65_536))
        sample = np.concatenate([one.matrix[:: max(1, rows // (64 * lists))] for one in some])
        index = on_gpu.build(recipe, card, sample, parts, rows)
        structure = on_gpu.OnGpu(index, recipe, [card])
        del index
        built.append(f"{recipe}: built, fetched and sent back in {time.perf_counter() - start:,.1f} s.")
        (_, held), *_ = structure._held
        for effort in EFFORTS[recipe.kind][: 2 if isinstance(card, Cpu) else None]:
            for fetch in FETCHES[recipe.kind]:
                if effort > structure.widest or fetch > max(effort, 40) * 40:
                    continue
                more = card.asked(recipe, effort, fetch)
                setting = f"effort {effort}, fetch {fetch}"
                measure(
                    f"{recipe.kind}, scored again", setting,
                    lambda q, s=structure, e=effort, f=fetch: scored(s.propose(q, f, e), q),
                )  # fmt: skip
                measure(
                    f"{recipe.kind}, FAISS alone", setting, lambda q, h=held, m=more, f=fetch: h[0].search(q, f, **m)[1]
                )
        structure.close()
    return points, built


def _shards(world: World, rows: int, *, held: bool):
    """Shards whose rows are made when they are read, or `held` in memory as float16."""
    import numpy as np

    from mmsearch.store.shard import Group
    from mmsearch.store.snapshot import Shard

    group, made = Group("vectors", "made", "1", "image", "float16", world.dim), []
    for number, first in enumerate(range(0, rows, SHARD_ROWS)):
        count = min(SHARD_ROWS, rows - first)
        none = np.empty(0, np.int64)
        one = Shard(number, group, Path(f"{number}.vec"), count, np.zeros(world.dim), none)
        matrix = Made(world, number, count)
        if held:
            whole = np.empty((count, world.dim), np.float16)
            for start in range(0, count, 65_536):
                whole[start : start + 65_536] = matrix[start : start + 65_536]
            matrix = whole
        one.__dict__["matrix"] = matrix
        made.append(one)
    return made


class Cpu:
    """Stands for a GPU where there is none, to try this out."""

    number = 0

    def __init__(self) -> None:
        from concurrent.futures import ThreadPoolExecutor

        from mmsearch.ann.library import faiss

        self._pool, self._faiss = ThreadPoolExecutor(1), faiss()
        self.submit = self._pool.submit

    def free(self) -> int:
        """Bytes."""
        return 1 << 33

    def flat16(self, dim: int):
        """Compares all rows."""
        kind = self._faiss.ScalarQuantizer.QT_fp16
        return self._faiss.IndexScalarQuantizer(dim, kind, self._faiss.METRIC_INNER_PRODUCT)

    def up(self, index, recipe):
        """A copy, in either direction."""
        return self._faiss.clone_index(index)

    down = up

    def graph(self, rows, recipe):
        """HNSW instead of CAGRA."""
        index = self._faiss.IndexHNSWFlat(recipe.dim, 32, self._faiss.METRIC_INNER_PRODUCT)
        index.add(rows.astype("float32"))
        return index

    def asked(self, recipe, effort: int, fetch: int):
        """Arguments of `search`."""
        if recipe.kind == "cagra":
            return {"params": self._faiss.SearchParametersHNSW(efSearch=max(effort, fetch))}
        return {"params": self._faiss.SearchParametersIVF(nprobe=effort)}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _seconds(ask, times: int) -> float:
    """Median seconds; answers are on the CPU when a call returns, so nothing is left to wait for."""
    for n in range(min(3, times)):
        ask(n)
    found = []
    for n in range(times):
        start = time.perf_counter()
        ask(n)
        found.append(time.perf_counter() - start)
    return median(found)


def _bandwidth(device: str, small: bool) -> float:
    """Bytes a second that a copy within the memory reads and writes."""
    import torch

    a = torch.zeros(2**24 if small else 2**32, dtype=torch.uint8, device=device)
    b = torch.empty_like(a)
    return 2 * a.numel() / _timed(lambda: b.copy_(a), device)


def _peak(device: str, small: bool) -> float:
    """FLOP a second of a product of two large float16 matrices."""
    import torch

    side = 256 if small else 8192
    a, b = (torch.randn(side, side, device=device, dtype=torch.float16) for _ in range(2))
    return 2.0 * side**3 / _timed(lambda: a @ b, device)


def _timed(work, device: str, times: int = 20) -> float:
    import torch

    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    found = []
    for _ in range(7):
        wait()
        start = time.perf_counter()
        for _ in range(times):
            work()
        wait()
        found.append((time.perf_counter() - start) / times)
    return median(found)


def _table(head: tuple[str, ...], rows: list[str]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows])


def _plot(points: list[Point], path: Path, title: str) -> None:
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(13, 5), sharey=True)
    for axis, asked in zip(axes, ("image", "text"), strict=True):
        for name in dict.fromkeys(point.name for point in points):
            mine = sorted((p.recall, p.rate) for p in points if (p.name, p.asked) == (name, asked))
            front = [one for n, one in enumerate(mine) if all(one[1] > later[1] for later in mine[n + 1 :])]
            axis.plot(*zip(*front, strict=True), marker="o", label=name)
        axis.set(yscale="log", xlabel=f"recall@{K}", title=f"{asked} → image", ylabel="questions a second")
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=120, bbox_inches="tight")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="searched in all ways")
    parser.add_argument("--large", type=int, default=100_000_000, help="searched exactly as well; 0 for none")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--stand-in", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    main(given.rows, given.large, given.dim, stand_in=given.stand_in)
