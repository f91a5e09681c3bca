"""`tags`: a second opinion from class tags, where a text meets a picture or a sound.

A vector of a few hundred numbers blurs the class probabilities that it was made of. The features still have them: the
share of probability that text and medium put on the same classes is added to the cosine. The weights are the
model's, measured per direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search.rerank.slots import Verdict, reordered
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch.encoders.base import Tagger, TagWeights
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.base import Context
    from mmsearch.types import FloatArray, Metadata

PICTURES = 50  # of the candidates: the classes of a picture are a product with all of a classifier
SHOWN = 3  # classes, to people who ask why
LEAST = 0.001  # that a class must have added to be shown


class Tags:
    """Orders the candidates of a modality by `cosine + share / (1 - share) * cosine_scale / tag_scale * tag_score`.

    Of pictures the first 50 are looked at, whose classes take time: with 200 hit@10 is the same to a tenth of a point.
    In a space that was fitted to the user's own pairs nothing changes: a fit has learnt from the features themselves.

    The scores themselves stay: the best one goes to the candidate that is first now, and so on. So a list of several
    modalities is merged on the same scale as without tags, which have heavy tails and exist in some directions only.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """Reorder by cosine and tags together; where question and target share no classes nothing changes."""
        if not query.plain:
            return candidates
        (asked,) = query.modalities

        def judge(target: Modality, some: Candidates, cosines: FloatArray) -> Verdict | None:
            tagger = self._context.model.tagger
            weights = tagger.weights(asked, target) if tagger is not None else None
            if tagger is None or weights is None or self._context.is_fitted(target):
                return None
            first = some.head(PICTURES) if target is Modality.IMAGE else some
            wanted, found = self._tags(tagger, query, target, first.segments.tolist())
            values = cosines.copy()
            values[: len(first)] += found @ wanted * factor(weights)  # never negative: the others stay behind these
            if not self._context.explains:
                return Verdict(values)
            names = tagger.names(target if asked is Modality.TEXT else asked)
            return Verdict(values, _notes(names, found * wanted * factor(weights)))

        return reordered(candidates, judge)

    def _tags(
        self, tagger: Tagger, query: Embedded, target: Modality, segments: list[int]
    ) -> tuple[FloatArray, FloatArray]:
        """Tags of the question `(classes,)` and of segments `(n, classes)`; zeros for what has no features."""
        (asked,), model = query.modalities, self._context.model
        vocabulary = target if asked is Modality.TEXT else asked
        encoders = {modality: encoder for encoder in model.encoders for modality in encoder.dims}
        question = query.features(encoders[asked].name, asked)
        stored = self._context.features(encoders[target].name, encoders[target].version, target, segments)
        known = np.isfinite(stored).all(axis=1) if stored.size else np.zeros(len(segments), bool)
        if question is None or not known.any():
            return np.zeros(1, np.float32), np.zeros((len(segments), 1), np.float32)
        (wanted,) = tagger.tags(question[None, :], asked, vocabulary)
        found = np.zeros((len(segments), len(wanted)), np.float32)
        found[known] = tagger.tags(stored[known], target, vocabulary)
        return wanted, found


def factor(weights: TagWeights) -> np.float32:
    """What a tag score is multiplied with before it is added to a cosine."""
    return np.float32(weights.share / (1 - weights.share) * weights.cosine_scale / weights.tag_scale)


def _notes(names: Sequence[str], shares: FloatArray) -> list[Metadata]:
    """The classes that question and candidates share most, with what each adds to the cosine."""
    notes: list[Metadata] = []
    for row in shares:
        best = [place for place in np.argsort(-row)[:SHOWN].tolist() if row[place] >= LEAST]
        classes = {names[place]: round(float(row[place]), 4) for place in best}
        notes.append({"added": round(float(row.sum()), 4), "classes": classes})
    return notes
