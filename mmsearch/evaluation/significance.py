"""Whether a difference could be chance.

Paired randomisation test (Fisher, "The Design of Experiments", 1935; for retrieval: Smucker, Allan, Carterette, "A
Comparison of Statistical Significance Tests for Information Retrieval Evaluation", CIKM 2007). If two systems were
alike, it would be chance which of the two figures of a query is whose. So they are swapped at random, query by query,
and p is the share of such swaps whose mean difference is at least as large, either way, as the real one.

Queries of one group, such as the captions of one picture, are swapped together: they are one observation.

Trap: a small p says that there is a difference, not that it is large: look at the interval. And of twenty comparisons
one has p < .05 by chance: read the adjusted p (`holm`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.evaluation.judging import Floats, Ints

TIMES = 10_000
_CELLS = 1 << 22  # of a block of swaps
_SLACK = 1e-12  # sums of the same numbers in another order are equal


def randomisation(
    differences: Floats, *, groups: Ints | None = None, times: int = TIMES, seed: int = 0
) -> NDArray[np.float64]:
    """Two-sided p values `(c,)` of mean differences.

    Args:
        differences: `(q, c)`, of the figures of each query, for c measures; all with the same swaps.
        groups: `(q,)`, the same number for queries that are swapped together; None: each for itself.
        times: how often all queries are swapped at random; p is 1 / (times + 1) at least.
        seed: the same seed gives the same p.
    """
    units = differences
    if groups is not None:
        named, place = np.unique(groups, return_inverse=True)
        units = np.zeros((len(named), differences.shape[1]))
        np.add.at(units, place, differences)
    observed = np.abs(units.sum(axis=0))
    random = np.random.default_rng(seed)
    rows = max(1, min(times, _CELLS // max(1, len(units))))
    reached = np.zeros(units.shape[1], np.int64)
    for start in range(0, times, rows):
        signs = 2.0 * random.integers(0, 2, size=(min(rows, times - start), len(units)), dtype=np.int8) - 1.0
        reached += (np.abs(signs @ units) >= observed * (1 - _SLACK)).sum(axis=0)
    return np.asarray((reached + 1) / (times + 1))


def holm(p: Sequence[float]) -> list[float]:
    """Adjusts p values for as many tests as there are; in their order (Holm, Scand. J. of Statistics, 1979).

    Below .05, the difference holds at a family-wise error of 5 %: there is a false one among all with that chance.
    """
    order = np.argsort(p, kind="stable")
    times = np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p, np.float64)[order] * times))
    return [float(one) for one in adjusted]
