"""Confidence when it is asked: what the catalog keeps of a direction, made ready once for each version of the index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from mmsearch.search.calibrate.scale import CUTS, OTHERS, Background, Scale
from mmsearch.search.calibrate.tail import LEAST, Tail
from mmsearch.store.backgrounds import bank, read
from mmsearch.store.fits import is_fit
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch.encoders.base import Model
    from mmsearch.search.lanes import Lane, Lanes
    from mmsearch.search.route import Route
    from mmsearch.store.backgrounds import Background as Kept
    from mmsearch.store.snapshot import Snapshot
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray, Space

# Chosen in coarse steps with questions like those of `benchmarks/calibration.py`, whose table tells what they bring.
CLEARNESS = 0.6
FAMILIARITY = 0.5
NEIGHBOURS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Yardstick:
    """What may be expected of a question that is a text, whatever the index holds.

    A cosine is judged by its question's own standing with a fixed cohort, as in speaker verification (Auckenthaler,
    Carey, Lloyd-Thomas, "Score normalization for text-independent speaker verification systems", DSP 2000). A question
    that is near to an exemplar of a class would find much if there were any of it; one that is far from all questions
    that we can think of is no language.

    Attributes:
        exemplars: of the classes that media of the target have `(c, dim)`, unit norm; a text has none.
        questions: made questions `(b, dim)` float32, unit norm.
    """

    exemplars: FloatArray
    questions: FloatArray

    def bar(self, vectors: FloatArray, *, own: bool = False) -> FloatArray:
        """How much is expected of each question `(q,)`; `own` if they are the made questions themselves."""
        likeness = vectors @ self.questions.T
        if own:
            np.fill_diagonal(likeness, -1)
        nearest = np.partition(likeness, len(self.questions) - NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
        clearness = (vectors @ self.exemplars.T).max(axis=1) if len(self.exemplars) else 0.0
        return np.asarray(CLEARNESS * clearness - FAMILIARITY * nearest.mean(axis=1), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Of one direction.

    Attributes:
        lane: of the answers.
        cut: the confidence that the best answer must reach.
        plain: of the best centred cosines of unrelated questions.
        judged: of the same without what was to be expected of each.
        yardstick: tells what that is; None where nothing does.
    """

    lane: Lane
    cut: float
    plain: Tail
    judged: Tail
    yardstick: Yardstick | None = None

    def scales(self, vectors: FloatArray) -> list[Scale]:
        """That of each question `(q, dim)`."""
        expected = np.zeros(len(vectors), np.float32) if self.yardstick is None else self.yardstick.bar(vectors)
        return [
            Scale(centre, self.lane.live, Background(self.plain, self.judged, bar, self.cut))
            for centre, bar in zip((vectors @ self.lane.mean).tolist(), expected.tolist(), strict=True)
        ]


class Calibrations:
    """Makes each calibration once for each version of an index."""

    def __init__(self, model: Model, lanes: Lanes) -> None:
        self._model, self._lanes = model, lanes
        self._kept: WeakKeyDictionary[Snapshot, dict[tuple[str, str, str, str], Kept]] = WeakKeyDictionary()
        self._made: WeakKeyDictionary[Snapshot, dict[tuple[str, str, str, str], Calibration | None]]
        self._made = WeakKeyDictionary()
        self._yardsticks: dict[tuple[str, str, str, Modality], tuple[Yardstick, FloatArray]] = {}

    def of(self, view: View, asked: Sequence[Modality], target: Modality, way: Route) -> Calibration | None:
        """That of questions with parts of these modalities; None if there is none, as for sums and across bridges."""
        if len(asked) != 1 or way.crossings:
            return None
        return self._direction(view, asked[0], target, way.space)

    def _direction(self, view: View, asked: Modality, target: Modality, space: Space) -> Calibration | None:
        snapshot = view.snapshot()
        made, key = self._made.setdefault(snapshot, {}), (str(asked), str(target), space.name, space.version)
        if key not in made:
            if snapshot not in self._kept:
                found = read(view.query)
                self._kept[snapshot] = {(one.asked, one.target, one.space, one.version): one for one in found}
            kept = self._kept[snapshot].get(key)
            made[key] = None if kept is None else self._calibration(view, kept, target, space)
        return made[key]

    def _calibration(self, view: View, kept: Kept, target: Modality, space: Space) -> Calibration | None:
        lane = self._lanes.of(view.snapshot(), space, target)
        if len(kept.best) < LEAST:
            return None
        if kept.asked != Modality.TEXT:
            tail = Tail.fit(kept.best)
            return Calibration(lane, OTHERS[Modality(kept.asked)], tail, tail)
        found = bank(view.query, space.name, space.version)
        if found is None or found.name != kept.bank or found.vectors.shape != (len(kept.best), space.dim):
            return None
        questions = found.vectors.astype(np.float32)
        centred = kept.best - questions @ lane.mean
        plain, known = Tail.fit(centred), self._yardstick(questions, kept.bank, target, space)
        cut = 0.0 if is_fit(space.name) else CUTS[target]  # a fit may know words that made questions have nothing of
        if known is None:
            return Calibration(lane, cut, plain, plain)
        yardstick, expected = known
        return Calibration(lane, cut, plain, Tail.fit(centred - expected), yardstick)

    def _yardstick(
        self, questions: FloatArray, made: str, target: Modality, space: Space
    ) -> tuple[Yardstick, FloatArray] | None:
        """The yardstick of a direction, and what it expects of each made question; it is the same in all versions.

        None in a space without exemplars: how much to expect was measured where there are some.
        """
        key = (space.name, space.version, made, target)
        if key not in self._yardsticks:
            exemplars = None if self._model.tagger is None else self._model.tagger.exemplars(space, target)
            if exemplars is None:
                return None
            yardstick = Yardstick(np.ascontiguousarray(exemplars), questions)
            self._yardsticks[key] = yardstick, yardstick.bar(questions, own=True)
        return self._yardsticks[key]
