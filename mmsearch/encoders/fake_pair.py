"""A model without weights that has two spaces, for tests of what joins them: eyes for pictures, ears for sounds.

Both understand text, each in its own way: the vectors of `fake` are turned by a fixed matrix of its own. So a colour
is near its picture among eyes, a pitch near its sound among ears, and a map between the two can be learnt from texts.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.encoders.base import Batch, Model
from mmsearch.encoders.fake import DIM, RATE, FakeEncoder, FakeFamily, FakeHead, count_tokens
from mmsearch.encoders.family import Card
from mmsearch.encoders.plain_head import PlainHead
from mmsearch.types import AudioSpec, ImageSpec, InputSpec, Modality, Role, TextSpec

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

EYES, EARS = 128, 64


class PairEncoder:
    """Features: the vectors of `fake`, times a matrix; unit norm."""

    version = "1"
    batch_size = 16

    def __init__(self, name: str, medium: Modality, dim: int, seed: int, spread: float) -> None:
        self.name = name
        self.dims = {medium: dim, Modality.TEXT: dim}
        self._shape, self._seed, self._spread = (DIM, dim), seed, spread

    def encode(self, batch: Batch, role: Role) -> FloatArray:
        """Unit vectors `(n, dims[batch.modality])` float32."""
        vectors = FakeHead().project(FakeEncoder().encode(batch, role), batch.modality) @ self._matrix
        scaled: FloatArray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        return scaled

    @cached_property
    def _matrix(self) -> FloatArray:
        """`(64, dim)`: axes at right angles, their lengths apart by up to `spread` (0: only turned)."""
        random = np.random.default_rng(self._seed)
        turned = np.linalg.qr(random.standard_normal(self._shape[::-1]))[0].T
        matrix: FloatArray = (np.exp(self._spread * random.uniform(-1, 1, (DIM, 1))) * turned).astype(np.float32)
        return matrix


def fake_pair() -> Model:
    """The model; making it costs nothing. Its spaces are `eyes` (128-d) and `ears` (64-d)."""
    eyes = PairEncoder("fake-eyes", Modality.IMAGE, EYES, seed=1, spread=0.0)
    ears = PairEncoder("fake-ears", Modality.AUDIO, EARS, seed=2, spread=0.4)
    return Model(
        name="fake-pair",
        inputs=InputSpec(ImageSpec(size=32, resize=32), AudioSpec(rate=RATE), TextSpec(64, count_tokens)),
        encoders=(eyes, ears),
        heads=(PlainHead("eyes", eyes), PlainHead("ears", ears)),
    )


PAIR = FakeFamily("fake-pair", Card("like fake, in two spaces", EYES, tuple(Modality), 0, 0, 0.0), fake_pair)
