"""How fast a model encodes on this machine: a few seconds of work on noise."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.encoders.base import Batch
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.encoders.base import Encoder, Model

SECONDS = 2.0
_CAPTION = "two dogs run along a beach while a man in a red coat throws a stick into the water"


def measure(model: Model) -> dict[Modality, float]:
    """Segments a second (pictures, captions of 17 words, windows of sound) by modality, of encoders alone.

    Where several encoders take a modality, a segment goes through all of them.

    Raises:
        ModelError: the weights cannot be loaded.
    """
    return {modality: _rate(model, modality) for modality in Modality if modality in model.inputs.modalities}


def _rate(model: Model, modality: Modality) -> float:
    seconds = [
        _seconds(encoder, modality, _content(model, modality)) for encoder in model.encoders if modality in encoder.dims
    ]
    return 1 / sum(seconds)


def _seconds(encoder: Encoder, modality: Modality, content: NDArray[Any] | str) -> float:
    """For one segment."""
    batch = Batch(modality, [content] * encoder.batch_size)
    encoder.encode(batch, Role.DOCUMENT)  # loads the weights
    start, times = time.perf_counter(), 0
    while times == 0 or time.perf_counter() - start < SECONDS:
        encoder.encode(batch, Role.DOCUMENT)
        times += 1
    return (time.perf_counter() - start) / (times * len(batch.contents))


def _content(model: Model, modality: Modality) -> NDArray[Any] | str:
    random = np.random.default_rng(0)
    inputs = model.inputs
    if modality is Modality.IMAGE and inputs.image is not None:
        return random.integers(0, 256, (inputs.image.size, inputs.image.size, 3), np.uint8)
    if modality is Modality.AUDIO and inputs.audio is not None:
        length = round(inputs.audio.rate * inputs.audio.window)
        return random.uniform(-0.5, 0.5, length).astype(np.float32)
    return _CAPTION
