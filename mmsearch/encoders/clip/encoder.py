"""The encoder: pictures and texts to unit vectors of one space. Imports neither torch nor open_clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import Batch
from mmsearch.encoders.clip.tokens import Tokenizer
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from mmsearch.encoders.towers import Tower
    from mmsearch.types import FloatArray


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a model.

    Attributes:
        dim: of its vectors.
        rows: texts that are padded to a like length, and pictures that are stacked, at once.
    """

    dim: int
    rows: int


class ClipEncoder:
    """Features: unit vectors `(dim,)`.

    Args:
        name: of its feature shards.
        version: of weights and preprocessing.
        shape: see `Shape`.
        image: takes `pictures` `(n, size, size, 3)` uint8 to vectors.
        text: takes `ids` `(n, l)` int64 to vectors.
        tokenizer: of the text tower.
    """

    def __init__(self, name: str, version: str, shape: Shape, image: Tower, text: Tower, tokenizer: Tokenizer) -> None:
        self.name = name
        self.version = version
        self.batch_size = shape.rows
        self.dims: Mapping[Modality, int] = {Modality.IMAGE: shape.dim, Modality.TEXT: shape.dim}
        self._dim = shape.dim
        self._image, self._text, self._tokenizer = image, text, tokenizer

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has, marks included. May be called from any thread."""
        return self._tokenizer.count(text)

    def encode(self, batch: Batch, role: Role) -> FloatArray:
        """Unit vectors `(n, dim)` float32. Of texts, what is beyond the context length is left out."""
        encode = self._texts if batch.modality is Modality.TEXT else self._pictures
        return encode(batch.contents, role)

    def _pictures(self, contents: Sequence[NDArray[Any] | str], role: Role) -> FloatArray:
        vectors = np.empty((len(contents), self._dim), np.float32)
        for start in range(0, len(contents), self.batch_size):
            pictures = np.stack([np.asarray(one) for one in contents[start : start + self.batch_size]])
            vectors[start : start + len(pictures)] = self._image.run({"pictures": pictures}, role)
        return vectors

    def _texts(self, contents: Sequence[NDArray[Any] | str], role: Role) -> FloatArray:
        vectors = np.empty((len(contents), self._dim), np.float32)
        texts = [str(one) for one in contents]
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of like length need little padding
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            vectors[rows] = self._text.run({"ids": self._tokenizer.ids([texts[i] for i in rows])}, role)
        return vectors
