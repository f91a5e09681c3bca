"""`maxsim`: attention over segments, late interaction as in ColBERT (Khattab and Zaharia, SIGIR 2020).

A long sound, or a long text, is asked with the mean of its segments, and answered by the one segment of an item that is
nearest to that mean. Where question and item are about several things one after the other, a mean is about none of
them. Here each segment of the question looks for its own answer among all segments of the item.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import QueryError
from mmsearch.search.rerank.argument import whole
from mmsearch.search.rerank.slots import Verdict, reordered

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.base import Context
    from mmsearch.types import FloatArray, Modality


class MaxSim:
    """Orders the candidates of a modality by `mean over question segments i of max over item segments j of q_i · d_j`.

    ColBERT sums over i; the mean gives the same order, on the scale of a cosine. With the argument `m`, 1 by default,
    the maximum becomes the mean of the m largest, or of all where an item has fewer: what is heard in several windows
    counts more than what is heard in one. With m = 1 a question of one segment, which a short text, a picture, and any
    sum is, already has these values as cosines, and nothing changes. What an earlier step added to a cosine stays; the
    scores stay where they are, as with `tags`.
    """

    def __init__(self, context: Context, most: int = 1) -> None:
        self._context, self._most = context, most

    @classmethod
    def read(cls, argument: str) -> Callable[[Context], MaxSim]:
        """As `base.WithArgument`."""
        most = whole(argument or "1")
        if most < 1:
            raise QueryError(f"maxsim takes how many segments of an item count, 1 or more, not {argument!r}: maxsim:2")
        return partial(cls, most=most)

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """Reorder by late interaction, modality by modality."""

        def judge(target: Modality, some: Candidates, cosines: FloatArray) -> Verdict | None:
            asked = self._context.asked_segments(query, target)
            if len(asked) == 1 and self._most == 1:
                return None
            values, notes = some.cosines.copy(), []
            found = self._context.segments_of(target, some.items.tolist())
            for place, (ids, vectors) in enumerate(found):
                if ids:
                    values[place] = late_interaction(asked, vectors, self._most)
                if self._context.explains:
                    notes.append({"maxsim": round(float(values[place]), 4), "segments": len(ids), "asked": len(asked)})
            return Verdict(cosines + (values - some.cosines), notes)

        return reordered(candidates, judge)


def late_interaction(asked: FloatArray, segments: FloatArray, most: int = 1) -> float:
    """Mean over rows of `asked` `(s, d)` of the mean of their `most` largest inner products with rows `(n, d)`."""
    products = segments @ asked.T
    if most < len(products):
        products = np.partition(products, len(products) - most, axis=0)[-most:]
    return float(products.mean())
