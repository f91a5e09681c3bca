"""Hubness correction, as `nnn` and `qbnorm` do it: what an item owes to being near to everything is taken off.

Which items are such hubs is known by a bank of reference questions. For questions that are texts these are made
captions, if their word lists are installed; otherwise stored items of the modality that asks, see `bank`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from mmsearch.search.rerank.bank import bank
from mmsearch.search.rerank.slots import Verdict, reordered

if TYPE_CHECKING:
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.bank import Bank
    from mmsearch.search.rerank.base import Context
    from mmsearch.types import FloatArray, Modality

FEWEST: Final = 32  # reference questions

# What is taken off the cosines of candidates of one modality, `(n,)`, by a bank; None for nothing.
Bias: TypeAlias = "Callable[[Bank, Modality, Candidates], FloatArray | None]"


def corrected(context: Context, query: Embedded, candidates: Candidates, bias: Bias) -> Candidates:
    """Candidates of each modality in the order of `cosine - bias`.

    Where there are fewer than 32 reference questions, and where the question is a sum or comes over a bridge, nothing
    changes. As with `tags`, the scores themselves stay: the best one goes to the candidate that is first now.
    """
    if not query.plain:
        return candidates
    (asked,) = query.modalities

    def judge(target: Modality, some: Candidates, cosines: FloatArray) -> Verdict | None:
        reference = bank(context, asked, target)
        biases = bias(reference, target, some) if len(reference) >= FEWEST else None
        if biases is None:
            return None
        notes = [{"bias": round(float(one), 4)} for one in biases] if context.explains else ()
        return Verdict(cosines - biases, notes)

    return reordered(candidates, judge)
