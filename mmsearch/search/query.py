"""The question: its parts, and what the model makes of them."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.embedding import encode
from mmsearch.errors import MediaError, QueryError
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.store.shard import Group
    from mmsearch.types import AudioInput, FloatArray, ImageInput, InputSpec, Metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question in one modality, or in several at once: then its parts count alike.

    Attributes:
        text: the text itself.
        image: as in `types.Record`.
        audio: as in `types.Record`; a long sound is asked with the mean of its windows.
        vector: `(d,)` in the space that is searched, instead of everything else.
    """

    text: str | None = None
    image: ImageInput | None = None
    audio: AudioInput | None = None
    vector: NDArray[Any] | None = None

    @property
    def parts(self) -> dict[Modality, Any]:
        """The parts by modality."""
        return {modality: part for modality in Modality if (part := getattr(self, modality)) is not None}

    def describe(self) -> Metadata:
        """The question in JSON values."""
        shown: dict[str, Any] = {}
        for modality, part in self.parts.items():
            shown[modality] = str(part) if isinstance(part, (str, Path)) else f"<{type(part).__name__}>"
        if self.vector is not None:
            shown["vector"] = list(np.shape(self.vector))
        return shown


@dataclass(frozen=True, slots=True)
class Embedded:
    """A question as the model sees it.

    Attributes:
        modalities: of its parts; none for a vector.
        rows: for each modality, the row `(dim,)` of each group: vectors of spaces, unit norm, and features.
        vector: the caller's own vector, unit norm.
    """

    modalities: tuple[Modality, ...]
    rows: Mapping[Modality, Mapping[Group, NDArray[Any]]]
    vector: FloatArray | None = None

    def in_space(self, name: str, version: str) -> FloatArray | None:
        """The query vector `(dim,)` in a space, unit norm; None if a part does not live there."""
        if self.vector is not None:
            return self.vector
        parts = [
            row
            for modality in self.modalities
            for group, row in self.rows[modality].items()
            if (group.kind, group.name, group.version) == ("vectors", name, version)
        ]
        return _unit(np.sum(parts, axis=0)) if len(parts) == len(self.modalities) else None

    def features(self, encoder: str, modality: Modality) -> FloatArray | None:
        """The features `(dim,)` that an encoder found in the part of that modality."""
        for group, row in self.rows.get(modality, {}).items():
            if (group.kind, group.name) == ("features", encoder):
                return row.astype(np.float32)
        return None


def embed(queries: Sequence[Query], model: Model) -> list[Embedded]:
    """Encode many questions at once, each modality in batches.

    Raises:
        QueryError: a question is empty, or one of its parts cannot be read or is unknown to the model.
    """
    contents: dict[Modality, list[tuple[int, NDArray[Any] | str]]] = defaultdict(list)
    for number, query in enumerate(queries):
        _check(query, model)
        for modality, part in query.parts.items():
            contents[modality] += [(number, content) for content in _contents(part, modality, model.inputs)]
    rows: list[dict[Modality, dict[Group, NDArray[Any]]]] = [{} for _ in queries]
    for modality, numbered in contents.items():
        owners = np.array([number for number, _ in numbered])
        size = min(encoder.batch_size for encoder in model.encoders if modality in encoder.dims)
        for group, matrix in _encode(model, modality, [content for _, content in numbered], size).items():
            for number in np.unique(owners):
                mean = matrix[owners == number].astype(np.float32).mean(axis=0)
                rows[number].setdefault(modality, {})[group] = _unit(mean) if group.kind == "vectors" else mean
    return [
        Embedded(tuple(query.parts), rows[number], None if query.vector is None else _vector(query.vector))
        for number, query in enumerate(queries)
    ]


def _encode(
    model: Model, modality: Modality, contents: list[NDArray[Any] | str], size: int
) -> dict[Group, NDArray[Any]]:
    parts: dict[Group, list[NDArray[Any]]] = defaultdict(list)
    for start in range(0, len(contents), size):
        for group, rows in encode(model, modality, contents[start : start + size], Role.QUERY):
            parts[group].append(rows)
    return {group: np.concatenate(rows) for group, rows in parts.items()}


def _check(query: Query, model: Model) -> None:
    if query.vector is not None and query.parts:
        raise QueryError("a query is either a vector or has parts, not both")
    if query.vector is None and not query.parts:
        raise QueryError("the query is empty: give a text, an image, a sound or a vector")
    for modality in query.parts:
        if getattr(model.inputs, modality) is None:
            raise QueryError(f"the model {model.name} does not know the modality {modality}")


def _contents(part: Any, modality: Modality, inputs: InputSpec) -> list[NDArray[Any] | str]:  # noqa: ANN401
    """What a part of a query is cut into; the same way as when it is indexed."""
    from mmsearch.media.decode import decode  # a vector needs none of it

    is_path = isinstance(part, str) and modality is not Modality.TEXT
    source = Path(os.path.expanduser(part)) if is_path else part  # noqa: PTH111  (never raises)
    try:
        return [segment.content for segment in decode(source, modality, inputs).segments]
    except MediaError as error:
        shown = f" {source}" if isinstance(source, Path) else ""
        raise QueryError(f"cannot ask with the {modality}{shown}: {error}") from error


def _vector(vector: NDArray[Any]) -> FloatArray:
    row = np.asarray(vector, np.float32)
    norm = float(np.linalg.norm(row))
    if row.ndim != 1 or not np.isfinite(norm) or norm == 0:
        raise QueryError("a query vector must have one dimension, be finite and not all zero")
    return row / np.float32(norm)


def _unit(row: NDArray[Any]) -> FloatArray:
    norm = np.linalg.norm(row)
    return (row / norm if norm > 0 else row).astype(np.float32)
