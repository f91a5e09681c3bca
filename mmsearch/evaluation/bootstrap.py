"""How far a figure would move with other queries: bootstrap intervals.

Percentile bootstrap over queries (Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics,
1979): the queries are drawn again with replacement, as many as there are, the figure is computed anew, and the middle
95 % of such figures is the interval.

Trap: queries are drawn one by one. Five captions of one picture are not five independent queries, so that the
intervals of text→image are somewhat too narrow. They say nothing about other pictures than these, either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

# `(n,)` values, `(b, n)` weights (whole numbers, each row sums to n) -> `(b,)`, the figure for each row of weights.
Average: TypeAlias = Callable[[Floats, Floats], Floats]

RESAMPLES = 1_000
_CELLS = 1 << 21  # of a block of draws: 16 MB an array, whatever the number of queries


class Interval(NamedTuple):
    """Both ends belong to it."""

    low: float
    high: float


def mean(values: Floats, weights: Floats) -> Floats:
    """Weighted arithmetic means."""
    return np.asarray(weights @ values / len(values))


def median(values: Floats, weights: Floats) -> Floats:
    """Medians of `values`, each taken as often as its weight says; may be infinite."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    n = len(values)
    low = np.sum(reached < (n + 1) // 2, axis=1)
    high = np.sum(reached < n // 2 + 1, axis=1)
    return np.asarray((values[order[low]] + values[order[high]]) / 2)


def resamples(n: int, *, times: int = RESAMPLES, seed: int = 0) -> Iterator[Floats]:
    """How often each of n queries was drawn: `(b, n)` blocks of `times` rows together, each row with the sum n."""
    rng = np.random.default_rng(seed)
    rows = max(1, min(times, _CELLS // n))
    for start in range(0, times, rows):
        b = min(rows, times - start)
        drawn = rng.integers(n, size=(b, n))
        drawn += np.arange(b)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n).astype(np.float64)


def intervals(
    columns: Sequence[tuple[Floats, Average]], *, level: float = 0.95, times: int = RESAMPLES, seed: int = 0
) -> list[Interval]:
    """Intervals of several figures over the same queries, all from the same draws.

    Args:
        columns: for each figure its values per query, `(n,)`, and how they are averaged.
        level: the share of resampled figures that an interval holds.
        times: how often the queries are drawn anew.
        seed: the same seed gives the same intervals.
    """
    if not columns:
        return []
    figures: list[list[Floats]] = [[] for _ in columns]
    for weights in resamples(len(columns[0][0]), times=times, seed=seed):
        for figure, (values, average) in zip(figures, columns, strict=True):
            figure.append(average(values, weights))
    # Order statistics, not interpolation: between a rank and an infinite rank there is nothing to interpolate.
    cut = max(0, int((times + 1) * (1 - level) / 2) - 1)
    ordered = [np.sort(np.concatenate(figure)) for figure in figures]
    return [Interval(float(figure[cut]), float(figure[times - 1 - cut])) for figure in ordered]
