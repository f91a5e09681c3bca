"""`exact`: candidates by their best segment again, in full precision, whatever was made of their order before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search.rerank.slots import Verdict, reordered

if TYPE_CHECKING:
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.base import Context
    from mmsearch.types import FloatArray, Modality


class Exact:
    """Orders the candidates of a modality by the largest cosine of the question and any of their stored segments.

    A search does that by itself: where it compares all rows nothing changes. An approximate structure may have proposed
    another segment of an item than its best, and words may have found an item by one that is far away. Segments and
    cosines become those of the best segment; the scores stay where they are, as with `tags`.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """Reorder by cosines that are computed anew."""
        segments, cosines = candidates.segments.copy(), candidates.cosines.copy()
        for target in set(candidates.modalities):
            asked = self._context.asked(query, target)
            places = np.flatnonzero(candidates.modalities == target)
            items = candidates.items[places].tolist()
            for place, (ids, vectors) in zip(places.tolist(), self._context.segments_of(target, items), strict=True):
                if ids:
                    found = vectors @ asked
                    best = int(found.argmax())
                    segments[place], cosines[place] = ids[best], found[best]
        renewed = replace(candidates, segments=segments, cosines=cosines)

        def judge(target: Modality, some: Candidates, _: FloatArray) -> Verdict:
            before = candidates.cosines[candidates.modalities == target].tolist()
            notes = [{"cosine before": round(one, 4)} for one in before] if self._context.explains else ()
            return Verdict(some.cosines, notes)

        return reordered(renewed, judge)
