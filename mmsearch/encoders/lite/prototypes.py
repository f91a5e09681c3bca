"""The class prototypes: where each class of a classifier lies in the space of texts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

FILE = Path(__file__).with_name("prototypes.npz")


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Made by `build_prototypes.py`.

    Attributes:
        image: `(1000, 384)` float32, of the ImageNet classes.
        audio: `(521, 384)` float32, of the AudioSet classes.
        generic: `(521,)` bool, AudioSet classes that say little ("Animal", "Inside, small room").
        version: changes with the file.
    """

    image: FloatArray
    audio: FloatArray
    generic: NDArray[np.bool_]
    version: str


@cache
def load() -> Prototypes:
    """The prototypes that this version of mmsearch comes with."""
    content = FILE.read_bytes()
    with np.load(FILE) as arrays:
        image, audio = (arrays[name].astype(np.float32) for name in ("image", "audio"))
        return Prototypes(image, audio, arrays["generic"], hashlib.sha256(content).hexdigest()[:8])


def unit(vectors: NDArray[Any]) -> FloatArray:
    """Rows scaled to length 1; a row of zeros stays one."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: FloatArray = (vectors / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)
    return scaled


def softmax(scores: NDArray[Any], temperature: float) -> FloatArray:
    """Rows that sum to 1."""
    powers = np.exp((scores - scores.max(axis=-1, keepdims=True)) / np.float32(temperature))
    shares: FloatArray = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return shares
