"""From features of text, pictures and sounds into the one space of `lite`, without any training pair.

ConSE (Norouzi et al., "Zero-shot learning by convex combination of semantic embeddings", ICLR 2014): a picture lies
at the probability-weighted mean of the prototypes of its likeliest classes. To that is added where a linear map
takes the features themselves: the ridge map that takes the classifier's weight rows to the prototypes, which hears
of what no class wins. Every modality is centred on its own constant mean, for raw means differ (the modality gap:
Liang et al., NeurIPS 2022).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.lite import prototypes
from mmsearch.encoders.lite.parts import Part
from mmsearch.encoders.lite.prototypes import softmax, unit
from mmsearch.encoders.lite.text import DIM
from mmsearch.encoders.lite.yamnet import CLASSES
from mmsearch.types import Modality, Space

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

RECIPE = 1  # raised whenever `project` gives other vectors for the same features and prototypes
TEMPERATURE = 2.0  # of the picture's class posterior; captions want it softer than the classifier's own
IMAGE_CLASSES = 50
AUDIO_CLASSES = 30
GENERIC_WEIGHT = 0.3


class ConsensusHead:
    """The head of `lite` and `lite2`."""

    keeps_features = True

    def __init__(self, name: str, text: Part, image: Part, audio: Part) -> None:
        self._image, self._audio = image, audio
        self.encoders = {Modality.TEXT: text.name, Modality.IMAGE: image.name, Modality.AUDIO: audio.name}
        self._prototypes = prototypes.load()
        versions = "_".join([text.version, image.version, audio.version])
        self.space = Space(name, f"{RECIPE}-{self._prototypes.version}-{versions}", DIM, frozenset(self.encoders))

    def project(self, features: FloatArray, modality: Modality) -> FloatArray:
        """Unit vectors `(n, 384)` float32."""
        features = np.asarray(features, np.float32)
        if modality is Modality.TEXT:
            return unit(features - (self._image_mean + self._audio_mean) / 2)
        if modality is Modality.IMAGE:
            return self._pictures(features)
        return self._sounds(features)

    def posterior(self, features: FloatArray, modality: Modality, temperature: float = 1.0) -> FloatArray:
        """Class probabilities `(n, classes)`: of a picture they sum to 1, of a sound each stands for itself."""
        features = np.asarray(features, np.float32)
        if modality is Modality.IMAGE:
            classifier = self._classifier
            return softmax(features @ classifier["weight"].T + classifier["bias"], temperature)
        return features[:, :CLASSES] * np.where(self._prototypes.generic, np.float32(GENERIC_WEIGHT), np.float32(1))

    def _pictures(self, features: FloatArray) -> FloatArray:
        shares = strongest(self.posterior(features, Modality.IMAGE, TEMPERATURE), IMAGE_CLASSES)
        consensus = unit(shares @ self._prototypes.image - self._image_mean)
        return unit(consensus + unit((features - self._classifier["mean"]) @ self._map))

    def _sounds(self, features: FloatArray) -> FloatArray:
        shares = strongest(self.posterior(features, Modality.AUDIO), AUDIO_CLASSES)
        return unit(shares @ self._prototypes.audio - self._audio_mean)

    @cached_property
    def _image_mean(self) -> FloatArray:
        mean: FloatArray = self._prototypes.image.mean(axis=0)
        return mean

    @cached_property
    def _audio_mean(self) -> FloatArray:
        mean: FloatArray = self._prototypes.audio.mean(axis=0)
        return mean

    @cached_property
    def _classifier(self) -> dict[str, NDArray[Any]]:
        with np.load(self._image.file("head.npz")) as arrays:
            return dict(arrays)

    @cached_property
    def _map(self) -> FloatArray:
        """`(1280, 384)`, solved in the smaller, dual form."""
        return ridge(self._classifier["weight"], self._prototypes.image)


def ridge(rows: NDArray[Any], targets: FloatArray) -> FloatArray:
    """The matrix that takes centred `rows` to centred `targets`, by ridge regression in its dual form.

    The penalty is the mean of the Gram matrix's diagonal.
    """
    rows = rows - rows.mean(axis=0)
    gram = rows @ rows.T
    gram[np.diag_indices_from(gram)] += np.trace(gram) / len(gram)
    return (rows.T @ np.linalg.solve(gram, targets - targets.mean(axis=0))).astype(np.float32)


def strongest(probabilities: FloatArray, count: int) -> FloatArray:
    """Keep the `count` largest of every row, scaled to sum to 1."""
    kept = np.argpartition(probabilities, -count, axis=1)[:, -count:]
    shares = np.zeros_like(probabilities)
    np.put_along_axis(shares, kept, np.take_along_axis(probabilities, kept, axis=1), axis=1)
    scaled: FloatArray = shares / np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return scaled
