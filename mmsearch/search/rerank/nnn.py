"""`nnn`: hubness correction by nearest-neighbour normalisation (NNN: Chowdhury et al., EMNLP 2024).

Some items are near to everything, and turn up for questions that they do not answer. Such a hub is known by its
likeness to other questions: the mean of its largest cosines to a bank of reference questions is taken off its score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import QueryError
from mmsearch.search.rerank.bank import bank
from mmsearch.search.rerank.slots import Verdict, reordered

if TYPE_CHECKING:
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.base import Context
    from mmsearch.types import FloatArray, Modality

ALPHA = 0.75
NEIGHBOURS = 16  # of the bank, whose mean is taken
LEAST = 2 * NEIGHBOURS


class NearestNeighbourNormalisation:
    """Orders the candidates of a modality by `cosine - alpha * mean of their 16 largest cosines to the bank`.

    The bank are made captions for questions that are texts, if their word lists are installed; otherwise stored items
    of the modality that asks, see `bank`. Where there are fewer than 32 of these, and where the question is a sum or
    comes over a bridge, nothing changes. As with `tags`, the scores themselves stay: the best one goes to the candidate
    that is first now. The argument is alpha, from 0 (nothing) to 1; 0.75 by default.
    """

    def __init__(self, context: Context, argument: str = "") -> None:
        try:
            self._alpha = float(argument or ALPHA)
        except ValueError:
            self._alpha = np.nan
        if not 0 <= self._alpha <= 1:
            raise QueryError(f"nnn takes a number from 0 to 1, not {argument!r}: nnn:{ALPHA}")
        self._context = context

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """Reorder by corrected cosines, modality by modality."""
        if not query.plain:
            return candidates
        (asked,) = query.modalities

        def judge(target: Modality, some: Candidates, cosines: FloatArray) -> Verdict | None:
            reference = bank(self._context, asked, target)
            if len(reference) < LEAST:
                return None
            bias = np.float32(self._alpha) * reference.bias("nnn", NEIGHBOURS, nearest).of(
                self._context, target, some.segments
            )
            notes = [{"bias": round(float(one), 4)} for one in bias] if self._context.explains else ()
            return Verdict(cosines - bias, notes)

        return reordered(candidates, judge)


def nearest(cosines: FloatArray) -> FloatArray:
    """Means `(n,)` of the 16 largest in each row of `(n, b)`."""
    k = cosines.shape[1] - NEIGHBOURS
    return np.asarray(np.partition(cosines, k, axis=1)[:, k:].mean(axis=1), np.float32)
