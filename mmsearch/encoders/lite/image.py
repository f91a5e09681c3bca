"""Pictures: EfficientNet-Lite, pooled features before the classifier."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.encoders.base import Batch
from mmsearch.encoders.lite.parts import Part
from mmsearch.encoders.session import open_session
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

DIM = 1280


class ImageEncoder:
    """Features: ReLU6 activations averaged over the picture, `(1280,)` in [0, 6]."""

    batch_size = 16
    dims = {Modality.IMAGE: DIM}

    def __init__(self, part: Part) -> None:
        self._part = part
        self.name = part.name
        self.version = part.version

    def encode(self, batch: Batch, role: Role) -> FloatArray:
        """Features `(n, 1280)` float32 of pictures `(size, size, 3)` uint8 RGB."""
        features = np.empty((len(batch.contents), DIM), np.float32)
        for start in range(0, len(features), self.batch_size):  # a large batch costs memory and gains no speed
            images = np.stack([np.asarray(image) for image in batch.contents[start : start + self.batch_size]])
            features[start : start + len(images)] = self._session.run(None, {"images": images})[0]
        return features

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401  (onnxruntime is not typed)
        return open_session(self._part.file("image.onnx"))
