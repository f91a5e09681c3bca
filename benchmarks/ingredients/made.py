"""A model of 512 dimensions for benchmarks of size: vectors are made, and texts are numbers of made ones."""

from __future__ import annotations

from functools import cache
from zlib import crc32

import numpy as np

from ingredients import vectors
from mmsearch.encoders import registry
from mmsearch.encoders.base import Batch, Model
from mmsearch.encoders.fake import FakeFamily, count_tokens
from mmsearch.encoders.family import Card
from mmsearch.types import ImageSpec, InputSpec, Modality, Role, Space, TextSpec

DIM = 512
TEXTS = 400
NAME = "made"
MODALITIES = (Modality.IMAGE, Modality.TEXT)


def texts() -> list[str]:
    """Texts to tune with: what the encoder makes of them lies as texts lie beside pictures."""
    return [f"question {number}" for number in range(TEXTS)]


def register() -> str:
    """Make the model known under the name that is returned."""
    registry.FAMILIES[NAME] = "ingredients.made:MADE"
    return NAME


@cache
def _texts() -> np.ndarray:
    return vectors.text(TEXTS, 9301, DIM)


class MadeEncoder:
    """Looks texts up by their number, others (those that confidence is measured with) get one of the same vectors.

    Pictures have vectors already.
    """

    name = NAME
    version = "1"
    batch_size = 64
    dims = dict.fromkeys(MODALITIES, DIM)

    def encode(self, batch: Batch, role: Role) -> np.ndarray:
        """Vectors `(n, 512)` float32."""
        numbers = {text: number for number, text in enumerate(texts())}
        return _texts()[[numbers.get(str(one), crc32(str(one).encode()) % TEXTS) for one in batch.contents]]


class MadeHead:
    """Takes them as they are."""

    space = Space(NAME, "1", DIM, frozenset(MODALITIES))
    encoders = dict.fromkeys(MODALITIES, NAME)
    keeps_features = False

    def project(self, features: np.ndarray, modality: Modality) -> np.ndarray:
        """Unit vectors `(n, 512)` float32."""
        return features


def made() -> Model:
    """The model; making it costs nothing."""
    inputs = InputSpec(ImageSpec(size=32, resize=32), None, TextSpec(64, count_tokens))
    return Model(name=NAME, inputs=inputs, encoders=(MadeEncoder(),), heads=(MadeHead(),))


MADE = FakeFamily(NAME, Card("no weights: made vectors, for benchmarks", DIM, MODALITIES, 0, 0, 0.0), made)


def block(number: int, rows: int) -> np.ndarray:
    """The stored pictures of a block of a size, unit vectors `(rows, 512)`."""
    return vectors.image(rows, 1000 + 10 * number, DIM)
