"""Hubness: a few items that answer every question, and many that answer none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

K = 10
_SHARE = 10  # of so many items one is among the first k at most, or all of them would be hubs
_NAMED = 4  # hubs


@dataclass(frozen=True, slots=True)
class Hubness:
    """The distribution of `N_k`: in the first k answers to how many questions an item is.

    Source: Radovanović, Nanopoulos, Ivanović, "Hubs in Space", JMLR 11 (2010), section 2; with questions of a dataset
    in the place of the items themselves, as is done for retrieval across modalities (Bogolin et al., CVPR 2022).

    By chance, if each question drew k of the n items, `N_k` would be binomial with q trials of probability `k / n`.

    Trap: it depends on q, k and n; compare it with chance, and with other models on the same data. Items of which more
    are right answers appear more often, and should.

    Attributes:
        k: how many answers are looked at.
        queries: q, how many questions were asked.
        occurrences: `(n,)` int64 `N_k` of every item that could answer, largest first.
        skewness: of `N_k`, its third standardised moment; 0 where all items appear alike.
        chance_skewness: of the binomial.
        never: the share of items that appear nowhere.
        chance_never: the same of the binomial.
        hubs: ids and `N_k` of the greatest hubs, ties by id. A hub is an item whose `N_k` is more than two standard
            deviations above the mean.
    """

    k: int
    queries: int
    occurrences: NDArray[np.int64]
    skewness: float
    chance_skewness: float
    never: float
    chance_never: float
    hubs: tuple[tuple[str, int], ...]

    @property
    def items(self) -> int:
        """How many could answer."""
        return len(self.occurrences)

    @property
    def largest(self) -> int:
        """`N_k` of the greatest hub."""
        return int(self.occurrences[0])

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values, without `occurrences`."""
        return {
            "k": self.k,
            "queries": self.queries,
            "items": self.items,
            "skewness": self.skewness,
            "chance_skewness": self.chance_skewness,
            "never": self.never,
            "chance_never": self.chance_never,
            "largest": self.largest,
            "hubs": [{"id": id, "occurrences": times} for id, times in self.hubs],
        }


def hubness(answers: NDArray[np.object_], items: Collection[str], k: int = K) -> Hubness:
    """Count in how many lists each item is among the first k.

    Args:
        answers: `(q, t)` ids, best first, `""` where a list is shorter.
        items: ids of all that could answer, those of `answers` included.
        k: how many answers are looked at; of fewer than 10 k items, a tenth as many.
    """
    queries, n = len(answers), len(items)
    k = max(1, min(k, n // _SHARE))
    counted = Counter(id for ids in answers[:, :k].tolist() for id in ids if id)
    occurrences = np.sort(np.array([counted.get(id, 0) for id in items], np.int64))[::-1]
    p = min(1.0, k / n)
    spread = queries * p * (1 - p)
    least = occurrences.mean() + 2 * occurrences.std()
    hubs = sorted((hub for hub in counted.items() if hub[1] > least), key=lambda hub: (-hub[1], hub[0]))[:_NAMED]
    return Hubness(
        k,
        queries,
        occurrences,
        _skewness(occurrences),
        (1 - 2 * p) / spread**0.5 if spread > 0 else 0.0,
        float(np.mean(occurrences == 0)),
        (1 - p) ** queries,
        tuple(hubs),
    )


def _skewness(counts: NDArray[np.int64]) -> float:
    away = counts - counts.mean()
    deviation = np.sqrt(np.mean(away**2))
    return float(np.mean(away**3) / deviation**3) if deviation > 0 else 0.0
