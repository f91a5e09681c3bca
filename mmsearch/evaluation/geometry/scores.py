"""How far the scores of right answers stand out from those of wrong ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.types import FloatArray

BINS = 48


@dataclass(frozen=True, slots=True)
class Spread:
    """Scores of one kind of pair: how many, their mean, their standard deviation."""

    pairs: int
    mean: float
    deviation: float

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {"pairs": self.pairs, "mean": self.mean, "deviation": self.deviation}


@dataclass(frozen=True, slots=True)
class Scores:
    """Cosines of question and answer, for right answers and for items drawn at random that are none.

    Attributes:
        relevant: of pairs that the dataset calls relevant.
        others: of pairs of the same questions with items that are not.
        auc: the probability that a relevant pair scores higher than another one, ties counted half: .5 by chance (the
            area under the ROC curve: Hanley and McNeil, Radiology 143 (1982)). Over all questions together: it falls,
            too, where each question ranks well and their scores lie at different heights.
        edges: `(b + 1,)` of the bins of the histograms.
        histograms: `(2, b)` the share of relevant and of other pairs in each bin.
    """

    relevant: Spread
    others: Spread
    auc: float
    edges: NDArray[np.float64]
    histograms: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values, without the histograms."""
        return {"relevant": self.relevant.to_json(), "others": self.others.to_json(), "auc": self.auc}


def scores(relevant: FloatArray, others: FloatArray) -> Scores | None:
    """Compare the scores `(n,)` and `(m,)` of two kinds of pairs; None where there are none of one kind."""
    if not len(relevant) or not len(others):
        return None
    both = np.concatenate([relevant, others])
    edges = np.histogram_bin_edges(both.astype(np.float64), BINS)
    shares = [np.histogram(some, edges)[0] / len(some) for some in (relevant, others)]
    return Scores(_spread(relevant), _spread(others), _auc(relevant, others), edges, np.array(shares))


def _spread(some: FloatArray) -> Spread:
    return Spread(len(some), float(some.mean(dtype=np.float64)), float(some.std(dtype=np.float64)))


def _auc(relevant: FloatArray, others: FloatArray) -> float:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, relevant, "left") + np.searchsorted(ordered, relevant, "right")
    return float(below.mean() / (2 * len(others)))
