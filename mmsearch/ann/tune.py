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

from mmsearch.ann.recipe import GRAPHS
from mmsearch.store.structures import Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from mmsearch.ann.on_gpu import OnGpu
    from mmsearch.ann.structure import Structure
    from mmsearch.types import FloatArray

    # (questions (q, d), effort, fetch; effort 0 is exact search) -> labels of the best `K` (q, K), -1 where there are
    # fewer; as a search does it, everything included that takes time.
    Ask = Callable[[FloatArray, int, int], NDArray[np.int64]]

K = 10
FETCHES = (40, 80, 160, 320, 640)
TIMED = 24  # questions that are timed for each setting on the short list
TIMING_SECONDS = 10.0  # after which no more are: rows that do not fit into memory take long to compare with all
TOO_FAR = 4  # times the least effort that keeps the recall: beyond, no smaller number of candidates makes up for it
# By so much the first half must exceed the asked recall, more where the second half shows that it was not enough: it is
# the half that was chosen with, and stored rows that ask find themselves, which is easier than what others ask.
MARGINS = (0.015, 0.03)


def tune(
    structure: Structure | OnGpu, ask: Ask, questions: FloatArray, wanted: float, *, faster: bool = True
) -> Setting:
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
    for margin in MARGINS:
        target = min(wanted + margin, (1 + wanted) / 2)
        best: tuple[float, int, int] | None = None
        for effort, fetch in _short_list(structure, questions[chosen], truth[chosen], target):
            taken = median_seconds(ask, questions[held], effort, fetch)
            if best is None or taken < best[0]:
                best = taken, effort, fetch
        if best is None or (best[0] >= exact_seconds and faster):
            break
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
    structure: Structure | OnGpu, questions: FloatArray, truth: NDArray[np.int64], wanted: float
) -> Sequence[tuple[int, int]]:
    """For each number of candidates the least effort with which the asked recall is kept.

    From lists, what a small fetch proposes is what a large one proposes first, so that each effort is tried once; a
    graph is searched the wider, the more is fetched.
    """
    found: dict[int, int] = {}
    effort, is_graph = 8, structure.recipe.kind in GRAPHS
    while True:
        effort = min(effort, structure.widest)
        most = np.empty(0, np.int64) if is_graph else structure.propose(questions, FETCHES[-1], effort)
        for fetch in FETCHES:
            if fetch not in found:
                proposed = structure.propose(questions, fetch, effort) if is_graph else most[:, :fetch]
                if recalls(proposed, truth).mean() >= wanted:
                    found[fetch] = effort
        if effort == structure.widest or effort > 2048 or len(found) == len(FETCHES):
            break
        if found and effort > TOO_FAR * min(found.values()):
            break
        effort += max(1, effort // 5)
    # A larger fetch that spares no effort cannot be faster.
    return [
        (effort, fetch)
        for fetch, effort in sorted(found.items())
        if not any(other <= effort for less, other in found.items() if less < fetch)
    ]


def median_seconds(ask: Ask, questions: FloatArray, effort: int, fetch: int) -> float:
    """Median seconds of one question, asked alone."""
    some = questions[:TIMED]
    times: list[float] = []
    ask(some[:1], effort, fetch)
    for question in some:
        if effort:  # rows that nobody has read yet take longer, whatever the setting
            ask(question[None], effort, fetch)
        start = time.perf_counter()
        ask(question[None], effort, fetch)
        times.append(time.perf_counter() - start)
        if sum(times) > TIMING_SECONDS:
            break
    return median(times)
