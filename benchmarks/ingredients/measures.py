"""What answers are worth, and how far a mean of that would move with other questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 2_000
DEPTH = 10


def ndcg(is_right: Sequence[bool], relevant: int) -> float:
    """nDCG@10 of one list.

    Args:
        is_right: of each answer, best first.
        relevant: how many right answers there are, found or not; at least 1.
    """
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    found = np.asarray(is_right[:DEPTH], bool)
    return float(discounts[: len(found)][found].sum() / discounts[:relevant].sum())


def interval(values: np.ndarray, units: np.ndarray | None = None) -> tuple[float, float]:
    """95 % percentile bootstrap of a mean.

    Args:
        values: `(n,)`.
        units: `(n,)`, the same number from 0 on for values that are drawn together; None: each for itself.
    """
    random = np.random.default_rng(0)
    units = np.arange(len(values)) if units is None else units
    sums, counts = np.bincount(units, values), np.bincount(units)
    drawn = random.integers(0, len(counts), (RESAMPLES, len(counts)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)
