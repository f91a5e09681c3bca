"""What is shown of an answer: what reaches a confidence, or all of it if its best does."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search import fuse
from mmsearch.search.lexical.language import STOP

if TYPE_CHECKING:
    from mmsearch.search.calibrate.scale import Scales
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.lexical.hybrid import Words
    from mmsearch.search.query import Query
    from mmsearch.search.wanted import Wanted
    from mmsearch.types import TextSpec

LETTERS = 3.5  # of each token, of a word that is known


def is_word(query: Query, spec: TextSpec | None) -> bool:
    """Whether a question is a single word that a model knows; articles and such aside.

    It is little to be judged by: `woman` looks as little like photos of women as letters drawn by chance do. A word
    is known if it is one token, or long ones: `chainsaw` is two, and letters drawn by chance fall into many.
    """
    texts = [str(part.content) for part in query.parts if part.kind == "text"]
    if spec is None or len(query.parts) != 1 or not texts:
        return False
    said = [word for word in re.findall(r"[^\W_]+", texts[0].lower()) if word not in STOP]
    if len(said) != 1:
        return False
    tokens = spec.count_tokens(said[0]) - spec.count_tokens("a") + 1
    return tokens == 1 or len(said[0]) >= LETTERS * tokens


def cut(
    found: Candidates, scales: Scales, words: Words, wanted: Wanted, *, is_word: bool = False
) -> tuple[Candidates, float | None]:
    """Candidates with their confidences, without those that are not to be shown, and what the best had if none is.

    With `wanted.least` those that do not reach it are left out, one by one. Without it the answer stays whole, or is
    empty because nothing matches well: if in no modality the best reaches the cut. That is not done where words were
    found or a filter was given, which say by themselves what is wanted. What has no known confidence stays.

    Args:
        found: in their final order.
        scales: of the question.
        words: of the question.
        wanted: of the search.
        is_word: whether the question is a single word, to which a lower cut applies.
    """
    if words.is_alone:
        return found, None
    confidences = scales.confidences(found)
    judged = replace(found, confidences=confidences)
    if wanted.least is not None:
        kept = np.flatnonzero(~(confidences < wanted.least))
        best = float(confidences.max()) if len(found) and not len(kept) else None
        return judged.take(kept), best
    if wanted.where is not None or any(past.name == fuse.STEP for past in found.history):
        return judged, None
    unmatched = scales.unmatched(judged, confidences, is_word=is_word)
    return (judged, None) if unmatched is None else (judged.head(0), unmatched)
