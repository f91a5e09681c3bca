"""How far a figure would move with other queries: bootstrap intervals.

Percentile bootstrap over queries (Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics,
1979): the queries are drawn again with replacement, as many as there are, the figure is computed anew, and the middle
95 % of such figures is the interval.

Five captions of one picture are not five independent queries: such groups are drawn as a whole (the cluster bootstrap:
Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8), or the interval would be too narrow.

Trap: the intervals say how figures vary with the queries, and nothing about other items to find than these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

Weights: TypeAlias = NDArray[np.float32]  # whole numbers, which are exact up to 2^24

# `(n, c)` values of c figures, `(n,)` the unit that each query belongs to, `(b, u)` how often each unit is drawn ->
# `(b, c)`, the figures for each row of weights.
Average: TypeAlias = Callable[[Floats, Ints, Weights], Floats]

RESAMPLES = 1_000
_CELLS = 1 << 21  # of a block of draws: 8 MB an array, whatever the number of queries


class Interval(NamedTuple):
    """Both ends belong to it."""

    low: float
    high: float


def mean(values: Floats, unit: Ints, weights: Weights) -> Floats:
    """Arithmetic means of what is drawn; infinite where a value of it is."""
    units, known = weights.shape[1], np.isfinite(values)
    sums = _summed(np.where(known, values, 0.0), unit, units)
    found = np.asarray(weights @ sums / (weights @ _summed(np.ones((len(unit), 1)), unit, units)))
    if not known.all():
        found[weights @ _summed(~known, unit, units) > 0] = np.inf
    return found


def median(values: Floats, unit: Ints, weights: Weights) -> Floats:
    """Medians of what is drawn, column by column; may be infinite."""
    return np.stack([_median(column, unit, weights) for column in values.T], axis=1)


def _summed(values: Floats | NDArray[np.bool_], unit: Ints, units: int) -> Floats:
    """`(n, c)` summed over the queries of each unit: `(u, c)`."""
    return np.stack([np.bincount(unit, weights=column, minlength=units) for column in values.T], axis=1)


def _median(values: Floats, unit: Ints, weights: Weights) -> Floats:
    distinct, place = np.unique(values, return_inverse=True)
    m, units = len(distinct), weights.shape[1]
    reached = np.zeros((len(weights), m), np.float32)  # how many of what is drawn are at most each distinct value
    order = np.argsort(unit, kind="stable")
    some = max(1, _CELLS // m)
    for first in range(0, units, some):
        start, end = np.searchsorted(unit, [first, first + some], sorter=order)
        here = order[start:end]
        cells = np.bincount((unit[here] - first) * m + place[here], minlength=min(some, units - first) * m)
        reached += weights[:, first : first + some] @ np.cumsum(cells.reshape(-1, m), axis=1, dtype=np.float32)
    n = reached[:, -1:]
    low = np.sum(reached < (n + 1) // 2, axis=1)
    high = np.sum(reached < n // 2 + 1, axis=1)
    return np.asarray((distinct[low] + distinct[high]) / 2)


def resamples(units: int, *, times: int = RESAMPLES, seed: int = 0) -> Iterator[Weights]:
    """How often each of `units` was drawn: `(b, units)` blocks of `times` rows together, each row with that sum."""
    rng = np.random.default_rng(seed)
    rows = max(1, min(times, _CELLS // units))
    for start in range(0, times, rows):
        b = min(rows, times - start)
        drawn = rng.integers(units, size=(b, units))
        drawn += np.arange(b)[:, None] * units
        yield np.bincount(drawn.ravel(), minlength=b * units).reshape(b, units).astype(np.float32)


def intervals(
    columns: Sequence[tuple[Floats, Average]],
    *,
    groups: Ints | None = None,
    level: float = 0.95,
    times: int = RESAMPLES,
    seed: int = 0,
) -> list[Interval]:
    """Intervals of several figures over the same queries, all from the same draws.

    Args:
        columns: for each figure its values per query, `(n,)`, and how they are averaged.
        groups: `(n,)`, the same number for queries that are drawn together; None: each for itself.
        level: the share of resampled figures that an interval holds.
        times: how often the queries are drawn anew.
        seed: the same seed gives the same intervals.
    """
    if not columns:
        return []
    n = len(columns[0][0])
    named, unit = (np.arange(n), np.arange(n)) if groups is None else np.unique(groups, return_inverse=True)
    averages = list(dict.fromkeys(average for _, average in columns))
    members = [[number for number, (_, other) in enumerate(columns) if other is average] for average in averages]
    tables = [np.stack([columns[number][0] for number in some], axis=1) for some in members]
    figures = np.empty((times, len(columns)))
    done = 0
    for weights in resamples(len(named), times=times, seed=seed):
        for average, some, table in zip(averages, members, tables, strict=True):
            figures[done : done + len(weights), some] = average(table, unit, weights)
        done += len(weights)
    # Order statistics, not interpolation: between a rank and an infinite rank there is nothing to interpolate.
    cut = max(0, int((times + 1) * (1 - level) / 2) - 1)
    figures.sort(axis=0)
    return [Interval(float(low), float(high)) for low, high in zip(figures[cut], figures[times - 1 - cut], strict=True)]
