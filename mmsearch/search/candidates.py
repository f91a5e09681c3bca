"""Candidates: items in question, as columns. Rerankers reorder these; only what is shown becomes a `Hit`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmsearch.types import FloatArray, Metadata

    Order: TypeAlias = NDArray[np.int64] | Sequence[int] | slice  # places of candidates


@dataclass(frozen=True, slots=True)
class Past:
    """How candidates stood before a step of a chain, and what the step went by.

    Attributes:
        name: of the step.
        places: `(n,)` int64, from 1; 0 for those that the step has nothing to do with.
        scores: `(n,)` float32.
        notes: `(n,)` objects, JSON values by name or None: what the step used for each; None if nobody wants to know.
    """

    name: str
    places: NDArray[np.int64]
    scores: FloatArray
    notes: NDArray[np.object_] | None = None

    def take(self, order: Order) -> Past:
        """That of these candidates."""
        return Past(
            self.name, self.places[order], self.scores[order], None if self.notes is None else self.notes[order]
        )

    def join(self, tail: Past) -> Past:
        """That of both."""
        places, scores = np.concatenate([self.places, tail.places]), np.concatenate([self.scores, tail.scores])
        return Past(self.name, places, scores, _joined(self.notes, tail.notes, len(self.places), len(tail.places)))


@dataclass(slots=True)
class Candidates:
    """Items with their best segments, best first. Whoever gets them makes new ones instead of changing them.

    Attributes:
        items: item ids `(n,)` int64, distinct.
        segments: segment ids `(n,)` int64.
        modalities: of the segments, `(n,)` objects of `Modality`.
        cosines: `(n,)` float32, of question and segment.
        scores: `(n,)` float32, what the order follows.
        history: for each step that was applied, how they stood before it.
        same: `(n,)` objects, tuples of the ids of items that are folded into each or None; None if nothing is folded.
        confidences: `(n,)` float32, NaN where it is not known; None until the order is final.
    """

    items: NDArray[np.int64]
    segments: NDArray[np.int64]
    modalities: NDArray[np.object_]
    cosines: FloatArray
    scores: FloatArray
    history: tuple[Past, ...] = ()
    same: NDArray[np.object_] | None = None
    confidences: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.items)

    @classmethod
    def none(cls) -> Candidates:
        """No candidates."""
        empty = np.empty(0, np.int64)
        return cls(empty, empty, np.empty(0, object), np.empty(0, np.float32), np.empty(0, np.float32))

    def take(self, order: Order, scores: FloatArray | None = None) -> Candidates:
        """These candidates, in that order, with new scores `(len(order),)` if given."""
        return Candidates(
            self.items[order],
            self.segments[order],
            self.modalities[order],
            self.cosines[order],
            self.scores[order] if scores is None else scores,
            tuple(past.take(order) for past in self.history),
            None if self.same is None else self.same[order],
            None if self.confidences is None else self.confidences[order],
        )

    def head(self, k: int) -> Candidates:
        """The first k."""
        return self if len(self) <= k else self.take(slice(k))

    def without(self, items: Sequence[int]) -> Candidates:
        """Those that are none of these items."""
        return self.take(np.flatnonzero(~np.isin(self.items, items))) if items else self

    def scored(self, scores: FloatArray) -> Candidates:
        """The same in the same order, with scores `(n,)` that fall as those before."""
        return replace(self, scores=scores)

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
            tuple(a.join(b) for a, b in zip(self.history, tail.history, strict=True)),
            _joined(self.same, tail.same, len(self), len(tail)),
        )

    def remember(self, name: str, whose: NDArray[np.bool_] | None = None) -> Candidates:
        """The same, with the present places and scores written into the history; of those that a step is for only."""
        places = np.arange(1, len(self) + 1)
        if whose is not None:
            places[~whose] = 0
        return replace(self, history=(*self.history, Past(name, places, self.scores)))

    def noted(self, notes: Sequence[Metadata | None]) -> Candidates:
        """The same, with what the step that is at work goes by for each of them; for people who ask why.

        To be called before the order changes. Nothing happens outside of a chain.
        """
        if not self.history:
            return self
        column = np.empty(len(self), object)
        column[:] = notes
        return replace(self, history=(*self.history[:-1], replace(self.history[-1], notes=column)))

    def folded(self, into: NDArray[np.int64]) -> Candidates:
        """Those that stay when each is folded into another one.

        Args:
            into: `(n,)` places; of one that stays, its own.
        """
        same = np.empty(len(self), object) if self.same is None else self.same.copy()
        for place in np.flatnonzero(into != np.arange(len(self))).tolist():
            gone = (int(self.items[place]), *(same[place] or ()))
            same[into[place]] = (*(same[into[place]] or ()), *gone)
        return replace(self, same=same).take(np.flatnonzero(into == np.arange(len(self))))


def merge(parts: Sequence[Candidates]) -> Candidates:
    """One list of all; an item found in two modalities keeps its better segment."""
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.join(part)
    ordered = joined.rescored(joined.scores)
    _, first = np.unique(ordered.items, return_index=True)
    return ordered.take(np.sort(first))


def _joined(
    first: NDArray[np.object_] | None, second: NDArray[np.object_] | None, n: int, m: int
) -> NDArray[np.object_] | None:
    """Two optional columns of n and m candidates as one."""
    if first is None and second is None:
        return None
    return np.concatenate(
        [np.empty(n, object) if first is None else first, np.empty(m, object) if second is None else second]
    )
