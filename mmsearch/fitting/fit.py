"""A fit: two adapters, the space that they extend, and how much they count in it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import FitError
from mmsearch.fitting.adapter import Adapter, unit
from mmsearch.fitting.choose import Settings
from mmsearch.store.fits import fit_space, version_of
from mmsearch.types import Modality, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.encoders.base import Head, Model
    from mmsearch.types import FloatArray

FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What was learnt, and from which features.

    Attributes:
        space: name of the model's space that it extends.
        space_version: of that space.
        medium: image or audio.
        encoders: name and version of those whose features it takes, by modality.
        settings: how it was made.
        media: the adapter of the medium.
        texts: the adapter of text.
    """

    space: str
    space_version: str
    medium: Modality
    encoders: Mapping[str, tuple[str, str]]
    settings: Settings
    media: Adapter
    texts: Adapter

    @property
    def content(self) -> bytes:
        """Everything, as bytes; the same for the same fit."""
        arrays = (self.media.mean, self.media.matrix, self.texts.mean, self.texts.matrix)
        about = {
            "format": FORMAT, "space": self.space, "space_version": self.space_version, "medium": str(self.medium),
            "encoders": self.encoders, "settings": asdict(self.settings), "shapes": [array.shape for array in arrays],
        }  # fmt: skip
        line = json.dumps(about, sort_keys=True).encode() + b"\n"
        return line + b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays)

    @property
    def version(self) -> str:
        """Of the fitted space: changes with the content."""
        return version_of(self.content)

    @classmethod
    def parse(cls, content: bytes) -> Fit:
        """A fit from its content.

        Raises:
            FitError: it is not what `content` gives, or of a newer format.
        """
        try:
            line, _, rest = content.partition(b"\n")
            about = json.loads(line)
            if about["format"] > FORMAT:
                raise FitError(f"the fit has format {about['format']}, this mmsearch reads {FORMAT}; upgrade mmsearch")
            ends = np.cumsum([math.prod(shape) for shape in about["shapes"]])
            parts = np.split(np.frombuffer(rest, "<f4"), ends[:-1])
            media_mean, media_matrix, texts_mean, texts_matrix = (
                part.reshape(shape) for part, shape in zip(parts, about["shapes"], strict=True)
            )
            settings = Settings(**about["settings"])
            wanted = [(len(mean), settings.dim) for mean in (media_mean, texts_mean)]
            if [media_matrix.shape, texts_matrix.shape] != wanted or not np.isfinite(np.concatenate(parts)).all():
                raise ValueError("its numbers are no linear maps")
            made_by = about["encoders"].items()
            encoders = {str(Modality(modality)): (str(name), str(number)) for modality, (name, number) in made_by}
            return cls(
                about["space"], about["space_version"], Modality(about["medium"]), encoders, settings,
                Adapter(settings.power, media_mean, media_matrix), Adapter(1.0, texts_mean, texts_matrix),
            )  # fmt: skip
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, IndexError) as error:
            raise FitError(f"this is no fit of mmsearch, or it is damaged ({error})") from error


class FittedHead:
    """A fit bound to the head that it extends, see `encoders.base.Fitted`.

    A vector is the vector without the fit, then the fitted part, scaled so that the inner product of two is the mean of
    both scores, weighted by the fit's weight.
    """

    def __init__(self, base: Head, fit: Fit) -> None:
        self.base, self.fit = base.space, fit
        modalities = (Modality.TEXT, fit.medium)
        self.encoders = {modality: base.encoders[modality] for modality in modalities}
        dim = base.space.dim + fit.settings.dim
        self.space = Space(fit_space(base.space.name, fit.medium), fit.version, dim, frozenset(modalities))
        self._keeps_features = base.keeps_features

    def serves(self, asked: Modality, target: Modality) -> bool:
        """Whether the fit is for questions of one modality about another: it has learnt of no others."""
        return asked != target and {asked, target} == self.space.modalities

    def join(self, vectors: FloatArray, features: NDArray[Any] | None, modality: Modality) -> FloatArray:
        """Unit vectors `(n, dim)` float32 from vectors `(n, d)` without the fit and features `(n, f)` as stored.

        Without features, as of vectors that were imported, the fitted part is zero: such an item is found by what the
        model knows without the fit. Its vector is of unit norm like others, so that its score is the square root of
        the model's share times the cosine: somewhat more than for an item of which the fit knows nothing good.
        """
        if not self._keeps_features:
            features = vectors
        weight = self.fit.settings.weight
        joined = np.zeros((len(vectors), self.space.dim), np.float32)
        joined[:, : vectors.shape[1]] = np.sqrt(np.float32(1 - weight)) * vectors
        if features is not None:
            adapter = self.fit.texts if modality is Modality.TEXT else self.fit.media
            joined[:, vectors.shape[1] :] = np.sqrt(np.float32(weight)) * adapter.project(features)
        return unit(joined)


def head_of(model: Model, fit: Fit) -> FittedHead:
    """The fit bound to its head in a model.

    Raises:
        FitError: the model has no such space, or another version of it or of its encoders.
    """
    head = next((head for head in model.heads if head.space.name == fit.space), None)
    if head is None:
        raise FitError(f"the fit is for the space {fit.space}, which the model {model.name} has not")
    versions = {encoder.name: encoder.version for encoder in model.encoders}
    names = {modality: head.encoders.get(Modality(modality), "") for modality in fit.encoders}
    found = {modality: (name, versions.get(name)) for modality, name in names.items()}
    if head.space.version != fit.space_version or found != dict(fit.encoders):
        raise FitError(
            f"the fit was made with another version of {fit.space}, whose features differ; fit again with the pairs"
        )
    return FittedHead(head, fit)
