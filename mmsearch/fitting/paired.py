"""Media and texts that belong together, as numbers: what a fit learns from and is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.types import FloatArray


@dataclass(frozen=True, eq=False)
class Side:
    """One side of the pairs.

    Attributes:
        features: `(n, f)` float32, as they are stored.
        vectors: `(n, d)` float32, unit norm: the same without a fit.
    """

    features: FloatArray
    vectors: FloatArray

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: NDArray[np.int64]) -> Side:
        """Some of them."""
        return Side(self.features[rows], self.vectors[rows])


@dataclass(frozen=True, eq=False)
class Paired:
    """n media, m texts and who belongs to whom.

    Attributes:
        media: n of one modality.
        texts: m different ones.
        edges: `(e, 2)` int64: the number of a text, and of a medium that it belongs to; every number occurs.
    """

    media: Side
    texts: Side
    edges: NDArray[np.int64]

    def part(self, media: NDArray[np.int64]) -> Paired:
        """Some of the media `(k,)`, in that order, with those texts that belong to them."""
        place = np.full(len(self.media), -1)
        place[media] = np.arange(len(media))
        edges = self.edges[place[self.edges[:, 1]] >= 0]
        texts, number = np.unique(edges[:, 0], return_inverse=True)
        kept = np.stack([number.reshape(-1), place[edges[:, 1]]], axis=1)
        return Paired(self.media.take(media), self.texts.take(texts), kept)

    @cached_property
    def first_media(self) -> NDArray[np.int64]:
        """For each text `(m,)` the first of its media: texts of one medium are not independent of each other."""
        first = np.full(len(self.texts), len(self.media), np.int64)
        np.minimum.at(first, self.edges[:, 0], self.edges[:, 1])
        return first

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """For each medium `(n,)` the number of its group: those that a text joins, a label say, are not independent.

        A text joins no medium that has a text of its own beside it.
        """
        texts, media = self.edges.T
        is_own = np.bincount(texts, minlength=len(self.texts))[texts] == 1
        apart = np.bincount(media, is_own, minlength=len(self.media)) > 0
        texts, media = texts[~apart[media]], media[~apart[media]]
        group = np.arange(len(self.media))
        while True:
            of_texts = np.full(len(self.texts), len(self.media), np.int64)
            np.minimum.at(of_texts, texts, group[media])
            joined = group.copy()
            np.minimum.at(joined, media, of_texts[texts])
            if np.array_equal(joined, group):
                return np.unique(group, return_inverse=True)[1].reshape(-1)
            group = joined


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """Where the first right answer stands, of each text among the media `(m,)`, of each medium among the texts."""

    of_texts: NDArray[np.int64]
    of_media: NDArray[np.int64]

    @property
    def merit(self) -> float:
        """What a fit is chosen by: the mean reciprocal rank, averaged over both directions."""
        return float((np.mean(1 / self.of_texts) + np.mean(1 / self.of_media)) / 2)


def ranks(scores: FloatArray, pairs: Paired) -> Ranks:
    """Rank the media for every text, and the texts for every medium.

    What scores like the right answer counts as before it: a map that takes everything to one point finds nothing.

    Args:
        scores: `(m, n)` of every text with every medium.
        pairs: who belongs to whom.
    """
    texts, media = pairs.edges.T
    return Ranks(_first(scores, texts, media), _first(scores.T, media, texts))


def _first(scores: FloatArray, asking: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    mine = scores[asking, right]
    best = np.full(len(scores), -np.inf, np.float32)
    np.maximum.at(best, asking, mine)
    above = np.count_nonzero(scores >= best[:, None], axis=1)
    own = np.bincount(asking, mine >= best[asking], minlength=len(scores)).astype(np.int64)
    found: NDArray[np.int64] = 1 + above - own
    return found
