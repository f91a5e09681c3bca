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
# runs, so only k runs have to be looked at, and a maximum over a run is a vector instruction.
RUN = 64
_PLACE = np.int64(2**32 - 1)
_SIGN = np.int32(-(2**31))


def best(scores: FloatArray, k: int) -> NDArray[np.int64]:
    """Places `(q, min(k, n))` of the k largest scores in each row of `(q, n)`, largest first; none may be NaN."""
    n = scores.shape[1]
    if n // RUN > 4 * k:
        return np.array([_by_runs(row, k) for row in scores], np.int64).reshape(len(scores), k)
    return _first(_keys(scores), k)


def _by_runs(scores: FloatArray, k: int) -> NDArray[np.int64]:
    whole = len(scores) // RUN
    peaks = scores[: whole * RUN].reshape(whole, RUN).max(axis=1)
    least = np.partition(peaks, whole - k)[whole - k]
    runs = np.flatnonzero(peaks >= least)
    places = np.concatenate([(runs[:, None] * RUN + np.arange(RUN)).ravel(), np.arange(whole * RUN, len(scores))])
    (found,) = _first(_keys(scores[places][None], places), k)
    return np.asarray(found, np.int64)


def _first(keys: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    if k < keys.shape[1]:
        keys = np.partition(keys, k - 1, axis=1)[:, :k].copy()  # what is left over is let go
    keys.sort(axis=1)
    keys &= _PLACE
    return keys


def _keys(scores: FloatArray, places: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """The bits of an IEEE 754 number are in order of size, but for the sign; -0.0 is made 0.0 first."""
    bits = (scores + np.float32(0)).view(np.int32)
    bits ^= (~bits >> 31) | _SIGN
    keys: NDArray[np.int64] = bits.astype(np.int64)
    keys <<= 32
    keys |= np.arange(scores.shape[1]) if places is None else places
    return keys
