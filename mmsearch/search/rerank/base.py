"""The reranker seam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from mmsearch.search.lanes import PRIOR, mean_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mmsearch.encoders.base import Model
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.route import Route
    from mmsearch.store.reading import Reading
    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.types import FloatArray, Modality, Space


class Reranker(Protocol):
    """A second opinion. It may reorder, rescore and fold candidates (`Candidates.folded`), and adds and drops none."""

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """The same candidates, best first, scores falling; those that are folded stand in the `same` of others."""
        ...


class WithArgument(Protocol):
    """A class of rerankers that takes an argument. One that takes none is made of the `Context` alone."""

    def read(self, argument: str) -> Callable[[Context], Reranker]:
        """How to make one, by what stands behind the name in a chain; nothing is looked up and no model is loaded.

        Raises:
            QueryError: the argument makes no sense; the message tells what does.
        """
        ...


class Context:
    """What a reranker may look up: stored vectors and features, at one version of the index.

    Attributes:
        explains: whether somebody wants to know why; only then is `Candidates.noted` worth calling.
        device: on which models compute, as for `devices.choose`.
    """

    def __init__(
        self,
        store: Reading,
        snapshot: Snapshot,
        model: Model,
        routes: Mapping[Modality, Route],
        *,
        explains: bool = False,
        device: str | None = None,
    ) -> None:
        self.store, self.snapshot, self.model = store, snapshot, model
        self.explains, self.device = explains, device
        self._routes = routes
        self._spaces = {modality: way.space for modality, way in routes.items()}

    def space(self, target: Modality) -> Space:
        """In which candidates of a modality were found."""
        return self._spaces[target]

    def is_fitted(self, target: Modality) -> bool:
        """Whether candidates of a modality were found in a space that was fitted to pairs."""
        return any(self._spaces[target] == fitted.space for fitted in self.model.fitted)

    def asked(self, query: Embedded, target: Modality) -> FloatArray:
        """The question `(dim,)` in the space of a modality, unit norm."""
        return query.along(self._routes[target], self._centre)

    def asked_segments(self, query: Embedded, target: Modality) -> FloatArray:
        """The segments of the question `(s, dim)` in the space of a modality, unit norm; itself, where it has one."""
        return query.segments_along(self._routes[target], self._centre)

    def mean(self, target: Modality) -> FloatArray:
        """Mean vector `(dim,)` of a modality, as scores are centred with; see `lanes.mean_of`."""
        return mean_of(self._shards(target), self._spaces[target].dim)

    def features(self, encoder: str, version: str, modality: Modality, segments: Sequence[int]) -> FloatArray:
        """Stored features `(n, f)` float32 of segments of one modality; NaN where a segment has none."""
        return self._rows(self.snapshot.of("features", encoder, version, modality), segments)

    def vectors(self, candidates: Candidates) -> FloatArray:
        """Vectors `(n, d)` of the spaces in which the candidates were found.

        Where they are several, each space has columns of its own, so that vectors of different spaces are orthogonal.
        """
        spaces = sorted({(space.name, space.version, space.dim) for space in self._spaces.values()})
        starts = dict(zip(spaces, np.cumsum([0, *(dim for _, _, dim in spaces)]), strict=False))
        matrix = np.zeros((len(candidates), sum(dim for _, _, dim in spaces)), np.float32)
        for modality in set(candidates.modalities):
            space = self._spaces[modality]
            start = starts[space.name, space.version, space.dim]
            places = np.flatnonzero(candidates.modalities == modality)
            found = self.vectors_of(modality, candidates.segments[places].tolist())
            matrix[places, start : start + space.dim] = found
        return matrix

    def vectors_of(self, target: Modality, segments: Sequence[int]) -> FloatArray:
        """Vectors `(n, d)` of segments of one modality, in the space in which they were found."""
        return np.nan_to_num(self._rows(self._shards(target), segments))

    def segments_of(self, target: Modality, items: Sequence[int]) -> list[tuple[list[int], FloatArray]]:
        """All segments of one modality of each item: their ids, and their vectors `(m, d)` in the same order."""
        by_id = {shard.id: shard for shard in self._shards(target)}
        found: dict[int, list[tuple[int, Shard, int]]] = {item: [] for item in items}
        for item, segment, shard_id, offset in self.store.segments_of(items, list(by_id)) if by_id else ():
            if offset < by_id[shard_id].rows:
                found[item].append((segment, by_id[shard_id], offset))
        dim = self._spaces[target].dim
        return [
            (
                [segment for segment, _, _ in of_item],
                np.array([shard.matrix[offset] for _, shard, offset in of_item], np.float32).reshape(-1, dim),
            )
            for of_item in found.values()
        ]

    def _centre(self, space: Space, modality: Modality) -> FloatArray | None:
        """As `Lanes.centre`, for a question that is brought into a space once more."""
        shards = self.snapshot.of("vectors", space.name, space.version, modality)
        return mean_of(shards, space.dim, prior=0) if sum(shard.live for shard in shards) >= PRIOR else None

    def _shards(self, target: Modality) -> tuple[Shard, ...]:
        space = self._spaces[target]
        return self.snapshot.of("vectors", space.name, space.version, target)

    def _rows(self, shards: Sequence[Shard], segments: Sequence[int]) -> FloatArray:
        by_id = {shard.id: shard for shard in shards}
        dim = shards[0].group.dim if shards else 0
        matrix = np.full((len(segments), dim), np.nan, np.float32)
        where = self.store.rows_of(segments, list(by_id)) if by_id else {}
        lying = [(number, *where[segment]) for number, segment in enumerate(segments) if segment in where]
        places = np.array(lying, np.int64).reshape(-1, 3)
        for id_ in np.unique(places[:, 1]).tolist():
            numbers, _, offsets = places[(places[:, 1] == id_) & (places[:, 2] < by_id[id_].rows)].T
            matrix[numbers] = by_id[id_].matrix[offsets]
        return matrix
