"""The closed form: canonical correlation analysis with shrunken covariances.

CCA (Hotelling, "Relations between two sets of variates", Biometrika 1936) finds directions in two sets of features
along which pairs agree most. With fewer pairs than features it would find agreement in noise: a multiple of its mean
variance is added to every variance (regularised CCA; Vinod, "Canonical ridge", Journal of Econometrics 1976). Every
direction is weighted by its correlation, on either side, as in Gong, Ke, Isard, Lazebnik, "A multi-view embedding space
for modeling internet images, tags, and their semantics", IJCV 2014.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.fitting.adapter import Adapter, prepared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.fitting.paired import Paired
    from mmsearch.types import FloatArray

TINY = 1e-6  # correlations below are rounding


class Correlation:
    """The covariances of a set of pairs, taken apart once, so that many strengths can be tried.

    Every medium counts alike, however many texts it has.

    Args:
        pairs: to learn from.
        power: of the media's features, see `Adapter`.
    """

    def __init__(self, pairs: Paired, power: float) -> None:
        texts, media = pairs.edges.T
        weights = 1 / np.bincount(media, minlength=len(pairs.media))[media] / len(pairs.media)
        of_texts = np.bincount(texts, weights, minlength=len(pairs.texts))
        x, y = prepared(pairs.media.features, power), prepared(pairs.texts.features, 1.0)
        self._power = power
        self._x_mean, self._y_mean = x.mean(axis=0), (of_texts @ y).astype(np.float32)
        x, y = x - self._x_mean, y - self._y_mean
        x_values, self._x_axes = _axes(x.T @ x / np.float32(len(x)))
        y_values, self._y_axes = _axes((y * of_texts[:, None].astype(np.float32)).T @ y)
        self._x_values, self._y_values = x_values, y_values
        said = np.zeros((len(x), y.shape[1]), np.float32)
        np.add.at(said, media, y[texts] * weights[:, None].astype(np.float32))
        self._cross = self._x_axes.T @ (x.T @ said) @ self._y_axes

    def solve(self, media: float, texts: float, dim: int) -> tuple[Adapter, Adapter]:
        """The maps of media and of texts.

        Args:
            media: the shrinkage of the media's covariance, in multiples of its mean variance.
            texts: the same of the texts.
            dim: of the shared space; directions that the pairs do not span are zero.
        """
        a = 1 / np.sqrt(self._x_values + _penalty(self._x_values, media))
        b = 1 / np.sqrt(self._y_values + _penalty(self._y_values, texts))
        whitened = a[:, None] * self._cross * b
        squares, right = np.linalg.eigh(whitened.T @ whitened)
        right = right[:, ::-1][:, :dim]
        correlations = np.sqrt(np.maximum(squares[::-1][:dim], 0))
        real = correlations > TINY * correlations.max(initial=0)
        left = whitened @ right  # already times the correlations
        x_matrix = self._x_axes @ (a[:, None] * left * real)
        y_matrix = self._y_axes @ (b[:, None] * right * (correlations * real))
        return (
            Adapter(self._power, self._x_mean, _padded(x_matrix, dim)),
            Adapter(1.0, self._y_mean, _padded(y_matrix, dim)),
        )


def _axes(covariance: NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
    values, axes = np.linalg.eigh(covariance)
    return np.maximum(values, 0).astype(np.float32), axes.astype(np.float32)


def _penalty(values: FloatArray, shrinkage: float) -> np.float32:
    return np.float32(shrinkage * max(float(values.mean()), 1e-30))


def _padded(matrix: FloatArray, dim: int) -> FloatArray:
    full = np.zeros((len(matrix), dim), np.float32)
    full[:, : matrix.shape[1]] = matrix
    return full
