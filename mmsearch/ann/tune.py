"""How widely a structure must be asked: found by trying, against exact search over the same rows.

Questions of another modality than the rows are out of distribution for them, and need a wider search at the same recall
(RoarGraph, Chen et al., VLDB 2024): each asking modality is tuned with questions of its own. Half of them choose the
setting, the other half measure it.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.store.structures import Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from mmsearch.ann.structure import Structure
    from mmsearch.types import FloatArray

    # (questions (q, d), effort, fetch; effort 0 is exact search) -> labels of the best `K` (q, K), -1 where there are
    # fewer; as a search does it, everything included that takes time.
    Ask = Callable[[FloatArray, int, int], NDArray[np.int64]]

K = 10
FETCHES = (40, 80, 160, 320, 640)
TIMED = 24  # questions that are timed for each setting on the short list
MARGIN = 0.005  # the chosen half must exceed the asked recall by this: it is the half that was chosen with


def tune(structure: Structure, ask: Ask, questions: FloatArray, wanted: float, *, faster: bool = True) -> Setting:
    """The fastest setting that keeps the asked recall@10; exact search (effort 0) if none does.

    Args:
        structure: what is asked.
        ask: searches.
        questions: `(q, d)` unit norm, of the modality that will ask; at least 2.
        wanted: recall@10 against exact search, from 0 to 1.
        faster: take exact search too where it is as fast.
    """
    truth = ask(questions, 0, 0)
    chosen, held = np.arange(0, len(questions), 2), np.arange(1, len(questions), 2)
    exact_seconds = median_seconds(ask, questions[held], 0, 0)
    best: tuple[float, int, int] | None = None
    for effort, fetch in _short_list(structure, questions[chosen], truth[chosen], min(1.0, wanted + MARGIN)):
        taken = median_seconds(ask, questions[held], effort, fetch)
        if best is None or taken < best[0]:
            best = taken, effort, fetch
    if best is not None and (best[0] < exact_seconds or not faster):
        found = measure(ask, questions[held], truth[held], best[1], best[2], wanted, (best[0], exact_seconds))
        if found.recall >= wanted:
            return found
    return Setting(0, 0, 1.0, 1.0, 1.0, wanted, len(held), exact_seconds, exact_seconds)


def measure(
    ask: Ask,
    questions: FloatArray,
    truth: NDArray[np.int64],
    effort: int,
    fetch: int,
    wanted: float,
    times: tuple[float, float],
) -> Setting:
    """A setting with its recall@10 `truth` `(q, 10)` and the 95 % interval of the mean over questions."""
    each = recalls(ask(questions, effort, fetch), truth)
    mean = float(each.mean())
    half = 1.96 * float(each.std(ddof=1)) / len(each) ** 0.5 if len(each) > 1 else 1.0
    return Setting(effort, fetch, mean, max(0.0, mean - half), min(1.0, mean + half), wanted, len(questions), *times)


def recalls(found: NDArray[np.int64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of each question's true labels `(q, k)` that was found `(q, n)`, a value each `(q,)`."""
    shares = [
        np.isin(right[right >= 0], one).sum() / max(1, (right >= 0).sum())
        for one, right in zip(found, truth, strict=True)
    ]
    return np.asarray(shares, np.float64)


def _short_list(
    structure: Structure, questions: FloatArray, truth: NDArray[np.int64], wanted: float
) -> Sequence[tuple[int, int]]:
    """For each number of candidates the least effort with which the asked recall is kept.

    What a small fetch proposes is what a large one proposes first, so that each effort is tried once.
    """
    found: dict[int, int] = {}
    effort = 8
    while True:
        effort = min(effort, structure.widest)
        proposed = structure.propose(questions, FETCHES[-1], effort)
        for fetch in FETCHES:
            if fetch not in found and recalls(proposed[:, :fetch], truth).mean() >= wanted:
                found[fetch] = effort
        if effort == structure.widest or effort > 2048 or len(found) == len(FETCHES):
            break
        effort += max(1, effort // 2)
    # A larger fetch that spares no effort cannot be faster.
    return [
        (effort, fetch)
        for fetch, effort in sorted(found.items())
        if not any(other <= effort for less, other in found.items() if less < fetch)
    ]


def median_seconds(ask: Ask, questions: FloatArray, effort: int, fetch: int) -> float:
    """Median seconds of one question, asked alone."""
    some = questions[:TIMED]
    times = []
    ask(some[:1], effort, fetch)
    for question in some:
        start = time.perf_counter()
        ask(question[None], effort, fetch)
        times.append(time.perf_counter() - start)
    return median(times)
