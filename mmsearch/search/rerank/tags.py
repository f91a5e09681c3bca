"""`tags`: a second opinion from class tags, where a text meets a picture or a sound.

A vector of a few hundred numbers blurs the class probabilities that it was made of. The features still have them: the
share of probability that text and medium put on the same classes is added to the cosine. The weights are the
model's, measured per direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import QueryError
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.encoders.base import TagWeights
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.query import Embedded
    from mmsearch.search.rerank.base import Context
    from mmsearch.types import FloatArray


class Tags:
    """Orders the candidates of a modality by `cosine + share / (1 - share) * cosine_scale / tag_scale * tag_score`.

    In a space that was fitted to the user's own pairs nothing changes: a fit has learnt from the features themselves.

    The scores themselves stay: the best one goes to the candidate that is first now, and so on. So a list of several
    modalities is merged on the same scale as without tags, which have heavy tails and exist in some directions only.
    """

    def __init__(self, context: Context, argument: str = "") -> None:
        if argument:
            raise QueryError(f"the reranker tags takes no argument, not {argument!r}")
        self._context = context

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """Reorder by cosine and tags together; where question and target share no classes nothing changes."""
        if len(query.modalities) != 1:
            return candidates
        slots, scores = np.arange(len(candidates)), candidates.scores.copy()
        for target in set(candidates.modalities):
            places = np.flatnonzero(candidates.modalities == target)
            bonus = self._bonus(query, query.modalities[0], target, candidates.segments[places].tolist())
            order = np.argsort(-(candidates.scores[places] + bonus), kind="stable")
            slots[places] = places[order]
            scores[places] = np.sort(candidates.scores[places])[::-1]
        return candidates.take(slots, scores).rescored(scores)

    def _bonus(self, query: Embedded, asked: Modality, target: Modality, segments: list[int]) -> FloatArray | float:
        tagger, model = self._context.model.tagger, self._context.model
        weights = tagger.weights(asked, target) if tagger is not None else None
        if tagger is None or weights is None or self._context.is_fitted(target):
            return 0.0
        vocabulary = target if asked is Modality.TEXT else asked
        encoders = {modality: encoder for encoder in model.encoders for modality in encoder.dims}
        question = query.features(encoders[asked].name, asked)
        if question is None:
            return 0.0
        stored = self._context.features(encoders[target].name, encoders[target].version, target, segments)
        known = np.isfinite(stored).all(axis=1) if stored.size else np.zeros(len(segments), bool)
        bonus = np.zeros(len(segments), np.float32)
        if known.any():
            wanted = tagger.tags(question[None, :], asked, vocabulary)[0]
            bonus[known] = tagger.tags(stored[known], target, vocabulary) @ wanted
        return bonus * factor(weights)


def factor(weights: TagWeights) -> np.float32:
    """What a tag score is multiplied with before it is added to a cosine."""
    return np.float32(weights.share / (1 - weights.share) * weights.cosine_scale / weights.tag_scale)
