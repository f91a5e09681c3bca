"""Ranked lists of many questions, as arrays.

They are for measuring: a name for every answer would take longer to look up than the answer to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmsearch.search.candidates import Candidates
    from mmsearch.types import FloatArray


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answers to q questions, best first, equally good ones in the order in which they were added.

    Attributes:
        items: `(q, k)` int64, numbers of items in the catalog; -1 where there are fewer than k.
        scores: `(q, k)` float32, falling; NaN where there are fewer.
        cosines: `(q, k)` float32, of question and best segment; NaN where there are fewer.
    """

    items: NDArray[np.int64]
    scores: FloatArray
    cosines: FloatArray

    @classmethod
    def of(cls, found: Sequence[Candidates], depth: int) -> Ranking:
        """The best `depth` of each."""
        made = cls.empty(len(found), depth)
        for number, candidates in enumerate(found):
            some = candidates.head(depth)
            made.items[number, : len(some)] = some.items
            made.scores[number, : len(some)] = some.scores
            made.cosines[number, : len(some)] = some.cosines
        return made

    @classmethod
    def empty(cls, questions: int, depth: int) -> Ranking:
        """No answers."""
        shape = questions, depth
        nothing = (np.full(shape, np.nan, np.float32) for _ in range(2))
        return cls(np.full(shape, -1, np.int64), *nothing)

    def __len__(self) -> int:
        return len(self.items)


def stack(parts: Sequence[Ranking], depth: int) -> Ranking:
    """The answers to all questions of all parts; each is `(q, depth)`."""
    if len(parts) < 2:
        return parts[0] if parts else Ranking.empty(0, depth)
    return Ranking(
        np.concatenate([one.items for one in parts]),
        np.concatenate([one.scores for one in parts]),
        np.concatenate([one.cosines for one in parts]),
    )
