"""Two spaces whose relation is known."""

import numpy as np


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def related(count=1000, dims=(24, 16), noise=0.02, seed=0, shift=0.3):
    """Vectors of the same `count` things in two spaces: 12 hidden numbers seen through two matrices, off centre."""
    random = np.random.default_rng(seed)
    hidden = random.standard_normal((count, 12))
    return tuple(
        unit(
            hidden @ random.standard_normal((12, dim)) / 12**0.5
            + shift * random.standard_normal(dim)
            + noise * random.standard_normal((count, dim))
        )
        for dim in dims
    )


def unrelated(count=1000, dims=(24, 16), seed=0):
    random = np.random.default_rng(seed)
    return tuple(unit(random.standard_normal((count, dim))) for dim in dims)
