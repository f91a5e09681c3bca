"""Candidates: items in question, as columns. Rerankers reorder these; only what is shown becomes a `Hit`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmsearch.types import FloatArray


@dataclass(slots=True)
class Candidates:
    """Items with their best segments, best first. Whoever gets them makes new ones instead of changing them.

    Attributes:
        items: item ids `(n,)` int64, distinct.
        segments: segment ids `(n,)` int64.
        modalities: of the segments, `(n,)` objects of `Modality`.
        cosines: `(n,)` float32, of question and segment.
        scores: `(n,)` float32, what the order follows.
        history: for each reranker that was applied, its name and the place that each candidate had before, from 1.
    """

    items: NDArray[np.int64]
    segments: NDArray[np.int64]
    modalities: NDArray[np.object_]
    cosines: FloatArray
    scores: FloatArray
    history: tuple[tuple[str, NDArray[np.int64]], ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def take(self, order: NDArray[np.int64] | Sequence[int], scores: FloatArray | None = None) -> Candidates:
        """These candidates, in that order, with new scores `(len(order),)` if given."""
        order = np.asarray(order, np.int64)
        return Candidates(
            self.items[order],
            self.segments[order],
            self.modalities[order],
            self.cosines[order],
            self.scores[order] if scores is None else scores,
            tuple((name, places[order]) for name, places in self.history),
        )

    def head(self, k: int) -> Candidates:
        """The first k."""
        return self if len(self) <= k else self.take(np.arange(k))

    def scored(self, scores: FloatArray) -> Candidates:
        """The same in the same order, with scores `(n,)` that fall as those before."""
        return Candidates(self.items, self.segments, self.modalities, self.cosines, scores, self.history)

    def rescored(self, scores: FloatArray) -> Candidates:
        """These candidates, ordered by new scores `(n,)`; equal ones keep their order."""
        order = np.argsort(-scores, kind="stable")
        return self.take(order, scores[order])

    def join(self, tail: Candidates) -> Candidates:
        """These candidates, and those of `tail` behind them; both have the same history."""
        return Candidates(
            np.concatenate([self.items, tail.items]),
            np.concatenate([self.segments, tail.segments]),
            np.concatenate([self.modalities, tail.modalities]),
            np.concatenate([self.cosines, tail.cosines]),
            np.concatenate([self.scores, tail.scores]),
            tuple((name, np.concatenate([a, b])) for (name, a), (_, b) in zip(self.history, tail.history, strict=True)),
        )

    def remember(self, name: str) -> Candidates:
        """The same, with the present places written into the history."""
        return replace(self, history=(*self.history, (name, np.arange(1, len(self) + 1))))


def merge(parts: Sequence[Candidates]) -> Candidates:
    """One list of all; an item found in two modalities keeps its better segment."""
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.join(part)
    ordered = joined.rescored(joined.scores)
    _, first = np.unique(ordered.items, return_index=True)
    return ordered.take(np.sort(first))
