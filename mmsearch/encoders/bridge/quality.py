"""How well texts find themselves across two spaces, and when that is too little."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

TIMES_CHANCE = 10.0
Z95 = 1.959964  # of the normal distribution, two-sided
_CHUNK = 1024  # rows of scores at once


@dataclass(frozen=True, slots=True)
class Quality:
    """Text-to-text retrieval across the spaces, on texts that neither fitted nor chose the map.

    Attributes:
        method: `ridge`, `procrustes` or `both`.
        strength: of the ridge penalty, as a multiple of the mean variance; 0 for Procrustes.
        held_out: how many texts were carried over and looked for among their like.
        hits: how many of them came back first.
    """

    method: str
    strength: float
    held_out: int
    hits: int

    @property
    def hit1(self) -> float:
        """The share that came back first, in [0, 1]."""
        return self.hits / self.held_out

    @property
    def chance(self) -> float:
        """What a map that knows nothing would have."""
        return 1 / self.held_out

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `hit1` (Wilson, 1927)."""
        n, share, square = self.held_out, self.hit1, Z95 * Z95
        centre = share + square / (2 * n)
        reach = Z95 * sqrt(share * (1 - share) / n + square / (4 * n * n))
        return max(0.0, (centre - reach) / (1 + square / n)), min(1.0, (centre + reach) / (1 + square / n))

    @property
    def sufficient(self) -> bool:
        """Whether the interval lies above ten times chance."""
        return self.interval[0] > TIMES_CHANCE * self.chance

    def __str__(self) -> str:
        low, high = self.interval
        how = self.method if self.method == "procrustes" else f"{self.method} {self.strength:g}"
        return (
            f"hit@1 {100 * self.hit1:.1f} % ({100 * low:.1f}-{100 * high:.1f}; chance {100 * self.chance:.2f}) "
            f"of {self.held_out} texts, {how}"
        )


def hits(carried: FloatArray, rows: FloatArray) -> int:
    """How many of `carried` `(n, d)` are nearest to the row of `rows` `(n, d)` that is theirs. A tie is no hit."""
    found = 0
    for start in range(0, len(carried), _CHUNK):
        scores = carried[start : start + _CHUNK] @ rows.T
        own = np.arange(len(scores)), np.arange(start, start + len(scores))
        right = scores[own].copy()
        scores[own] = -np.inf
        found += int((right > scores.max(axis=1)).sum())
    return found
