"""The distribution of best scores: empirical as far as it is known, with a fitted tail beyond."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.types import FloatArray

LEAST = 20  # best scores; the quantile from which the tail is fitted has four of them above it
BODY = np.linspace(0, 0.8, 9)
HEAVIEST = 0.5  # shape: a heavier tail has no variance
SMALLEST = 1e-4  # of a scale; cosines that are nearer to each other are alike


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """Evidence against the claim that a question has nothing to do with what it found: `-log p`, natural logarithm.

    Up to the .8 quantile p is the share of best scores of unrelated questions that are larger, with straight lines
    between quantiles. Beyond, excesses follow a generalised Pareto distribution (Pickands, "Statistical inference using
    extreme order statistics", Annals of Statistics 1975). Its shape is not let below 0: cosines are bounded, and a fit
    says so, but evidence must go on rising. Below all that unrelated questions found it goes on falling, below 0.

    Attributes:
        knots: scores `(9,)`, rising.
        levels: the evidence at each `(9,)`, rising from 0.
        shape: of the tail, 0 or more.
        scale: of the tail.
    """

    knots: NDArray[np.float64]
    levels: NDArray[np.float64]
    shape: float
    scale: float

    @classmethod
    def fit(cls, best: NDArray[Any]) -> Tail:
        """Fit to best scores `(n,)` of unrelated questions, at least `LEAST`.

        By probability-weighted moments (Hosking and Wallis, "Parameter and quantile estimation for the generalized
        Pareto distribution", Technometrics 1987).
        """
        scores = np.sort(np.asarray(best, np.float64))
        knots = np.quantile(scores, BODY) + SMALLEST * np.arange(len(BODY)) / len(BODY)  # ties would make steps
        excess = scores[scores > knots[-1]] - knots[-1]
        shape, scale = _pareto(excess) if len(excess) > 1 else (0.0, float(scores.std()))
        return cls(knots, -np.log1p(-BODY), shape, max(scale, SMALLEST))

    def evidence(self, scores: NDArray[Any]) -> FloatArray:
        """`-log p` of each score, float32, strictly rising with it: -log(.2) = 1.6 at the .8 quantile."""
        found = np.interp(scores, self.knots, self.levels)
        beyond = np.maximum(scores - self.knots[-1], 0) / self.scale
        found += beyond if self.shape == 0 else np.log1p(self.shape * beyond) / self.shape
        slope = self.levels[-1] / (self.knots[-1] - self.knots[0])
        found += slope * np.minimum(scores - self.knots[0], 0)
        return np.asarray(found, np.float32)


def confidence(evidence: NDArray[Any]) -> FloatArray:
    """`1 - p` of each, from 0 to 1, float32."""
    return np.asarray(-np.expm1(-np.maximum(evidence, 0)), np.float32)


def _pareto(excess: NDArray[np.float64]) -> tuple[float, float]:
    """Shape and scale of excesses `(n,)`, sorted; exponential where the moments ask for a tail that ends."""
    count, mean = len(excess), float(excess.mean())
    weights = 1 - (np.arange(1, count + 1) - 0.35) / count
    weighted = float((excess * weights).mean())
    below = mean - 2 * weighted
    shape = 2 - mean / below if below > 0 else HEAVIEST
    if shape <= 0:
        return 0.0, mean
    shape = min(shape, HEAVIEST)
    return shape, mean * (1 - shape)
