"""Which rows a segment gets: the encoders' features, where they are kept, and a vector in each space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.encoders.base import Batch
from mmsearch.store.shard import Group

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Encoder, Model
    from mmsearch.types import FloatArray, Modality, Role, Space


def vector_group(space: Space, modality: Modality) -> Group:
    """The group of a space's vectors."""
    return Group("vectors", space.name, space.version, str(modality), "float32", space.dim)


def feature_group(encoder: Encoder, modality: Modality) -> Group:
    """The group of an encoder's features."""
    return Group("features", encoder.name, encoder.version, str(modality), "float16", encoder.dims[modality])


def encode(
    model: Model,
    modality: Modality,
    contents: Sequence[NDArray[Any] | str],
    role: Role,
    encoders: Collection[str] | None = None,
) -> Iterator[tuple[Group, FloatArray | NDArray[np.float16]]]:
    """Rows `(n, dim)` of each group for contents of one modality; of the encoders that are named only, if some are.

    Vectors are projected from the features as they are stored, so that projecting stored features again gives the
    same vectors.
    """
    for encoder in model.encoders:
        heads = [head for head in model.heads if head.encoders.get(modality) == encoder.name]
        if modality not in encoder.dims or (encoders is not None and encoder.name not in encoders):
            continue
        features = encoder.encode(Batch(modality, contents), role)
        if any(head.keeps_features for head in heads):
            stored = features.astype(np.float16)
            features = stored.astype(np.float32)
            yield feature_group(encoder, modality), stored
        for head in heads:
            vectors = head.project(features, modality)
            yield vector_group(head.space, modality), vectors
            yield from beside(model, head.space, modality, vectors, features if head.keeps_features else None)


def beside(
    model: Model, space: Space, modality: Modality, vectors: FloatArray, features: NDArray[Any] | None = None
) -> Iterator[tuple[Group, FloatArray]]:
    """The rows `(n, dim)` of fitted heads that go with vectors `(n, d)` of a space and their features, if known."""
    for fitted in model.fitted:
        if fitted.base == space and modality in fitted.space.modalities:
            yield vector_group(fitted.space, modality), fitted.join(vectors, features, modality)


def project(model: Model, wanted: Group, given: Group, features: NDArray[Any]) -> FloatArray | None:
    """Vectors `(n, dim)` of a group from stored features `(n, d)` of another; None if they are not made of these."""
    for encoder in model.encoders:
        for modality in encoder.dims:
            for head in model.heads if feature_group(encoder, modality) == given else ():
                if head.encoders.get(modality) == encoder.name and vector_group(head.space, modality) == wanted:
                    return head.project(features.astype(np.float32), modality)
    return None
