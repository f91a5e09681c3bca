"""The question: its parts, and what the model makes of them."""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.embedding import encode
from mmsearch.errors import MediaError, QueryError
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.search.route import Route
    from mmsearch.store.shard import Group
    from mmsearch.types import AudioInput, FloatArray, ImageInput, InputSpec, Metadata, Space


@dataclass(frozen=True, kw_only=True)
class Query:
    """A question in one modality, or in several at once: then its parts count alike.

    Attributes:
        text: the text itself.
        image: as in `types.Record`.
        audio: as in `types.Record`; a long sound is asked with the mean of its windows.
        vector: `(d,)` in the space that is searched, instead of everything else.
        templates: such as `a photo of {}`: the text is asked in each of them, and counts as their mean (prompt
            ensembles: Radford et al., ICML 2021).
    """

    text: str | None = None
    image: ImageInput | None = None
    audio: AudioInput | None = None
    vector: NDArray[Any] | None = None
    templates: tuple[str, ...] = ()

    @cached_property
    def parts(self) -> dict[Modality, Any]:
        """The parts by modality."""
        named = ((Modality.IMAGE, self.image), (Modality.TEXT, self.text), (Modality.AUDIO, self.audio))
        return {modality: part for modality, part in named if part is not None}

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those of the parts; none for a vector."""
        return tuple(self.parts)

    def describe(self) -> Metadata:
        """The question in JSON values."""
        shown: dict[str, Any] = {}
        for modality, part in self.parts.items():
            shown[modality] = str(part) if isinstance(part, (str, Path)) else f"<{type(part).__name__}>"
        if self.vector is not None:
            shown["vector"] = list(np.shape(self.vector))
        if self.templates:
            shown["templates"] = list(self.templates)
        return shown

    def check(self, model: Model) -> None:
        """Whether a model can be asked this.

        Raises:
            QueryError: it is empty, a vector and more, has a part that the model does not know, or a template without
                the place for the text.
        """
        if self.vector is not None and self.parts:
            raise QueryError("a query is either a vector or has parts, not both")
        if self.vector is None and not self.parts:
            raise QueryError("the query is empty: give a text, an image, a sound or a vector")
        for modality in self.parts:
            if getattr(model.inputs, modality) is None:
                raise QueryError(f"the model {model.name} does not know the modality {modality}")
        if self.templates and self.text is None:
            raise QueryError("a template is for a text, and the query has none")
        for template in self.templates:
            if "{}" not in template:
                raise QueryError(f"the template {template!r} does not say where the text goes: a photo of {{}}")


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

    def along(self, route: Route, centre: Callable[[Space, Modality], FloatArray | None]) -> FloatArray:
        """The query vector `(dim,)` in the space of a route, unit norm.

        Args:
            route: for the modalities of this question.
            centre: the mean `(dim,)` of the vectors of a modality in a space, which a part that is carried over brings
                with it; None if it is not known.

        Raises:
            QueryError: the caller's vector has another dimension than the space.
        """
        space = route.space
        if self.vector is not None:
            if self.vector.shape != (space.dim,):
                raise QueryError(f"the query vector has {len(self.vector)} numbers, not {space.dim} as {space.name}")
            return self.vector
        if len(self.modalities) == 1 and not route.crossings:
            return self._row(space, self.modalities[0])
        parts = []
        for modality in self.modalities:
            crossing = route.crossings.get(modality)
            row = self._row(crossing.source if crossing else space, modality)
            if crossing is not None:
                source = crossing.source
                row = crossing.bridge.carry(row, source.name, centre=centre(source, modality))
            parts.append(row)
        return _unit(np.sum(parts, axis=0))

    def _row(self, space: Space, modality: Modality) -> FloatArray:
        for group, row in self.rows[modality].items():
            if (group.kind, group.name, group.version) == ("vectors", space.name, space.version):
                return row
        raise AssertionError("routes lead through spaces for which the question was embedded")

    def features(self, encoder: str, modality: Modality) -> FloatArray | None:
        """The features `(dim,)` that an encoder found in the part of that modality."""
        for group, row in self.rows.get(modality, {}).items():
            if (group.kind, group.name) == ("features", encoder):
                return row.astype(np.float32)
        return None


def embed(
    queries: Sequence[Query],
    model: Model,
    encoders: Mapping[Modality, frozenset[str]],
    remembered: Remembered | None = None,
) -> list[Embedded]:
    """Encode many questions at once, each modality in batches.

    Args:
        queries: checked.
        model: of the index.
        encoders: by modality, the names of those that are needed.
        remembered: texts that were asked before; what is new is added.

    Raises:
        QueryError: one of the parts cannot be read.
    """
    rows: list[dict[Modality, Mapping[Group, NDArray[Any]]]] = [{} for _ in queries]
    asked: dict[Modality, list[tuple[int, Any]]] = defaultdict(list)
    for number, query in enumerate(queries):
        for modality, part in query.parts.items():
            known = remembered.get(query, encoders[modality]) if remembered and modality is Modality.TEXT else None
            if known is None:
                asked[modality].append((number, part))
            else:
                rows[number][modality] = known
    for modality, parts in asked.items():
        owners, contents = [], []
        for number, part in parts:
            for said in _said(part, queries[number].templates if modality is Modality.TEXT else ()):
                for content in _contents(said, modality, model.inputs):
                    owners.append(number)
                    contents.append(content)
        matrices = _encode(model, modality, contents, encoders[modality])
        for number, _ in parts:
            of_it = np.flatnonzero(np.array(owners) == number)
            means = {group: matrix[of_it].astype(np.float32).mean(axis=0) for group, matrix in matrices.items()}
            found = {group: _unit(mean) if group.kind == "vectors" else mean for group, mean in means.items()}
            rows[number][modality] = found
            if remembered and modality is Modality.TEXT:
                remembered.put(queries[number], encoders[modality], found)
    return [
        Embedded(query.modalities, rows[number], None if query.vector is None else _vector(query.vector))
        for number, query in enumerate(queries)
    ]


class Remembered:
    """The rows of texts that were asked lately. Safe to use from several threads."""

    def __init__(self, room: int = 1024) -> None:
        self._room = room
        self._rows: OrderedDict[tuple[str | None, tuple[str, ...], frozenset[str]], Mapping[Group, NDArray[Any]]]
        self._rows = OrderedDict()
        self._guard = threading.Lock()

    def get(self, query: Query, encoders: frozenset[str]) -> Mapping[Group, NDArray[Any]] | None:
        """The rows of the query's text by these encoders, if it was asked lately."""
        key = query.text, query.templates, encoders
        with self._guard:
            if key in self._rows:
                self._rows.move_to_end(key)
            return self._rows.get(key)

    def put(self, query: Query, encoders: frozenset[str], rows: Mapping[Group, NDArray[Any]]) -> None:
        """Keep them, and forget what has not been asked for the longest time."""
        with self._guard:
            self._rows[query.text, query.templates, encoders] = rows
            if len(self._rows) > self._room:
                self._rows.popitem(last=False)


def _said(part: Any, templates: tuple[str, ...]) -> list[Any]:  # noqa: ANN401
    return [template.replace("{}", part) for template in templates] or [part]


def _encode(
    model: Model, modality: Modality, contents: list[NDArray[Any] | str], encoders: frozenset[str]
) -> dict[Group, NDArray[Any]]:
    size = min(encoder.batch_size for encoder in model.encoders if encoder.name in encoders)
    parts: dict[Group, list[NDArray[Any]]] = defaultdict(list)
    for start in range(0, len(contents), size):
        for group, rows in encode(model, modality, contents[start : start + size], Role.QUERY, encoders):
            parts[group].append(rows)
    return {group: np.concatenate(rows) for group, rows in parts.items()}


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
    norm = math.sqrt(row @ row) if row.ndim == 1 else math.nan
    if not 0 < norm < math.inf:
        raise QueryError("a query vector must have one dimension, be finite and not all zero")
    return row / np.float32(norm)


def _unit(row: NDArray[Any]) -> FloatArray:
    norm = np.linalg.norm(row)
    return (row / norm if norm > 0 else row).astype(np.float32)
