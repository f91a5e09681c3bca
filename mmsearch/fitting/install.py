"""Putting a fit to use: vectors of its space for everything that the index holds, out of what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.embedding import feature_group, vector_group
from mmsearch.store.bulk import AddRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.fitting.choose import Told
    from mmsearch.fitting.fit import FittedHead
    from mmsearch.store.shard import Group
    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.store.store import Store
    from mmsearch.store.writer import Writer
    from mmsearch.types import FloatArray, Modality

TOGETHER = 4096


def add_rows(store: Store, writer: Writer, model: Model, head: FittedHead, told: Told | None = None) -> None:
    """Commit the rows of a fit's space, some thousand at a time. Until it is activated no search looks at them.

    Args:
        store: of the index.
        writer: of the same.
        model: of the index.
        head: of the fit.
        told: how many are done, and of how many.

    Raises:
        StoreError: the disk is full or cannot be written; what was added is removed by the next writer.
    """
    writer.drop_idle_fits()
    snapshot = store.snapshot()  # the newest, even where an older one is held; only this writer could change it
    modalities = sorted(head.space.modalities)
    shards = {m: snapshot.of("vectors", head.base.name, head.base.version, m) for m in modalities}
    total, done = sum(shard.live for some in shards.values() for shard in some), 0
    for modality in modalities:
        group, source = vector_group(head.space, modality), _features(snapshot, model, head, modality)
        for segments, vectors in _live(store, shards[modality]):
            rows = np.empty((len(segments), head.space.dim), np.float32)
            known, features = _found(store, source, segments)
            rows[known] = head.join(vectors[known], features, modality)
            rows[~known] = head.join(vectors[~known], None, modality)
            writer.commit([AddRows(group, segments.tolist(), rows)])
            done += len(segments)
            if told is not None:
                told("applying the fit", done, total)


def _features(snapshot: Snapshot, model: Model, head: FittedHead, modality: Modality) -> tuple[Shard, ...]:
    (encoder,) = (one for one in model.encoders if one.name == head.encoders[modality])
    group: Group = feature_group(encoder, modality)
    return snapshot.of(group.kind, group.name, group.version, modality)


def _live(store: Store, shards: Sequence[Shard]) -> Iterator[tuple[NDArray[np.int64], FloatArray]]:
    """Segment ids `(n,)` and vectors `(n, d)` of all rows that live."""
    for shard in shards:
        for start in range(0, shard.rows, TOGETHER):
            end = min(start + TOGETHER, shard.rows)
            segments = store.ids(shard.id, start, end)[:, 0]
            live = np.flatnonzero(segments >= 0)
            if len(live):
                yield segments[live], np.asarray(shard.matrix[start:end][live], np.float32)


def _found(
    store: Store, shards: Sequence[Shard], segments: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.float16] | None]:
    """Which segments have features `(n,)`, and these, in that order; None if none has."""
    by_id = {shard.id: shard for shard in shards}
    places = store.rows_of(segments.tolist(), list(by_id)) if by_id else {}
    known = np.array([segment in places for segment in segments.tolist()], bool)
    if not known.any():
        return known, None
    there = np.array([places[segment] for segment in segments[known].tolist()], np.int64)
    features = np.empty((len(there), shards[0].group.dim), np.float16)
    for id_ in np.unique(there[:, 0]).tolist():
        here = there[:, 0] == id_
        features[here] = by_id[id_].matrix[there[here, 1]]
    return known, features
