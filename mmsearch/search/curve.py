"""How well a question fits a recording, or a long text, from its beginning to its end, and where it fits best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.types import FloatArray

HALF = 0.5


class Span(NamedTuple):
    """A stretch of the curve: from `start` to `end`, exclusive, where its highest piece has `score`."""

    start: float
    end: float
    score: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Pieces between the edges of all segments, and how well each fits: the mean score of the segments that cover it.

    Windows of a sound overlap: an event of five seconds shows in two windows of ten, and the piece that both have is
    where it is.

    Attributes:
        starts: of the pieces `(n,)` float64, seconds or characters.
        ends: `(n,)`, exclusive.
        scores: `(n,)` float64.
    """

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, starts: NDArray[np.float64], ends: NDArray[np.float64], scores: FloatArray) -> Curve:
        """The curve of segments, in any order: beginnings, ends and scores, `(n,)` each. What none covers is left out.

        Empty segments have no piece.
        """
        edges = np.unique(np.concatenate([starts, ends]))
        first, last = np.searchsorted(edges, starts), np.searchsorted(edges, ends)
        sums, counts = np.zeros(len(edges)), np.zeros(len(edges))
        for total, values in ((sums, scores.astype(np.float64)), (counts, np.ones(len(scores)))):
            np.add.at(total, first, values)
            np.subtract.at(total, last, values)
        covering = np.rint(np.cumsum(counts))[:-1]
        covered = np.flatnonzero(covering > 0)
        means = np.cumsum(sums)[:-1][covered] / covering[covered]
        return cls(edges[:-1][covered], edges[1:][covered], means)

    def around(self, start: float, end: float) -> Span | None:
        """The stretch about the highest piece between `start` and `end`; None if there is no piece."""
        inside = np.flatnonzero((self.starts >= start) & (self.ends <= end))
        return self._span(int(inside[np.argmax(self.scores[inside])])) if len(inside) else None

    def spans(self, most: int) -> list[Span]:
        """The best stretches that do not overlap, best first: each about a piece that is no lower than its neighbours.

        A stretch goes on, to both sides, as long as the curve is above half of its highest piece (the full width at
        half maximum). Scores are what they are above the mean of the index, so that half of them is half the way down
        to what anything would have. Pieces that are below that mean are in none.
        """
        found: list[Span] = []
        taken = np.zeros(len(self.scores), bool)
        for peak in np.argsort(-self.scores, kind="stable").tolist():
            if len(found) == most or self.scores[peak] <= 0:
                break
            if taken[peak] or self.scores[peak] < self.scores[max(0, peak - 1) : peak + 2].max():
                continue
            low, high = self._reach(peak)
            if not taken[low:high].any():
                found.append(Span(float(self.starts[low]), float(self.ends[high - 1]), float(self.scores[peak])))
                taken[low:high] = True
        return found

    def _span(self, peak: int) -> Span:
        low, high = self._reach(peak)
        return Span(float(self.starts[low]), float(self.ends[high - 1]), float(self.scores[peak]))

    def _reach(self, peak: int) -> tuple[int, int]:
        """From which piece to which, exclusive, the stretch of a peak goes."""
        least = HALF * self.scores[peak]
        low, high = peak, peak + 1
        while low > 0 and self.scores[low - 1] >= least > 0:
            low -= 1
        while high < len(self.scores) and self.scores[high] >= least > 0:
            high += 1
        return low, high
