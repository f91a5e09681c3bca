"""What a cosine is worth within one item: what unrelated questions find in the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from mmsearch.search.calibrate.tail import Tail, confidence
from mmsearch.search.calibrate.yardstick import Yardstick
from mmsearch.store.backgrounds import bank
from mmsearch.store.fits import is_fit
from mmsearch.types import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.search.embedded import Embedded
    from mmsearch.search.lanes import Lane
    from mmsearch.search.route import Route
    from mmsearch.store.snapshot import Snapshot
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray, Space

FITS = {Modality.AUDIO: 0.8, Modality.TEXT: 0.7}  # that the best moment must reach: benchmarks/results/moments.md


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """That of one question in one item.

    Attributes:
        tail: of the best centred cosines of unrelated questions, without what was to be expected of each.
        expected: of this question.
        fits: the confidence that the best moment must reach.
    """

    tail: Tail
    expected: float
    fits: float

    def confidence(self, score: float) -> float:
        """Of a centred cosine, from 0 to 1."""
        return float(confidence(self.tail.evidence(np.array([score - self.expected])))[0])


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """Made questions of a space.

    Attributes:
        questions: `(b, dim)` float32, unit norm.
        yardstick: of their first words.
        expected: what that says of them `(b,)`.
    """

    questions: FloatArray
    yardstick: Yardstick
    expected: FloatArray


class Standings:
    """Tells how questions stand in single items. The made questions are read once for each version of an index."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Snapshot, dict[tuple[str, str], _Made | None]] = WeakKeyDictionary()

    def of(
        self, view: View, query: Embedded, way: Route, lane: Lane, vector: FloatArray, rows: FloatArray
    ) -> Standing | None:
        """That of a question, by the share of made questions that find more in the same item.

        What may be expected of a question is how near it is to any words at all (`calibrate.yardstick`). Classes, which
        decide in a whole index, made it worse here.

        Args:
            view: of the index.
            query: the question.
            way: by which it is asked.
            lane: of the answers.
            vector: itself `(dim,)`, in the space of the answers.
            rows: vectors of the item `(n, dim)` float32, unit norm.

        Returns:
            None where it is not known: of questions that are no single text, and in small indexes.
        """
        if not query.plain or query.modalities != (Modality.TEXT,):
            return None
        made = self._of_space(view, way.space)
        if made is None:
            return None
        best = (made.questions @ rows.T).max(axis=1) - made.questions @ lane.mean
        fits = 0.0 if is_fit(way.space.name) else FITS[lane.modality]  # it may know words that made questions have not
        return Standing(Tail.fit(best - made.expected), float(made.yardstick.expected(vector[None])[0]), fits)

    def _of_space(self, view: View, space: Space) -> _Made | None:
        known, key = self._made.setdefault(view.snapshot(), {}), (space.name, space.version)
        if key not in known:
            found = bank(view.query, *key)
            known[key] = None if found is None or found.vectors.shape[1] != space.dim else _made(found.vectors)
        return known[key]


def _made(vectors: NDArray[np.float16]) -> _Made:
    """Of questions, and then of their first words `(2 b, dim)`."""
    questions, words = np.split(vectors.astype(np.float32), 2)
    yardstick = Yardstick(np.empty((0, questions.shape[1]), np.float32), words)
    return _Made(questions, yardstick, yardstick.expected(questions, own=True))
