"""The contrastive refinement: two linear adapters, moved by the symmetric InfoNCE loss from where the closed form ends.

The loss is that of CLIP (Radford et al., ICML 2021; van den Oord, Li, Vinyals, 2018): in a batch each text shall find
its medium among all, and each medium its text. The scores are those that searches will use, the share of the model
without the fit included: so that the adapters learn what it does not know. Adam with decoupled weight decay
(Loshchilov and Hutter, ICLR 2019). The maps are linear, so that the gradient is a few products and the base install
needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.fitting.adapter import Adapter, prepared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mmsearch.fitting.paired import Paired, Side
    from mmsearch.types import FloatArray

EPOCHS = 40
STEPS = 2_000  # at most, however many pairs there are
BATCH = 512
SCALE = 20.0  # of the scores in the softmax, the inverse of CLIP's temperature
RATE = 1e-3
DECAY = 0.1
DROPOUT = 0.5  # of the features: a few hundred pairs are learnt by heart otherwise
WEIGHT = 0.5  # of the fit in the scores that are learnt with


def most_epochs(media: int) -> int:
    """How many epochs are worth trying with so many media."""
    return max(1, min(EPOCHS, STEPS * BATCH // media))


def refine(
    start: tuple[Adapter, Adapter], pairs: Paired, *, epochs: int, seed: int = 0
) -> Iterator[tuple[Adapter, Adapter]]:
    """The adapters of media and texts after each epoch."""
    random = np.random.default_rng(seed)
    media, texts = _Tower.of(start[0], pairs.media), _Tower.of(start[1], pairs.texts)
    told, order = _texts_by_medium(pairs)
    known = np.sort(pairs.edges[:, 0] * len(pairs.media) + pairs.edges[:, 1])
    for _ in range(epochs):
        for some in _batches(random.permutation(len(pairs.media))):
            first, count = told[some], told[some + 1] - told[some]
            said = order[first + (random.random(len(some)) * count).astype(np.int64)]
            right = _contains(known, said[:, None] * len(pairs.media) + some)
            _step(media, texts, some, said, right, random)
        yield media.adapter, texts.adapter


@dataclass(slots=True, eq=False)
class _Tower:
    """One side while it learns: its features, centred and of mean length 1, and its map with Adam's moments."""

    adapter: Adapter
    features: FloatArray
    vectors: FloatArray
    scale: np.float32
    step: int = 0
    moments: tuple[FloatArray | float, FloatArray | float] = (0.0, 0.0)

    @classmethod
    def of(cls, adapter: Adapter, side: Side) -> _Tower:
        features = prepared(side.features, adapter.power) - adapter.mean
        spread = np.sqrt(np.mean(np.square(features).sum(axis=1), dtype=np.float64) + 1e-12)
        length = np.linalg.norm(features @ adapter.matrix, axis=1).mean() + 1e-12
        started = replace(adapter, matrix=(adapter.matrix / length).astype(np.float32))  # outputs of mean length 1
        return cls(started, (features / spread).astype(np.float32), side.vectors, np.float32(spread))

    def forward(
        self, rows: NDArray[np.int64], random: np.random.Generator
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Inputs after dropout, unit outputs, and the lengths that they had."""
        inputs = self.features[rows]
        inputs = inputs * (random.random(inputs.shape, np.float32) >= DROPOUT) / np.float32(1 - DROPOUT)
        outputs = inputs @ (self.adapter.matrix * self.scale)
        lengths = np.maximum(np.linalg.norm(outputs, axis=1, keepdims=True), 1e-6)
        return inputs, outputs / lengths, lengths

    def backward(self, inputs: FloatArray, outputs: FloatArray, lengths: FloatArray, gradient: FloatArray) -> None:
        """One step of Adam along the gradient `(b, d)` of the loss by the unit outputs."""
        through = (gradient - outputs * (outputs * gradient).sum(axis=1, keepdims=True)) / lengths
        slope = inputs.T @ through
        self.step += 1
        first, second = self.moments
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * np.square(slope)
        self.moments = first, second
        update = (first / (1 - 0.9**self.step)) / (np.sqrt(second / (1 - 0.999**self.step)) + 1e-8)
        weights = self.adapter.matrix * self.scale
        weights = weights - np.float32(RATE) * (update + np.float32(DECAY) * weights)
        self.adapter = replace(self.adapter, matrix=(weights / self.scale).astype(np.float32))


def _step(
    media: _Tower,
    texts: _Tower,
    some: NDArray[np.int64],
    said: NDArray[np.int64],
    right: NDArray[np.bool_],
    random: np.random.Generator,
) -> None:
    x, y = media.forward(some, random), texts.forward(said, random)
    plain = texts.vectors[said] @ media.vectors[some].T
    scores = np.float32(1 - WEIGHT) * plain + np.float32(WEIGHT) * (y[1] @ x[1].T)
    slope = (slopes(np.float32(SCALE) * scores, right) * np.float32(SCALE * WEIGHT)).astype(np.float32)
    texts.backward(*y, slope @ x[1])
    media.backward(*x, slope.T @ y[1])


def slopes(logits: FloatArray, right: NDArray[np.bool_]) -> FloatArray:
    """The gradient `(b, b)` of the symmetric InfoNCE loss by its logits.

    Where several answers are right, as with labels, each has an equal share of the target.
    """
    wanted = right.astype(np.float32)
    rows = _softmax(logits) - wanted / wanted.sum(axis=1, keepdims=True)
    columns = _softmax(logits.T).T - wanted / wanted.sum(axis=0, keepdims=True)
    found: FloatArray = (rows + columns) / np.float32(2 * len(logits))
    return found


def _softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return found


def _texts_by_medium(pairs: Paired) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the texts of each medium begin `(n + 1,)`, and the texts in that order `(e,)`."""
    by_medium = np.argsort(pairs.edges[:, 1], kind="stable")
    counts = np.bincount(pairs.edges[:, 1], minlength=len(pairs.media))
    return np.concatenate([[0], np.cumsum(counts)]), pairs.edges[by_medium, 0]


def _batches(order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Of nearly the same size, none larger than `BATCH`."""
    return np.array_split(order, max(1, -(-len(order) // BATCH)))


def _contains(known: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    found: NDArray[np.bool_] = known[places] == keys
    return found
