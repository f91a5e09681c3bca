"""What may be expected of a question that is a text, whatever the index holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.types import FloatArray

# Chosen in coarse steps with questions like those of `benchmarks/calibration.py`, whose table tells what they bring.
AGREEMENT = 0.75  # of the classes that a question and what it finds share
CLEARNESS = 2.0
FAMILIARITY = 2.0
FAMILIARITY_ALONE = 1.0  # where there are no classes
FIRST_ROWS, EXEMPLARS, WORDS = 20, 20, 10  # that are looked at, the nearest
RECIPE = 1  # raised whenever rows share something else with questions
TEXT_TEMPERATURE, ROW_TEMPERATURE = 0.1, 0.06  # of cosines to exemplars


@dataclass(frozen=True, slots=True, eq=False)
class Yardstick:
    """Tells what the best cosine of a question is to be compared with.

    A cosine is judged by its question's own standing with a fixed cohort, as in speaker verification (Auckenthaler,
    Carey, Lloyd-Thomas, "Score normalization for text-independent speaker verification systems", DSP 2000). A question
    that is near to exemplars of classes would find much if there were any of them; one that is far from all words that
    we can think of is no language. And where rows and question are near for no class that they share, they are near by
    what is common to most rows: so the rows found first tell whether the question was understood, as in query
    performance prediction by the coherence of what is found (Cronen-Townsend, Zhou, Croft, "Predicting query
    performance", SIGIR 2002). The first row has the largest say, since there may be one that answers and no more.

    Attributes:
        exemplars: of the classes that media of the target have `(c, dim)`, unit norm; a text has none.
        words: short questions `(b, dim)` float32, unit norm.
    """

    exemplars: FloatArray
    words: FloatArray

    def expected(self, vectors: FloatArray, *, own: bool = False) -> FloatArray:
        """What is expected of each question `(q,)`, but for what it shares with what it finds.

        Args:
            vectors: of the questions `(q, dim)` float32, unit norm.
            own: the questions are those of which `words` are the first words.
        """
        likeness = vectors @ self.words.T
        if own:
            np.fill_diagonal(likeness, -1)
        familiarity = _first(likeness, WORDS)
        if not len(self.exemplars):
            return np.asarray(-FAMILIARITY_ALONE * familiarity, np.float32)
        clearness = _first(vectors @ self.exemplars.T, EXEMPLARS)
        return np.asarray(CLEARNESS * clearness - FAMILIARITY * familiarity, np.float32)

    def shared(self, vectors: FloatArray, rows: NDArray[Any], owners: NDArray[np.int64]) -> FloatArray:
        """How much of the same classes questions and rows have, from 0 to 1.

        Args:
            vectors: of the questions `(q, dim)` float32, unit norm.
            rows: that they have found `(n, dim)`, unit norm.
            owners: of each row, the number of the question that has found it `(n,)`.

        Returns:
            `(n,)` float32: the cosine of their distributions over the exemplars.
        """
        seen, asked = self._classes(rows.astype(np.float32), ROW_TEMPERATURE), self._classes(vectors, TEXT_TEMPERATURE)
        found: FloatArray = np.einsum("cn,cn->n", seen, asked[:, owners])
        return found

    def _classes(self, vectors: FloatArray, temperature: float) -> FloatArray:
        """Distributions `(c, n)` of vectors `(n, dim)`, of unit norm; a column each, as the product is faster so."""
        near = self.exemplars @ vectors.T
        near -= near.max(axis=0)
        near /= temperature
        np.exp(near, out=near)
        near /= np.sqrt(np.einsum("cn,cn->n", near, near))
        return near


def agreement(shared: FloatArray, rows: int) -> FloatArray:
    """What is added to a cosine `(q,)` for what the first rows share with their question `(q, n)`, best first.

    A row counts by its reciprocal rank; of `rows`, as many as can be found without a filter, those that are missing
    share nothing.
    """
    shares = 1 / np.arange(1, min(FIRST_ROWS, rows) + 1)
    first = shared[:, : len(shares)]
    return np.asarray(AGREEMENT * (first @ shares[: first.shape[1]]) / shares.sum(), np.float32)


def _first(likeness: FloatArray, few: int) -> FloatArray:
    """The mean of the few largest of each row."""
    count = likeness.shape[1]
    few = min(few, count)
    first: FloatArray = np.partition(likeness, count - few, axis=1)[:, count - few :].mean(axis=1)
    return first
