"""`mmr`: diversity by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search.rerank.argument import number

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.base import Context

WEIGHT = 0.7


class MaximalMarginalRelevance:
    """Picks, one after the other, the candidate with the largest `w * relevance - (1 - w) * likeness`.

    Relevance is the score, scaled to [0, 1] over the candidates; likeness is the largest cosine to a candidate picked
    before. The argument is `w`, from 0 (only diversity) to 1 (only relevance), 0.7 by default.
    """

    def __init__(self, context: Context, weight: float) -> None:
        self._context, self._weight = context, weight

    @classmethod
    def read(cls, argument: str) -> Callable[[Context], MaximalMarginalRelevance]:
        """As `base.WithArgument`."""
        weight = number("mmr", argument, WEIGHT, "a number from 0 to 1", lambda value: 0 <= value <= 1)
        return partial(cls, weight=weight)

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """Reorder by marginal relevance, which becomes the score."""
        if len(candidates) < 2:
            return candidates
        vectors = self._context.vectors(candidates)
        spread = float(np.ptp(candidates.scores))
        relevance = (candidates.scores - candidates.scores.min()) / (spread if spread > 0 else 1.0)
        likeness, likest = np.zeros(len(candidates), np.float32), np.full(len(candidates), -1)
        left = np.ones(len(candidates), bool)
        order, scores = [], []
        for _ in range(len(candidates)):
            marginal = np.where(left, self._weight * relevance - (1 - self._weight) * likeness, -np.inf)
            best = int(np.argmax(marginal))
            order.append(best)
            scores.append(marginal[best])
            left[best] = False
            cosines = vectors @ vectors[best]
            likest[left & (cosines > likeness)] = len(order)
            likeness = np.where(left, np.maximum(likeness, cosines), likeness)
        if self._context.explains:
            candidates = candidates.noted(
                [
                    {"likeness": round(float(one), 4), "like rank": int(rank)} if rank > 0 else None
                    for one, rank in zip(likeness, likest, strict=True)
                ]
            )
        # What is picked later is less welcome, though a late pick can have a larger marginal value than an early one.
        return candidates.take(order, np.minimum.accumulate(np.array(scores, np.float32)))
