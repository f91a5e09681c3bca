"""Ratios that can be trusted on a small, noisy machine: ours against a reference, in one run.

Both are timed in turns, A B B A, so that drift of the machine meets both alike. The figure is the ratio of the medians;
its interval is a percentile bootstrap over the rounds. A benchmark is a file beside this one::

    from reference import Contender, limit_threads, race, report
    limit_threads(2)  # before anything loads numpy
    races = [race("one query", Contender("mmsearch", ours), Contender("bare scan", bare), at_most=1.10)]
    report("search", "Search at 100,000 x 384", races, packages=["numpy", "faiss-cpu"])
"""

from __future__ import annotations

import gc
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "results"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Contender:
    """What is timed: `run` is, `before` (an empty folder, say) is not."""

    label: str
    run: Callable[[], object]
    before: Callable[[], object] = lambda: None

    def seconds(self) -> float:
        """Run once, without the garbage collector."""
        self.before()
        gc.collect()
        gc.disable()
        try:
            start = time.perf_counter()
            self.run()
            return time.perf_counter() - start
        finally:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Race:
    """Timed rounds of two contenders.

    Attributes:
        name: what both did.
        labels: ours, and the reference.
        rounds: of each round two runs of ours and two of the reference, in seconds.
        at_most: the largest ratio that is claimed; None if nothing is.
    """

    name: str
    labels: tuple[str, str]
    rounds: tuple[tuple[tuple[float, float], tuple[float, float]], ...]
    at_most: float | None = None

    @property
    def p50(self) -> tuple[float, float]:
        """Median seconds of ours and of the reference."""
        return _medians(self.rounds)

    @property
    def ratio(self) -> float:
        """Median of ours over median of the reference."""
        ours, reference = self.p50
        return ours / reference

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the ratio, seeded."""
        draw = random.Random(0)
        drawn = (_medians(draw.choices(self.rounds, k=len(self.rounds))) for _ in range(RESAMPLES))
        ratios = sorted(ours / reference for ours, reference in drawn)
        cut = RESAMPLES // 40
        return ratios[cut - 1], ratios[-cut]

    @property
    def kept(self) -> bool:
        """Whether the ratio is as claimed."""
        return self.at_most is None or self.ratio <= self.at_most


def race(
    name: str,
    ours: Contender,
    reference: Contender,
    *,
    rounds: int = 20,
    warmup: int = 2,
    at_most: float | None = None,
) -> Race:
    """Time two contenders in turns.

    Args:
        name: what both do.
        ours: the first.
        reference: the second; the ratio is ours over this.
        rounds: of A B B A.
        warmup: runs of each that are not counted.
        at_most: the largest ratio that is claimed. For "at least .95 x the rate" it is 1 / .95.
    """
    for _ in range(warmup):
        ours.seconds()
        reference.seconds()
    timed = []
    for _ in range(rounds):
        a1, b1, b2, a2 = ours.seconds(), reference.seconds(), reference.seconds(), ours.seconds()
        timed.append(((a1, a2), (b1, b2)))
    return Race(name, (ours.label, reference.label), tuple(timed), at_most)


def limit_threads(n: int) -> None:
    """Give numerical libraries n threads each. They read it when they are loaded: call this first."""
    wanted = dict.fromkeys(THREADS, str(n))
    if "numpy" in sys.modules and any(os.environ.get(name) != value for name, value in wanted.items()):
        raise RuntimeError("limit_threads() comes too late: numpy is loaded")
    os.environ.update(wanted)


def report(name: str, title: str, races: Sequence[Race], *, packages: Sequence[str] = (), notes: str = "") -> bool:
    """Print the table and write it to `results/<name>.md`; False if a claim is not kept."""
    rows = ["| what | ours | p50 | reference | p50 | ratio | 95 % interval | claim | |", "|---" * 9 + "|"]
    for one in races:
        (ours, reference), (low, high) = one.p50, one.interval
        claim = ("", "") if one.at_most is None else (f"≤ {one.at_most:.2f}", "kept" if one.kept else "**missed**")
        cells = [one.name, one.labels[0], _duration(ours), one.labels[1], _duration(reference)]
        cells += [f"{one.ratio:.3f}", f"{low:.3f} to {high:.3f}", *claim]
        rows.append(f"| {' | '.join(cells)} |")
    runs = sorted({2 * len(one.rounds) for one in races})
    how = f"Runs of each, in turns A B B A: {' or '.join(map(str, runs))}. Ratio: ours over reference, of medians."
    parts = [f"# {title}", "\n".join(rows), how, notes, machine(packages)]
    text = "\n\n".join(part for part in parts if part) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)
    return all(one.kept for one in races)


def machine(packages: Sequence[str] = ()) -> str:
    """What a reader must know of the machine to make sense of the figures, in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{package} {version(package)}" for package in dict.fromkeys(["numpy", *packages]))
    threads = os.environ.get(THREADS[0], "not limited")
    return (
        f"Measured {time.strftime('%Y-%m-%d')} on {cores} cores ({platform.machine()}, {platform.system()}), "
        f"threads of numerical libraries: {threads}; Python {platform.python_version()}, {versions}."
    )


def _medians(rounds: Sequence[tuple[tuple[float, float], tuple[float, float]]]) -> tuple[float, float]:
    ours = [seconds for pair, _ in rounds for seconds in pair]
    reference = [seconds for _, pair in rounds for seconds in pair]
    return median(ours), median(reference)


def _duration(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} µs"
