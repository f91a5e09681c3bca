"""The question as the model sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from mmsearch.search.query import Query
    from mmsearch.search.route import Route
    from mmsearch.store.shard import Group
    from mmsearch.types import FloatArray, Modality, Space

LEAST = 1e-4  # norm of a sum of vectors, the heaviest of norm 1, below which they cancel out: the rest is rounding


@dataclass(frozen=True, slots=True)
class EmbeddedPart:
    """A part of a question.

    Attributes:
        modality: None for a vector.
        rows: the row `(dim,)` of each group: vectors of spaces, unit norm, and features; for a vector empty.
        weight: as asked.
        vector: the caller's own `(d,)`, unit norm.
        segments: of what has several, such as a long sound, the rows `(s, dim)` of each group of vectors, whose mean
            `rows` has.
    """

    modality: Modality | None
    rows: Mapping[Group, NDArray[Any]]
    weight: float = 1.0
    vector: FloatArray | None = None
    segments: Mapping[Group, NDArray[Any]] = field(default_factory=dict)

    def row(self, space: Space) -> FloatArray:
        """Its vector `(dim,)` in a space.

        Raises:
            QueryError: the caller's vector has another dimension than the space.
        """
        if self.vector is not None:
            if self.vector.shape != (space.dim,):
                raise QueryError(f"the query vector has {len(self.vector)} numbers, not {space.dim} as {space.name}")
            return self.vector
        for group, row in self.rows.items():
            if (group.kind, group.name, group.version) == ("vectors", space.name, space.version):
                return row
        raise AssertionError("routes lead through spaces for which the question was embedded")

    def each(self, space: Space) -> FloatArray:
        """The vectors of its segments `(s, dim)` in a space; its own, where it has one segment."""
        for group, rows in self.segments.items():
            if (group.name, group.version) == (space.name, space.version):
                return rows
        return self.row(space)[None]


@dataclass(frozen=True, slots=True)
class Embedded:
    """A question as the model sees it.

    Attributes:
        modalities: of its parts; none for a vector.
        parts: at least one.
        asked: as it was asked; None where rows of the index ask.
    """

    modalities: tuple[Modality, ...]
    parts: tuple[EmbeddedPart, ...]
    asked: Query | None = None

    @property
    def plain(self) -> bool:
        """Whether it has one part, which is no vector and whose likes are wanted: what second opinions can judge."""
        return len(self.parts) == 1 and self.parts[0].weight > 0 and self.parts[0].vector is None

    def along(self, route: Route, centre: Callable[[Space, Modality], FloatArray | None]) -> FloatArray:
        """The query vector `(dim,)` in the space of a route, unit norm.

        Args:
            route: for the modalities of this question.
            centre: the mean `(dim,)` of the vectors of a modality in a space, which a part that is carried over brings
                with it, and which is taken off parts that are added; None if it is not known.

        Raises:
            QueryError: the caller's vector has another dimension than the space, or the parts cancel out.
        """
        if len(self.parts) == 1:
            (part,) = self.parts
            row = _carried(part.row(_source(part, route)), part, route, centre)
            return row if part.weight > 0 else -row
        total = np.zeros(route.space.dim, np.float32)
        largest = max(abs(part.weight) for part in self.parts)
        for part in self.parts:
            row = _carried(part.row(_source(part, route)), part, route, centre)
            mean = None if part.modality is None else centre(route.space, part.modality)
            total += np.float32(part.weight / largest) * (row if mean is None else row - mean)
        norm = np.linalg.norm(total)
        if norm <= LEAST:
            what = "the parts of the query cancel out: nothing is left to ask with"
            raise QueryError(what) if self.asked is None else self.asked.error(what)
        return np.asarray(total / norm, np.float32)

    def segments_along(self, route: Route, centre: Callable[[Space, Modality], FloatArray | None]) -> FloatArray:
        """The segments `(s, dim)` of a question of one part, as `along`; of several parts, their sum `(1, dim)`."""
        if not self.plain:
            return self.along(route, centre)[None]
        (part,) = self.parts
        return np.array([_carried(row, part, route, centre) for row in part.each(_source(part, route))])

    def features(self, encoder: str, modality: Modality) -> FloatArray | None:
        """The features `(dim,)` that an encoder found in the one part of that modality; None if there is not one."""
        found = [part for part in self.parts if part.modality == modality]
        for group, row in found[0].rows.items() if len(found) == 1 else ():
            if (group.kind, group.name) == ("features", encoder):
                return row.astype(np.float32)
        return None


def unit(row: NDArray[Any]) -> FloatArray:
    """The same direction, of norm 1; zeros stay zeros."""
    norm = np.linalg.norm(row)
    return (row / norm if norm > 0 else row).astype(np.float32)


def _source(part: EmbeddedPart, route: Route) -> Space:
    """The space from which a part goes along a route."""
    crossing = None if part.modality is None else route.crossings.get(part.modality)
    return route.space if crossing is None else crossing.source


def _carried(
    row: FloatArray, part: EmbeddedPart, route: Route, centre: Callable[[Space, Modality], FloatArray | None]
) -> FloatArray:
    """A row `(d,)` of a part, brought into the space of a route."""
    crossing = None if part.modality is None else route.crossings.get(part.modality)
    if crossing is None or part.modality is None:
        return row
    source = crossing.source
    return unit(crossing.bridge.carry(row, source.name, centre=centre(source, part.modality)))
