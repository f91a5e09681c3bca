"""Sounds: YAMNet over patches of .96 s, pooled over the window."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.encoders.base import Batch
from mmsearch.encoders.lite import logmel
from mmsearch.encoders.lite.parts import Part
from mmsearch.encoders.lite.yamnet import CLASSES, EMBEDDING
from mmsearch.encoders.session import open_session
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

SILENCE = 494  # the class of that name


class AudioEncoder:
    """Features `(1545,)`: 521 class probabilities, then 1,024 activations before the classifier.

    Both are means over the window's patches, weighted by how far each is from silence: a dog that barks for one
    second in ten is a dog. In a window that is silent throughout, all patches count alike.
    """

    batch_size = 8
    dims = {Modality.AUDIO: CLASSES + EMBEDDING}

    def __init__(self, part: Part) -> None:
        self._part = part
        self.name = part.name
        self.version = part.version

    def encode(self, batch: Batch, role: Role) -> FloatArray:
        """Features `(n, 1545)` float32 of windows `(m,)` float32 mono at 16 kHz, of any length."""
        return np.array([self._window(np.asarray(window)) for window in batch.contents], np.float32).reshape(
            len(batch.contents), CLASSES + EMBEDDING
        )

    def _window(self, samples: FloatArray) -> FloatArray:
        """One window is a batch of patches already: up to 20. More at once are no faster."""
        logits, embedding = self._session.run(["logits", "embedding"], {"audio": logmel.patches(samples)})
        probabilities = 0.5 * (1 + np.tanh(0.5 * logits))  # the sigmoid, without overflow: logits reach -400
        heard = 1 - probabilities[:, SILENCE] + 1e-3
        weights = heard / heard.sum()
        return np.concatenate([weights @ probabilities, weights @ embedding])

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401  (onnxruntime is not typed)
        return open_session(self._part.file("audio.onnx"))
