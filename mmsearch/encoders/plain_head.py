"""The head of models whose features are their vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.types import Modality, Space

if TYPE_CHECKING:
    from mmsearch.encoders.base import Encoder
    from mmsearch.types import FloatArray


class PlainHead:
    """A space for one encoder, which gives unit vectors already; nothing is stored beside them.

    Args:
        space: its name; the version is the encoder's.
        encoder: whose features have the same dimension for all modalities.
    """

    keeps_features = False

    def __init__(self, space: str, encoder: Encoder) -> None:
        (dim,) = set(encoder.dims.values())
        self.space = Space(space, encoder.version, dim, frozenset(encoder.dims))
        self.encoders: Mapping[Modality, str] = {modality: encoder.name for modality in encoder.dims}

    def project(self, features: FloatArray, modality: Modality) -> FloatArray:
        """The features themselves, `(n, d)` float32."""
        return np.asarray(features, np.float32)
