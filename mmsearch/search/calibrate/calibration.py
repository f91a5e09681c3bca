"""Confidence when it is asked: what the catalog keeps of a direction, made ready once for each version of the index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from mmsearch.search.calibrate.scale import CUTS, OTHERS, PLAIN, WORD, Background, Cut, Scale
from mmsearch.search.calibrate.tail import LEAST, Tail
from mmsearch.search.calibrate.yardstick import Yardstick, agreement
from mmsearch.store.backgrounds import bank, read
from mmsearch.store.fits import is_fit
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.search.lanes import Lane, Lanes
    from mmsearch.search.route import Route
    from mmsearch.store.backgrounds import Background as Kept
    from mmsearch.store.snapshot import Snapshot
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray, Space


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Of one direction.

    Attributes:
        lane: of the answers.
        cut: that applies.
        plain: of the best centred cosines of unrelated questions.
        judged: of the same without what was to be expected of each.
        yardstick: tells what that is; None where nothing does.
    """

    lane: Lane
    cut: Cut
    plain: Tail
    judged: Tail
    yardstick: Yardstick | None = None

    def scales(self, vectors: FloatArray) -> list[Scale]:
        """That of each question `(q, dim)`."""
        expected = np.zeros(len(vectors), np.float32) if self.yardstick is None else self.yardstick.expected(vectors)
        return [
            Scale(centre, self.lane.live, Background(self.plain, self.judged, bar, self.cut))
            for centre, bar in zip((vectors @ self.lane.mean).tolist(), expected.tolist(), strict=True)
        ]

    @property
    def has_classes(self) -> bool:
        """Whether what a question shares with what it finds counts."""
        return self.yardstick is not None and len(self.yardstick.exemplars) > 0

    def agreements(self, vectors: FloatArray, rows: Sequence[NDArray[Any]]) -> list[float]:
        """What is added for what each question `(q, dim)` shares with the rows `(n, dim)` that it has found."""
        if self.yardstick is None or not any(map(len, rows)):
            return [0.0] * len(rows)
        counts = [len(some) for some in rows]
        flat = np.concatenate([some for some in rows if len(some)])
        shared = self.yardstick.shared(vectors, flat, np.repeat(np.arange(len(rows)), counts))
        each = np.split(shared, np.cumsum(counts)[:-1])
        return [float(agreement(some[None], self.lane.live)[0]) for some in each]


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
            tail = Tail.fit(kept.best[:, 0])
            return Calibration(lane, Cut(OTHERS[Modality(kept.asked)]), tail, tail)
        found = bank(view.query, space.name, space.version)
        if found is None or found.name != kept.bank or found.vectors.shape != (2 * len(kept.best), space.dim):
            return None
        questions, words = np.split(found.vectors.astype(np.float32), 2)
        centred = kept.best[:, 0] - questions @ lane.mean
        plain, known = Tail.fit(centred), self._yardstick(questions, words, kept.bank, target, space)
        if is_fit(space.name):  # it may know words that made questions have nothing of
            return Calibration(lane, Cut(0.0), plain, plain)
        if known is None or (len(known[0].exemplars) > 0) != (kept.shared is not None):
            return Calibration(lane, Cut(PLAIN[target]), plain, plain)
        yardstick, expected = known
        shared = 0.0 if kept.shared is None else agreement(kept.shared, kept.shared.shape[1])
        cut = Cut(CUTS[target], WORD)
        return Calibration(lane, cut, plain, Tail.fit(centred - expected + shared), yardstick)

    def _yardstick(
        self, questions: FloatArray, words: FloatArray, made: str, target: Modality, space: Space
    ) -> tuple[Yardstick, FloatArray] | None:
        """The yardstick of a direction, and what it expects of each made question; it is the same in all versions.

        None in a space without exemplars: how much to expect was measured where there are some.
        """
        key = (space.name, space.version, made, target)
        if key not in self._yardsticks:
            exemplars = None if self._model.tagger is None else self._model.tagger.exemplars(space, target)
            if exemplars is None:
                return None
            yardstick = Yardstick(np.ascontiguousarray(exemplars), words)
            self._yardsticks[key] = yardstick, yardstick.expected(questions, own=True)
        return self._yardsticks[key]
