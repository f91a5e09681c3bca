"""The reranker seam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmsearch.encoders.base import Model
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.query import Embedded
    from mmsearch.store.reading import Reading
    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.types import FloatArray, Modality, Space


class Reranker(Protocol):
    """A second opinion. It may reorder and rescore candidates, and neither adds nor drops any."""

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """The same candidates, best first, scores falling."""
        ...


class Context:
    """What a reranker may look up: stored vectors and features, at one version of the index."""

    def __init__(self, store: Reading, snapshot: Snapshot, model: Model, spaces: Mapping[Modality, Space]) -> None:
        self.store, self.snapshot, self.model = store, snapshot, model
        self._spaces = spaces

    def space(self, target: Modality) -> Space:
        """In which candidates of a modality were found."""
        return self._spaces[target]

    def is_fitted(self, target: Modality) -> bool:
        """Whether candidates of a modality were found in a space that was fitted to pairs."""
        return any(self._spaces[target] == fitted.space for fitted in self.model.fitted)

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
        space = self._spaces[target]
        shards = self.snapshot.of("vectors", space.name, space.version, target)
        return np.nan_to_num(self._rows(shards, segments))

    def _rows(self, shards: Sequence[Shard], segments: Sequence[int]) -> FloatArray:
        by_id = {shard.id: shard for shard in shards}
        dim = shards[0].group.dim if shards else 0
        matrix = np.full((len(segments), dim), np.nan, np.float32)
        where = self.store.rows_of(segments, list(by_id)) if by_id else {}
        for number, segment in enumerate(segments):
            if segment in where and where[segment][1] < by_id[where[segment][0]].rows:
                shard_id, offset = where[segment]
                matrix[number] = by_id[shard_id].matrix[offset]
        return matrix
