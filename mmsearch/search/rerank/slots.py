"""Reordering each modality within the places that it has in the list, so that modalities are merged as they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from mmsearch.search.candidates import Candidates
    from mmsearch.types import FloatArray, Metadata, Modality


class Verdict(NamedTuple):
    """What a step makes of candidates of one modality.

    Attributes:
        values: `(n,)`, which their new order follows.
        notes: what it went by for each, for people who ask why.
    """

    values: FloatArray
    notes: Sequence[Metadata] = ()


# A modality, its candidates, and cosines `(n,)` that fall in their order; None for no other order.
Judge: TypeAlias = "Callable[[Modality, Candidates, FloatArray], Verdict | None]"


def reordered(candidates: Candidates, judge: Judge) -> Candidates:
    """Candidates of each modality in the order of new values, equal ones in the order of before.

    The scores stay where they are: the best one goes to the candidate that is first now, and so on. What is judged are
    not the scores either, whose scale is that of the whole list, but the cosines: the largest one stands for the
    candidate that is first, whatever step of a chain has put it there.
    """
    slots, scores = np.arange(len(candidates)), candidates.scores.copy()
    notes: list[Metadata | None] = [None] * len(candidates)
    for target in dict.fromkeys(candidates.modalities):
        places = np.flatnonzero(candidates.modalities == target)
        some = candidates.take(places)
        verdict = judge(target, some, np.sort(some.cosines)[::-1])
        if verdict is None:
            continue
        slots[places] = places[np.argsort(-verdict.values, kind="stable")]
        scores[places] = np.sort(candidates.scores[places])[::-1]
        for place, note in zip(places.tolist(), verdict.notes, strict=False):
            notes[place] = note
    told = candidates.noted(notes) if any(notes) else candidates
    return told.take(slots, scores).rescored(scores)
