"""Made vectors with the shape of real ones: clusters of unequal weight, low rank, and questions of another modality.

Embeddings of pictures lie in few of their dimensions, in clusters of which some are much larger than others, and off
the origin. Those of texts lie beside them: the modality gap is another mean, a slight turn, and a looser scatter. What
separates in-distribution from out-of-distribution search (RoarGraph, Chen et al., VLDB 2024) is that gap.
"""

from __future__ import annotations

import numpy as np

CENTRES, RANK, SPREAD = 4000, 64, 0.55
OFF_CENTRE = 1.2  # norm of the mean, beside about 2 of what is spread around it
WORLD = 7
BLOCK = 50_000  # rows compared at once


def image(n: int, seed: int, dim: int) -> np.ndarray:
    """Unit vectors `(n, dim)` float32 as of pictures."""
    world = np.random.default_rng(WORLD + 1)
    basis, mean = _basis(world, dim), _mean(world, dim)
    return _unit(_latent(n, seed) @ basis + mean + _noise(n, dim, seed, 0.02))


def text(n: int, seed: int, dim: int) -> np.ndarray:
    """Unit vectors `(n, dim)` float32 as of texts about such pictures: same clusters, beyond the modality gap."""
    basis = _basis(np.random.default_rng(WORLD + 1), dim)
    world = np.random.default_rng(WORLD + 2)
    turn = np.linalg.qr(np.eye(dim) + 0.02 * world.standard_normal((dim, dim)))[0].astype(np.float32)
    latent = _latent(n, seed) + 0.3 * _latent(n, seed + 5)
    return _unit((latent @ basis) @ turn + _mean(world, dim) + _noise(n, dim, seed, 0.03))


def nearest(questions: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Places `(q, k)` of the rows `(n, d)` with the largest inner products, largest first."""
    places, scores = np.empty((len(questions), 0), np.int64), np.empty((len(questions), 0), np.float32)
    for start in range(0, len(rows), BLOCK):
        found = questions @ rows[start : start + BLOCK].T
        some = np.argpartition(-found, min(k, found.shape[1]) - 1, axis=1)[:, :k]
        places = np.concatenate([places, some + start], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(found, some, axis=1)], axis=1)
    return np.take_along_axis(places, np.argsort(-scores, axis=1)[:, :k], axis=1)


def _latent(n: int, seed: int) -> np.ndarray:
    """Points `(n, RANK)` around centres whose weights have a heavy tail; later axes matter less."""
    world, random = np.random.default_rng(WORLD), np.random.default_rng(seed)
    scale = (np.arange(1, RANK + 1) ** -0.5).astype(np.float32)
    centres = world.standard_normal((CENTRES, RANK)).astype(np.float32) * scale
    weights = world.pareto(1.5, CENTRES) + 0.2
    drawn = centres[random.choice(CENTRES, n, p=weights / weights.sum())]
    return drawn + SPREAD * random.standard_normal((n, RANK), dtype=np.float32) * scale


def _basis(world: np.random.Generator, dim: int) -> np.ndarray:
    return np.linalg.qr(world.standard_normal((dim, RANK)))[0].T.astype(np.float32)


def _mean(world: np.random.Generator, dim: int) -> np.ndarray:
    mean = world.standard_normal(dim).astype(np.float32)
    return mean * np.float32(OFF_CENTRE / np.linalg.norm(mean))


def _noise(n: int, dim: int, seed: int, size: float) -> np.ndarray:
    return np.float32(size) * np.random.default_rng(seed + 1).standard_normal((n, dim), dtype=np.float32)


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
