"""From features of text, pictures and sounds into the one space of `lite`, without any training pair.

ConSE (Norouzi et al., "Zero-shot learning by convex combination of semantic embeddings", ICLR 2014): a picture lies
at the probability-weighted mean of the prototypes of its likeliest classes. To that is added where a linear map
takes the features themselves: the ridge map that takes the classifier's weight rows to the prototypes, which hears
of what no class wins. Every modality is centred on its own constant mean, for raw means differ (the modality gap:
Liang et al., NeurIPS 2022).
"""

from __future__ import annotations

import hashlib
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
CLASSES_KEPT = 30
MAP_SHARE = 0.4
GENERIC_WEIGHT = 0.3


class ConsensusHead:
    """The head of `lite` and `lite2`."""

    keeps_features = True

    def __init__(self, name: str, text: Part, image: Part, audio: Part) -> None:
        self._image, self._audio = image, audio
        self.encoders = {Modality.TEXT: text.name, Modality.IMAGE: image.name, Modality.AUDIO: audio.name}
        self._prototypes = prototypes.load()
        made_of = "_".join([self._prototypes.version, text.version, image.version, audio.version])
        version = f"{RECIPE}-{hashlib.sha256(made_of.encode()).hexdigest()[:8]}"
        self.space = Space(name, version, DIM, frozenset(self.encoders))

    def project(self, features: FloatArray, modality: Modality) -> FloatArray:
        """Unit vectors `(n, 384)` float32."""
        features = np.asarray(features, np.float32)
        if modality is Modality.TEXT:
            return unit(features - (self._image_mean + self._audio_mean) / 2)
        if modality is Modality.IMAGE:
            return self._pictures(features)
        return self._sounds(features)

    def classes(self, features: FloatArray, modality: Modality) -> FloatArray:
        """Which classes a medium shows `(n, classes)`, none negative.

        Of a picture some 30 shares that sum to 1; of a sound all probabilities, generic classes held down.
        """
        features = np.asarray(features, np.float32)
        if modality is Modality.IMAGE:
            classifier = self._classifier
            return strongest(softmax(features @ classifier["weight"].T + classifier["bias"], TEMPERATURE))
        weights = np.where(self._prototypes.generic, np.float32(GENERIC_WEIGHT), np.float32(1))
        weighted: FloatArray = features[:, :CLASSES] * weights
        return weighted

    def _pictures(self, features: FloatArray) -> FloatArray:
        consensus = unit(self.classes(features, Modality.IMAGE) @ self._prototypes.image - self._image_mean)
        mapped = unit((features - self._classifier["mean"]) @ self._map)
        return unit((1 - MAP_SHARE) * consensus + MAP_SHARE * mapped)

    def _sounds(self, features: FloatArray) -> FloatArray:
        return unit(strongest(self.classes(features, Modality.AUDIO)) @ self._prototypes.audio - self._audio_mean)

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


def strongest(probabilities: FloatArray) -> FloatArray:
    """Of every row what its largest values have above the next one, scaled to sum to 1.

    Taking the level of the first class left out from all makes the cut continuous (a feature rounded to float16 gives
    the same vector), and takes away what all classes get alike: that measured 1 to 3 points better than a plain cut.
    """
    level = np.partition(probabilities, -CLASSES_KEPT - 1, axis=1)[:, -CLASSES_KEPT - 1, None]
    above = np.maximum(probabilities - level, 0)
    shares: FloatArray = above / np.maximum(above.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return shares
