"""From vectors and features of media to probabilities of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.classification.labels import TEMPLATES, check_templates
from mmsearch.classification.result import Guess
from mmsearch.embedding import encode, feature_group, vector_group
from mmsearch.errors import QueryError
from mmsearch.search.rerank.tags import factor
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from mmsearch.classification.labels import Label
    from mmsearch.encoders.base import Head, Model
    from mmsearch.store.shard import Group
    from mmsearch.types import FloatArray

ORDER = (Modality.IMAGE, Modality.AUDIO, Modality.TEXT)
"""Of an item with several media, the first of these is looked at: a text beside a picture often says something else."""


@dataclass(frozen=True, slots=True)
class Sense:
    """How media of one modality are compared with the labels.

    Attributes:
        group: of the vectors.
        features: of the features, if class tags help; else None.
        vectors: of the labels `(l, d)`, unit norm.
        tags: of the labels `(l, classes)`, unit norm.
        bonus: what a tag score is multiplied with before it is added to the cosine.
        scale: see `Model.scales`.
    """

    group: Group
    features: Group | None
    vectors: FloatArray
    tags: FloatArray
    bonus: float
    scale: float


class Classifier:
    """Knows the labels, and compares with them.

    It compares in the model's own space, whose temperature is known; what the user's pairs have taught is not used.

    Args:
        model: that media are encoded with.
        labels: at least two.
        templates: of all media, such as `a photo of a {}`; none for `labels.TEMPLATES`.

    Raises:
        QueryError: a template has no place for the label, or the model can classify nothing.
    """

    def __init__(self, model: Model, labels: Sequence[Label], templates: str | Sequence[str] = ()) -> None:
        self.model, self.labels = model, tuple(labels)
        self._names = [label.name for label in labels]
        own = check_templates(templates)
        self.senses: Mapping[Modality, Sense] = {
            modality: self._sense(head, modality, own or TEMPLATES[modality])
            for modality, head in _heads(model).items()
        }
        if not self.senses:
            raise QueryError(f"the model {model.name} cannot classify: it has no space for texts and a medium")

    def probabilities(self, modality: Modality, vectors: FloatArray, features: FloatArray | None = None) -> FloatArray:
        """Of the labels `(n, l)`, rows sum to 1, for segments of one modality.

        Args:
            modality: one of `senses`.
            vectors: `(n, d)` of its group, unit norm.
            features: `(n, f)` of its features, if it has such a group; a row with NaN has none.
        """
        sense = self.senses[modality]
        scores = vectors @ sense.vectors.T
        tagger = self.model.tagger
        if tagger is not None and sense.features is not None and features is not None:
            known = np.isfinite(features).all(axis=1)
            if known.any():
                scores[known] += sense.bonus * (tagger.tags(features[known], modality, modality) @ sense.tags.T)
        return _softmax(sense.scale * scores)

    def guesses(self, probabilities: FloatArray) -> tuple[Guess, ...]:
        """The labels with their probabilities `(l,)`, the most probable first."""
        order = np.argsort(-probabilities, kind="stable").tolist()
        return tuple(Guess(self._names[place], float(probabilities[place])) for place in order)

    def _sense(self, head: Head, modality: Modality, templates: Sequence[str]) -> Sense:
        prompts = [label.prompts(templates) for label in self.labels]
        encoders = {encoder.name: encoder for encoder in self.model.encoders}
        reader = encoders[head.encoders[Modality.TEXT]]
        rows = self._read([prompt for some in prompts for prompt in some], reader.name)
        edges = np.cumsum([0] + [len(some) for some in prompts[:-1]])
        counts = np.array([[len(some)] for some in prompts], np.float32)
        means: dict[Group, FloatArray] = {
            group: np.divide(np.add.reduceat(found, edges), counts, dtype=np.float32) for group, found in rows.items()
        }
        group = vector_group(head.space, modality)
        vectors = _unit(means[vector_group(head.space, Modality.TEXT)])
        tagger, scale = self.model.tagger, self.model.scales[head.space.name, modality]
        weights = None if tagger is None else tagger.weights(Modality.TEXT, modality)
        said = means.get(feature_group(reader, Modality.TEXT))
        if tagger is None or weights is None or said is None:
            return Sense(group, None, vectors, np.empty((len(prompts), 0), np.float32), 0.0, scale)
        features = feature_group(encoders[head.encoders[modality]], modality)
        tags = tagger.tags(said, Modality.TEXT, modality)
        return Sense(group, features, vectors, tags, float(factor(weights)), scale)

    def _read(self, prompts: Sequence[str], encoder: str) -> dict[Group, FloatArray]:
        """Rows `(n, dim)` float32 of all prompts, by group."""
        size = next(one.batch_size for one in self.model.encoders if one.name == encoder)
        parts: dict[Group, list[FloatArray]] = {}
        for start in range(0, len(prompts), size):
            for group, rows in encode(self.model, Modality.TEXT, prompts[start : start + size], Role.QUERY, {encoder}):
                parts.setdefault(group, []).append(rows.astype(np.float32))
        return {group: np.concatenate(rows) for group, rows in parts.items()}


def _heads(model: Model) -> dict[Modality, Head]:
    """The space in which a modality is compared with texts, of those whose temperature is known."""
    found: dict[Modality, Head] = {}
    for modality in ORDER:
        for head in model.heads:
            known = (head.space.name, modality) in model.scales
            if known and {modality, Modality.TEXT} <= head.space.modalities:
                found.setdefault(modality, head)
    return found


def _unit(rows: FloatArray) -> FloatArray:
    scaled: FloatArray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return scaled


def _softmax(scores: FloatArray) -> FloatArray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return shares
