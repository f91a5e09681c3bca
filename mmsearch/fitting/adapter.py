"""A linear map from features into the space that two modalities are fitted to share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """Maps features `(n, f)` of one modality to unit vectors `(n, d)`.

    Attributes:
        power: that features are raised to, sign kept: a half takes from the few large activations of a classifier what
            they have too much (Perronnin, Sánchez, Mensink, "Improving the Fisher kernel", ECCV 2010).
        mean: `(f,)` float32, of the prepared features.
        matrix: `(f, d)` float32.
    """

    power: float
    mean: FloatArray
    matrix: FloatArray

    def project(self, features: NDArray[Any]) -> FloatArray:
        """Unit vectors `(n, d)` float32; what is exactly average becomes zero."""
        return unit((prepared(features, self.power) - self.mean) @ self.matrix)


def prepared(features: NDArray[Any], power: float) -> FloatArray:
    """Features `(n, f)` raised to `power` with their signs, each row then scaled to length 1."""
    rows = np.asarray(features, np.float32)
    return unit(rows if power == 1 else np.sign(rows) * np.abs(rows) ** np.float32(power))


def unit(rows: NDArray[Any]) -> FloatArray:
    """Rows scaled to length 1, float32; a row of zeros stays one."""
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    scaled: FloatArray = (rows / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)
    return scaled
