"""A linear map from one space into another and one back, from vectors of the same texts in both, in closed form.

The idea is that of C-MCR (Wang et al., "Connecting multi-modal contrastive representations", NeurIPS 2023), which
trains a network instead. Ridge regression (Hoerl and Kennard, 1970) and orthogonal Procrustes (Schönemann, 1966)
compete on texts that they were not fitted on. Measured on media (`benchmarks/bridge.py`): a map that whitens both
sides carries texts better than either, and pictures and sounds worse, so there is none here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.bridge.quality import Quality, hits
from mmsearch.errors import BridgeRefused, ModelError

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

STRENGTHS = (1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""Of the ridge penalty, as multiples of the mean variance of the source space."""
LEAST_TEXTS = 200
HELD_OUT = 10
"""One text in so many chooses the map, as many report its quality."""

_Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """The way from a space into another.

    Attributes:
        mean: `(d_from,)` float32, of the texts in the source space.
        matrix: `(d_from, d_to)` float32.
        quality: measured on texts that this map was neither fitted nor chosen on.
    """

    mean: FloatArray
    matrix: FloatArray
    quality: Quality

    def carry(self, vectors: FloatArray, centre: FloatArray | None = None) -> FloatArray:
        """Unit vectors `(n, d_to)` float32 of `(n, d_from)`, seen from `centre`; see `Bridge.carry`."""
        carried = (np.asarray(vectors, np.float32) - (self.mean if centre is None else centre)) @ self.matrix
        norms = np.linalg.norm(carried, axis=1, keepdims=True)
        scaled: FloatArray = (carried / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)
        return scaled


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Both ways between two spaces, a and b."""

    forward: Direction
    backward: Direction


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """Rows of the texts: for trying maps, for choosing one, for reporting on it."""

    train: NDArray[np.intp]
    choose: NDArray[np.intp]
    report: NDArray[np.intp]

    @property
    def all_but_report(self) -> NDArray[np.intp]:
        return np.concatenate([self.train, self.choose])


def fit(a: FloatArray, b: FloatArray, *, seed: int = 0) -> Fit:
    """Fit both ways and measure them.

    Of the texts a tenth chooses between the candidates, and another tenth, which chose nothing, reports on the chosen
    one after it was fitted again on all others.

    Args:
        a: vectors `(n, d_a)` of distinct texts in one space.
        b: vectors `(n, d_b)` of the same texts, in the same order, in the other.
        seed: of the split.

    Raises:
        ModelError: there are fewer than 200 texts, or vectors hold NaN.
        BridgeRefused: in one direction the 95 % interval of hit@1 does not lie above ten times chance.
        ValueError: a and b are not of the same texts.
    """
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b):
        raise ValueError(f"vectors of the same texts are needed, not {a.shape} and {b.shape}")
    if len(a) < LEAST_TEXTS:
        raise ModelError(f"{len(a)} distinct texts are too few to join two spaces: at least {LEAST_TEXTS} are needed")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ModelError("a text tower gives NaN or infinity for some texts: spaces cannot be joined with it")
    order, part = np.random.default_rng(seed).permutation(len(a)), len(a) // HELD_OUT
    split = _Split(order[2 * part :], order[part : 2 * part], order[:part])
    return Fit(_direction(a, b, split), _direction(b, a, split))


def _direction(a: FloatArray, b: FloatArray, split: _Split) -> Direction:
    method, strength = _chosen(a, b, split)
    rows = split.all_but_report
    matrix = next(matrix for *how, matrix in _candidates(a[rows], b[rows]) if how == [method, strength])
    made = Direction(a[rows].mean(axis=0), matrix, Quality(method, strength, len(split.report), 0))
    found = hits(made.carry(a[split.report]), b[split.report])
    quality = Quality(method, strength, len(split.report), found)
    if not quality.sufficient:
        raise BridgeRefused(
            f"these two spaces cannot be joined through text: {quality}. Are both text towers trained, and on the "
            "language of the texts? More texts, or texts nearer to what is searched, may help"
        )
    return Direction(made.mean, made.matrix, quality)


def _chosen(a: FloatArray, b: FloatArray, split: _Split) -> tuple[str, float]:
    """The best; of ridge maps the most regular that is within one standard error of the best.

    That is the rule of Breiman et al. (1984): media lie elsewhere than texts, where a weaker penalty knows nothing.
    """
    mean = a[split.train].mean(axis=0)
    scored = []
    for method, strength, matrix in _candidates(a[split.train], b[split.train]):
        way = Direction(mean, matrix, Quality(method, strength, len(split.choose), 0))
        scored.append((hits(way.carry(a[split.choose]), b[split.choose]), strength, method))
    best, strength, method = max(scored)
    share = best / len(split.choose)
    level = best - sqrt(share * (1 - share) * len(split.choose))
    if method == "ridge":
        strength = max(strength for found, strength, method in scored if method == "ridge" and found >= level)
    return method, strength


def _candidates(a: FloatArray, b: FloatArray) -> Iterator[tuple[str, float, FloatArray]]:
    """Method, strength and matrix `(d_a, d_b)` of maps of what is centred in a to what is centred in b."""
    left, right = _centred(a), _centred(b)
    cross = left.T @ right / len(left)
    u, _, v = np.linalg.svd(cross, full_matrices=False)
    yield "procrustes", 0.0, (u @ v).astype(np.float32)
    variances, axes = np.linalg.eigh(left.T @ left / len(left))
    mean = max(float(variances.mean()), np.finfo(np.float64).tiny)
    turned = axes.T @ cross
    for strength in STRENGTHS:
        yield "ridge", strength, (axes @ (turned / (variances + strength * mean)[:, None])).astype(np.float32)


def _centred(vectors: NDArray[Any]) -> _Float64:
    precise = vectors.astype(np.float64)
    centred: _Float64 = precise - precise.mean(axis=0)
    return centred
