"""`nnn`: hubness correction by nearest-neighbour normalisation (NNN: Chowdhury et al., EMNLP 2024).

Some items are near to everything, and turn up for questions that they do not answer. Such a hub is known by its
likeness to other questions: the mean of its largest cosines to a bank of reference questions is taken off its score.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search.rerank.argument import number
from mmsearch.search.rerank.hubness import corrected

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.bank import Bank
    from mmsearch.search.rerank.base import Context
    from mmsearch.types import FloatArray, Modality

ALPHA = 0.75
NEIGHBOURS = 16  # of the bank, whose mean is taken


class NearestNeighbourNormalisation:
    """Orders the candidates of a modality by `cosine - alpha * mean of their 16 largest cosines to the bank`.

    See `hubness` for what the bank is, and for questions that it is not for. The argument is alpha, from 0 (nothing)
    to 1; 0.75 by default.
    """

    def __init__(self, context: Context, alpha: float) -> None:
        self._context, self._alpha = context, alpha

    @classmethod
    def read(cls, argument: str) -> Callable[[Context], NearestNeighbourNormalisation]:
        """As `base.WithArgument`."""
        alpha = number("nnn", argument, ALPHA, "a number from 0 to 1", lambda value: 0 <= value <= 1)
        return partial(cls, alpha=alpha)

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """Reorder by corrected cosines, modality by modality."""
        return corrected(self._context, query, candidates, self._bias)

    def _bias(self, reference: Bank, target: Modality, some: Candidates) -> FloatArray:
        biases = reference.bias("nnn", NEIGHBOURS, nearest)
        return np.float32(self._alpha) * biases.of(self._context, target, some.segments)


def nearest(cosines: FloatArray) -> FloatArray:
    """Means `(n,)` of the 16 largest in each row of `(n, b)`."""
    k = cosines.shape[1] - NEIGHBOURS
    return np.asarray(np.partition(cosines, k, axis=1)[:, k:].mean(axis=1), np.float32)
