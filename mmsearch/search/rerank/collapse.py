"""`collapse`: hits that are nearly the same become one, which tells what it stands for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search.rerank.argument import number
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.base import Context
    from mmsearch.types import FloatArray

LEAST = 0.97
PICTURES = 0.8  # of features; what they are of, and what this is worth, is in benchmarks/results/duplicates.md


class Collapse:
    """Folds each candidate into the best one before it of the same modality with at least this cosine to it.

    What is compared are the segments that were found: copies of a picture, of a passage, of a window of sound. It is
    done by stored features where the model keeps them, as `lite` does: its vectors say what is seen, and two pictures
    of different dogs on grass are as near there as a picture and its copy. Otherwise by vectors.

    What stays has the ids of the others in `Hit.same`; they are no hits of their own, so that a list may have fewer
    than k where nearly all of an index is the same. The argument is the cosine, above 0, at most 1; by default 0.8 for
    features of pictures, and 0.97 for everything else.
    """

    def __init__(self, context: Context, least: float | None = None) -> None:
        self._context, self._least = context, least

    @classmethod
    def read(cls, argument: str) -> Callable[[Context], Collapse]:
        """As `base.WithArgument`."""
        least = number("collapse", argument, LEAST, "a cosine above 0, at most 1", lambda value: 0 < value <= 1)
        return partial(cls, least=least if argument else None)

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """Fold; order and scores of what stays are as before."""
        into, cosines = np.arange(len(candidates)), np.ones(len(candidates), np.float32)
        for target in set(candidates.modalities):
            places = np.flatnonzero(candidates.modalities == target)
            likeness, least = self._likeness(target, candidates.segments[places].tolist())
            leaders = folded(likeness, least if self._least is None else self._least)
            into[places] = places[leaders]
            cosines[places] = likeness[np.arange(len(places)), leaders]
        if self._context.explains:
            candidates = candidates.noted(
                [
                    {"likeness": round(float(cosines[gone].min()), 4)} if gone.any() else None
                    for gone in ((into == place) & (into != np.arange(len(into))) for place in range(len(into)))
                ]
            )
        return candidates.folded(into)

    def _likeness(self, target: Modality, segments: list[int]) -> tuple[FloatArray, float]:
        """Cosines `(n, n)` of segments of a modality, and from which on two of them are the same."""
        for encoder in self._context.model.encoders:
            rows = self._context.features(encoder.name, encoder.version, target, segments)
            if rows.size and np.isfinite(rows).all():
                rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
                return rows @ rows.T, PICTURES if target is Modality.IMAGE else LEAST
        vectors = self._context.vectors_of(target, segments)
        return vectors @ vectors.T, LEAST


def folded(likeness: FloatArray, least: float) -> list[int]:
    """For each of n, best first, the first one before it that stays and is at least so like it; itself, if it stays."""
    leaders: list[int] = []
    stays = np.zeros(len(likeness), bool)
    for place in range(len(likeness)):
        near = np.flatnonzero(stays & (likeness[place] >= least))
        stays[place] = not len(near)
        leaders.append(int(near[0]) if len(near) else place)
    return leaders
