"""Small real media that the fake model understands, made at test time."""

import numpy as np
from PIL import Image

from mmsearch.encoders.fake import COLOURS, PITCHES

RATE = 8000


def picture(colour, size=(64, 48)):
    return Image.new("RGB", size, COLOURS[colour])


def tone(pitch, seconds=2.0):
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * PITCHES[pitch] * time)).astype(np.float32)
