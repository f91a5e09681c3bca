"""`qbnorm`: hubness correction by Querybank Normalisation, QB-Norm (Bogolin et al., CVPR 2022).

An inverted softmax (Smith et al., ICLR 2017) divides the likeness of question and item by that of all reference
questions and the item: what is near to everything loses. Where it does not help it hurts; so the dynamic form, which
the paper proposes, is used only for questions whose best item is known to be such a one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import QueryError
from mmsearch.search import exact
from mmsearch.search.rerank.bank import bank
from mmsearch.search.rerank.slots import Verdict, reordered

if TYPE_CHECKING:
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.bank import Bank
    from mmsearch.search.rerank.base import Context
    from mmsearch.types import FloatArray, Modality

BETA = 20.0  # inverse temperature; the paper's
ACTIVATING = 10  # answers of each reference question; the paper's one is for banks of tens of thousands
LEAST = 32


class DynamicInvertedSoftmax:
    """Orders the candidates of a modality by `exp(beta * cosine) / sum over the bank of exp(beta * cosine)`.

    It does so for questions whose best candidate is in the activation set: the items that are among the 10 best answers
    of some reference question, of all items of the index. The others stay as they are. Reference questions are those of
    `nnn`, see `bank`, and what is said there of sums, of bridges and of scores holds here as well. The argument is
    beta, above 0; 20 by default. The activation set takes a comparison of the bank with all items, once for each
    version of an index and each process.
    """

    def __init__(self, context: Context, argument: str = "") -> None:
        try:
            self._beta = float(argument or BETA)
        except ValueError:
            self._beta = np.nan
        if not 0 < self._beta <= 1000:
            raise QueryError(f"qbnorm takes a number above 0, at most 1000, not {argument!r}: qbnorm:{BETA:g}")
        self._context = context

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """Reorder by normalised cosines, modality by modality."""
        if not query.plain:
            return candidates
        (asked,) = query.modalities

        def judge(target: Modality, some: Candidates, cosines: FloatArray) -> Verdict | None:
            reference = bank(self._context, asked, target)
            if len(reference) < LEAST or int(some.items[0]) not in self._activated(reference, target):
                return None
            measure = partial(log_sums, beta=self._beta)
            bias = reference.bias("qbnorm", self._beta, measure).of(self._context, target, some.segments)
            bias = bias / np.float32(self._beta)
            notes = [{"bias": round(float(one), 4)} for one in bias] if self._context.explains else ()
            return Verdict(cosines - bias, notes)

        return reordered(candidates, judge)

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
