"""The best of many scores, exactly: equal scores in order of place, at the last one that is taken too.

A score and its place become one whole number, which falls with the score and grows with the place. No two are equal,
so that any way of selecting and sorting gives the same answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.types import FloatArray

# Scores are reduced to the best of each run of this many before any selection: the k best scores lie in the k best
# runs, so only k runs have to be looked at. A run is not of neighbours but of scores that are as far from each other as
# there are runs, so that the best of all runs are found by vector instructions.
RUN = 64
MANY = 8  # times k: if more scores of a piece are better than the k-th best before, their best are selected first
_PLACE = np.int64(2**32 - 1)
_SIGN = np.int32(-(2**31))


class Best:
    """The k best of scores that come piece by piece, the places of each piece behind those of the pieces before.

    A score is compared with the k-th best so far, and only what is better is looked at again.

    Args:
        questions: how many have scores.
        k: of each question.
    """

    def __init__(self, questions: int, k: int) -> None:
        self._k = k
        self._keys = np.full((questions, k), _NONE)
        self._least = np.full((questions, 1), -np.inf, np.float32)

    def add(self, scores: FloatArray, first: int) -> None:
        """Scores `(q, n)` of the places from `first` on, contiguous; none may be NaN, those of -inf do not count."""
        n = scores.shape[1]
        better = np.flatnonzero(scores > self._least)
        counts = np.diff(better.searchsorted(np.arange(len(scores) + 1) * n))
        crowded = counts > MANY * self._k
        if crowded.any():
            questions = np.flatnonzero(crowded)
            some = scores[questions]
            places = best(some, self._k)
            self._merge(questions, _keys(np.take_along_axis(some, places, axis=1), places + first))
            better, counts = better[np.repeat(~crowded, counts)], np.where(crowded, 0, counts)
        if len(better):
            questions = np.flatnonzero(counts)
            keys = np.full((len(questions), counts.max()), _NONE)
            filled = np.arange(keys.shape[1]) < counts[questions, None]
            keys[filled] = _keys(scores.ravel()[better], better % n + first)
            self._merge(questions, keys)

    def found(self) -> tuple[NDArray[np.int64], FloatArray]:
        """Places and scores `(q, k)`, best first; where there were fewer, -1 and -inf."""
        self._keys.sort(axis=1)
        places = self._keys & _PLACE
        places[places == _PLACE] = -1
        return places, _scores(self._keys)

    def _merge(self, questions: NDArray[np.int64], keys: NDArray[np.int64]) -> None:
        both = np.concatenate([self._keys[questions], keys], axis=1)
        both.partition(self._k - 1, axis=1)
        self._keys[questions] = both[:, : self._k]
        self._least[questions] = _scores(both[:, self._k - 1 : self._k])


def best(scores: FloatArray, k: int) -> NDArray[np.int64]:
    """Places `(q, min(k, n))` of the k largest scores in each row of `(q, n)`, largest first; none may be NaN."""
    n = scores.shape[1]
    if n // RUN > 4 * k:
        return np.array([_by_runs(row, k) for row in scores], np.int64).reshape(len(scores), k)
    return _first(_keys(scores, np.arange(n)), k)


def _by_runs(scores: FloatArray, k: int) -> NDArray[np.int64]:
    runs = len(scores) // RUN
    peaks = scores[: runs * RUN].reshape(RUN, runs).max(axis=0)
    least = np.partition(peaks, runs - k)[runs - k]
    high = np.flatnonzero(peaks >= least)
    inside = (high + runs * np.arange(RUN)[:, None]).ravel()
    places = np.concatenate([inside, np.arange(runs * RUN, len(scores))])
    (found,) = _first(_keys(scores[places], places)[None], k)
    return np.asarray(found, np.int64)


def _first(keys: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    if k < keys.shape[1]:
        keys = np.partition(keys, k - 1, axis=1)[:, :k].copy()  # what is left over is let go
    keys.sort(axis=1)
    keys &= _PLACE
    return keys


def _keys(scores: FloatArray, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bits of an IEEE 754 number are in order of size, but for the sign; -0.0 is made 0.0 first."""
    bits = (scores + np.float32(0)).view(np.int32)
    bits ^= (~bits >> 31) | _SIGN
    keys: NDArray[np.int64] = bits.astype(np.int64)
    keys <<= 32
    keys |= places
    return keys


def _scores(keys: NDArray[np.int64]) -> FloatArray:
    """Those that keys were made of."""
    bits = (keys >> 32).astype(np.int32)
    bits ^= (bits >> 31) | _SIGN
    return bits.view(np.float32)


_NONE = _keys(np.full(1, -np.inf, np.float32), np.array([_PLACE]))[0]  # behind all others
