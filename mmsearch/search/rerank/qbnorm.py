"""`qbnorm`: hubness correction by Querybank Normalisation, QB-Norm (Bogolin et al., CVPR 2022).

An inverted softmax (Smith et al., ICLR 2017) divides the likeness of question and item by that of all reference
questions and the item: what is near to everything loses. Where it does not help it hurts; so the dynamic form, which
the paper proposes, is used only for questions whose best item is known to be such a one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search import exact
from mmsearch.search.rerank.argument import number
from mmsearch.search.rerank.hubness import corrected

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.bank import Bank
    from mmsearch.search.rerank.base import Context
    from mmsearch.types import FloatArray, Modality

BETA = 20.0  # inverse temperature; the paper's
ACTIVATING = 10  # answers of each reference question; the paper's one is for banks of tens of thousands


class DynamicInvertedSoftmax:
    """Orders the candidates of a modality by `exp(beta * cosine) / sum over the bank of exp(beta * cosine)`.

    It does so for questions whose best candidate is in the activation set: the items that are among the 10 best answers
    of some reference question, of all items of the index. The others stay as they are. See `hubness` for what the bank
    is, and for questions that it is not for. The argument is beta, above 0; 20 by default. The activation set takes a
    comparison of the bank with all items, once for each version of an index and each process.
    """

    def __init__(self, context: Context, beta: float) -> None:
        self._context, self._beta = context, beta

    @classmethod
    def read(cls, argument: str) -> Callable[[Context], DynamicInvertedSoftmax]:
        """As `base.WithArgument`."""
        takes = "a number above 0, at most 1000"
        return partial(cls, beta=number("qbnorm", argument, BETA, takes, lambda value: 0 < value <= 1000))

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """Reorder by normalised cosines, modality by modality."""
        return corrected(self._context, query, candidates, self._bias)

    def _bias(self, reference: Bank, target: Modality, some: Candidates) -> FloatArray | None:
        if int(some.items[0]) not in self._activated(reference, target):
            return None
        biases = reference.bias("qbnorm", self._beta, partial(log_sums, beta=self._beta))
        return biases.of(self._context, target, some.segments) / np.float32(self._beta)

    def _activated(self, reference: Bank, target: Modality) -> frozenset[int]:
        """The activation set, as numbers of items."""
        if ACTIVATING not in reference.activated:
            space, snapshot = self._context.space(target), self._context.snapshot
            shards = snapshot.of("vectors", space.name, space.version, target)
            rows: dict[int, set[int]] = {}
            for found in exact.top(shards, reference.questions, ACTIVATING):
                for shard, offset in zip(found.shards.tolist(), found.offsets.tolist(), strict=True):
                    rows.setdefault(shard, set()).add(offset)
            reference.activated[ACTIVATING] = frozenset(
                item
                for shard, offsets in rows.items()
                for _, item in self._context.store.locate(shard, sorted(offsets)).values()
            )
        return reference.activated[ACTIVATING]


def log_sums(cosines: FloatArray, beta: float) -> FloatArray:
    """Logarithms `(n,)` of the sums over each row of `(n, b)` of `exp(beta * cosine)`."""
    scaled = np.float32(beta) * cosines
    largest = scaled.max(axis=1)
    return np.asarray(largest + np.log(np.exp(scaled - largest[:, None]).sum(axis=1)), np.float32)
