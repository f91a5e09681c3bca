"""Inputs that the tests of encoders share."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mmsearch.encoders import registry, weights
from mmsearch.errors import WeightsMissing
from mmsearch.types import Modality

SENTENCE = "a red fox runs over the old bridge while two trumpets play in the rain near a parked taxi"


def model(name):
    """The model, or a skip where its weights are neither cached nor to be had."""
    try:
        weights.pull(name)
    except WeightsMissing as error:
        pytest.skip(str(error))
    return registry.load(name)


def encoder(made, modality):
    return next(one for one in made.encoders if modality in one.dims)


def drawing(size, seed):
    """A picture with structure: a gradient and a few shapes."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 255, size)[:, None, None] * rng.random(3) + rng.random((1, size, 3)) * 40
    image = Image.fromarray(np.broadcast_to(ramp, (size, size, 3)).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, width, height = (rng.random(4) * size * 0.7).tolist()
        pen.ellipse((x, y, x + width + 4, y + height + 4), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return np.asarray(image)


def sound(rate, seconds, seed):
    """A chord that swells, and a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(rate * seconds)) / rate
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in rng.uniform(100, 3000, 3))
    return (0.2 * chord * np.sin(np.pi * time / seconds) + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


def contents(made, modality):
    """Nine inputs of one modality, of different lengths where lengths can differ."""
    if modality is Modality.IMAGE:
        return [drawing(made.inputs.image.size, seed) for seed in range(9)]
    if modality is Modality.AUDIO:
        lengths = [10, 0.1, 3.3, 10, 0.96, 10, 1.5, 7, 10]
        return [sound(made.inputs.audio.rate, length, seed) for seed, length in enumerate(lengths)]
    words = SENTENCE.split()
    return [" ".join(words[:count]) for count in (1, 2, 3, 5, 8, 12, 16, 18)] + [" ".join(words * 3)]
