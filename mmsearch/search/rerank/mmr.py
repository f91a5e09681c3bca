"""`mmr`: diversity by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import QueryError

if TYPE_CHECKING:
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.base import Context


class MaximalMarginalRelevance:
    """Picks, one after the other, the candidate with the largest `w * relevance - (1 - w) * likeness`.

    Relevance is the score, scaled to [0, 1] over the candidates; likeness is the largest cosine to a candidate picked
    before. The argument is `w`, from 0 (only diversity) to 1 (only relevance), 0.7 by default.
    """

    def __init__(self, context: Context, argument: str = "") -> None:
        try:
            self._weight = float(argument or 0.7)
        except ValueError:
            self._weight = np.nan
        if not 0 <= self._weight <= 1:
            raise QueryError(f"mmr takes a number from 0 to 1, not {argument!r}: mmr:0.7")
        self._context = context

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
