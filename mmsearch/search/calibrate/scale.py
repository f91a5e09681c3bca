"""What a cosine is worth to one question, by modality of the answers: a score, and a confidence where that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search.calibrate.tail import Tail, confidence
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.search.candidates import Candidates
    from mmsearch.types import FloatArray

ENOUGH = 100  # rows; among fewer everything is shown, however little it looks like an answer
# The confidence that the best answer must reach: of texts that ask, by what they find; of others, by what asks.
CUTS = {Modality.IMAGE: 0.36, Modality.TEXT: 0.6, Modality.AUDIO: 0.65}
WORD = 0.1  # of a text that is a single word, whatever it finds
SAME = 1e-6  # less than a cosine of 1, by rounding
PLAIN = {Modality.IMAGE: 0.25, Modality.TEXT: 0.7, Modality.AUDIO: 0.7}  # without a yardstick; not measured
OTHERS = {Modality.IMAGE: 0.7, Modality.AUDIO: 0.95}


@dataclass(frozen=True, slots=True)
class Cut:
    """The confidence that the best answer must reach.

    Attributes:
        question: to whatever is asked.
        word: to a text that is a single word.
    """

    question: float
    word: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """What is known of unrelated questions, beside one question.

    Attributes:
        plain: of their best centred cosines.
        judged: of the same without what was to be expected of each question.
        expected: of this question.
        cut: that applies.
    """

    plain: Tail
    judged: Tail
    expected: float
    cut: Cut


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """That of one modality.

    Attributes:
        centre: the mean cosine of the question and its rows.
        rows: that can be found.
        background: None where it is not known.
    """

    centre: float
    rows: int
    background: Background | None = None

    def agreeing(self, agreement: float) -> Scale:
        """The same, when what the question shares with what it has found is known."""
        if self.background is None:
            return self
        expected = self.background.expected - agreement
        return replace(self, background=replace(self.background, expected=expected))

    def centred(self, cosines: FloatArray) -> FloatArray:
        """Cosines `(n,)` without their mean."""
        return cosines - np.float32(self.centre)

    def evidence(self, cosines: FloatArray) -> FloatArray:
        """How rare each cosine `(n,)` is among the best of unrelated questions; centred cosines where none is known.

        No unrelated question finds itself: beyond what most of them find, evidence also rises as the distance to a
        cosine of 1 falls, so that a copy of what is asked with comes before all that is merely near.
        """
        centred = self.centred(cosines)
        if self.background is None:
            return centred
        tail = self.background.plain
        usual = max(1 - self.centre - float(tail.knots[-1]), SAME)
        distances = np.maximum(1 - cosines, SAME)
        return np.asarray(tail.evidence(centred) + np.maximum(np.log(usual / distances), 0), np.float32)

    def confidences(self, cosines: FloatArray) -> FloatArray:
        """Of each cosine `(n,)`, from 0 to 1; NaN where it is not known."""
        if self.background is None:
            return np.full(len(cosines), np.nan, np.float32)
        judged = self.centred(cosines) - np.float32(self.background.expected)
        return confidence(self.background.judged.evidence(judged))


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """Those of all modalities in which answers can be.

    A list of several modalities goes by evidence, so that a cosine counts by how rare it is; where it is not known for
    all of them, by cosines without the mean of each modality. Either falls with the cosine. What is to be expected of
    a question decides whether it has an answer, and not where: it is known in some directions only.
    """

    by_modality: Mapping[Modality, Scale]

    def agreeing(self, agreements: Mapping[Modality, float]) -> Scales:
        """The same, when what the question shares with what it has found is known, by modality of what was found."""
        if not agreements:
            return self
        agreeing = {target: self.by_modality[target].agreeing(shared) for target, shared in agreements.items()}
        return Scales({**self.by_modality, **agreeing})

    @property
    def known(self) -> bool:
        """Whether the background of every modality that has rows is known."""
        return all(scale.background is not None for scale in self.by_modality.values() if scale.rows)

    def scores(self, modality: Modality, cosines: FloatArray) -> FloatArray:
        """What the order of one list goes by `(n,)` float32, for cosines of one modality."""
        scale = self.by_modality[modality]
        fair = self.known and sum(one.rows > 0 for one in self.by_modality.values()) > 1
        return scale.evidence(cosines) if fair else scale.centred(cosines)

    def confidences(self, candidates: Candidates) -> FloatArray:
        """Of each candidate `(n,)` float32, falling in each modality; NaN where it is not known.

        As a reranker's judgement has no scale of its own, the largest cosine of a modality stands for the candidate
        that comes first, whatever step of a chain has put it there.
        """
        found = np.full(len(candidates), np.nan, np.float32)
        known = {one: scale for one, scale in self.by_modality.items() if scale.background is not None}
        for modality, scale in known.items():
            places = np.flatnonzero(candidates.modalities == modality)
            if len(places):
                found[places] = scale.confidences(np.sort(candidates.cosines[places])[::-1])
        return found

    def unmatched(self, candidates: Candidates, confidences: FloatArray, *, is_word: bool = False) -> float | None:
        """The best confidence `(n,)` of an answer of which no modality reaches its cut; None if one does.

        None too where that cannot be told well enough: for want of a background, or of rows. To a single word a lower
        cut applies.
        """
        rows = sum(scale.rows for scale in self.by_modality.values())
        if not len(candidates) or not self.known or rows < ENOUGH:
            return None
        known = {one: scale.background.cut for one, scale in self.by_modality.items() if scale.background is not None}
        cuts = {one: cut.word if is_word else cut.question for one, cut in known.items()}
        reached = confidences >= np.array([cuts[modality] for modality in candidates.modalities])
        return None if reached.any() else float(confidences.max())
