"""`nnn`: hubness correction by nearest-neighbour normalisation (NNN: Chowdhury et al., EMNLP 2024).

Some items are near to everything, and turn up for questions that they do not answer. Such a hub is known by its
likeness to other questions: the mean of its largest cosines to a bank of reference questions is taken off its score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from mmsearch.errors import QueryError
from mmsearch.search.samples import Samples

if TYPE_CHECKING:
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.query import Embedded
    from mmsearch.search.rerank.base import Context
    from mmsearch.store.snapshot import Snapshot
    from mmsearch.types import FloatArray, Modality

ALPHA = 0.75
NEIGHBOURS = 16  # of the bank, whose mean is taken
LEAST = 2 * NEIGHBOURS

# Banks by the modality that asks and the space; made once for each version of an index.
_banks: WeakKeyDictionary[Snapshot, dict[tuple[Modality, str], FloatArray]] = WeakKeyDictionary()


class NearestNeighbourNormalisation:
    """Orders the candidates of a modality by `score - alpha * mean of their 16 largest cosines to the bank`.

    The bank is what `optimize` tunes with, see `Samples`: 400 made captions for questions that are texts, if their word
    lists are installed; otherwise as many stored items of the modality that asks. Where there are too few of these, and
    where the question has several modalities or comes over a bridge, nothing changes. As with `tags`, the scores
    themselves stay: the best one goes to the candidate that is first now. The argument is alpha, from 0 (nothing) to 1;
    0.75 by default.
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
        """Reorder by corrected scores, modality by modality."""
        if len(query.modalities) != 1:
            return candidates
        slots, scores = np.arange(len(candidates)), candidates.scores.copy()
        for target in set(candidates.modalities):
            places = np.flatnonzero(candidates.modalities == target)
            bank = self._bank(query.modalities[0], target)
            if len(bank) < LEAST:
                continue
            vectors = self._context.vectors_of(target, candidates.segments[places].tolist())
            bias = self._alpha * _nearest(vectors @ bank.T)
            order = np.argsort(-(candidates.scores[places] - bias), kind="stable")
            slots[places] = places[order]
            scores[places] = np.sort(candidates.scores[places])[::-1]
        return candidates.take(slots, scores).rescored(scores)

    def _bank(self, asked: Modality, target: Modality) -> FloatArray:
        space = self._context.space(target)
        if asked not in space.modalities:
            return np.empty((0, space.dim), np.float32)
        banks = _banks.setdefault(self._context.snapshot, {})
        key = asked, space.name
        if key not in banks:
            banks[key] = Samples(self._context.store, self._context.model).of(asked, space.name)
        return banks[key]


def _nearest(cosines: FloatArray) -> FloatArray:
    """Means `(n,)` of the largest in each row of `(n, b)`."""
    k = cosines.shape[1] - NEIGHBOURS
    return np.asarray(np.partition(cosines, k, axis=1)[:, k:].mean(axis=1), np.float32)
