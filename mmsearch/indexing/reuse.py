"""What need not be encoded again: renamed and copied files, and vectors that the caller brings."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import MediaError, QueryError
from mmsearch.indexing.jobs import ItemDraft, SegmentDraft
from mmsearch.indexing.plan import has_records
from mmsearch.media.formats import format_of
from mmsearch.store import tags
from mmsearch.store.changes import FileState, Move
from mmsearch.types import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.indexing.jobs import FileJob
    from mmsearch.store.reading import Row
    from mmsearch.store.shard import Group
    from mmsearch.store.store import KnownFile, Store


class Reuse:
    """Looks for content in the catalog. Sees what was committed before the run and during it."""

    def __init__(self, store: Store, model: Model) -> None:
        self._store, self._model = store, model
        self._moved: set[int] = set()

    def move(self, job: FileJob, state: FileState) -> Move | None:
        """The change that says that this file is an old one: touched, or renamed. Each file is given away once."""
        known = job.known
        metadata = None if has_records(state.path) else job.metadata
        if known is not None:
            return Move(known.id, state, metadata) if known.error is None and known.hash == state.hash else None
        for other in self._alike(state):
            if other.id not in self._moved and not os.path.lexists(self._path(other)):
                self._moved.add(other.id)
                return Move(other.id, state, metadata)
        return None

    def copy(self, state: FileState, job: FileJob) -> list[ItemDraft] | None:
        """The items of another file with the same content, rows and all; None if there is none."""
        for other in self._alike(state):
            items = self._items(other, job)
            if items:
                return items
        return None

    def ready(self, modality: str, vector: NDArray[Any]) -> dict[Group, NDArray[Any]]:
        """The row of a vector that the caller brings, for the model's only space.

        Raises:
            MediaError: its shape or its values cannot be used, or it is not clear which space it is of.
        """
        from mmsearch.embedding import beside, vector_group

        try:
            of = Modality.named(modality)
        except QueryError as error:
            raise MediaError(str(error)) from error
        spaces = [head.space for head in self._model.heads if of in head.space.modalities]
        if len(spaces) != 1:
            raise MediaError(f"a ready vector needs exactly one space for {of}; the model has {len(spaces)}")
        row = np.asarray(vector, np.float64)
        if row.shape != (spaces[0].dim,):
            raise MediaError(f"a vector of {spaces[0].name} has the shape ({spaces[0].dim},), this has {row.shape}")
        norm = np.linalg.norm(row)
        if not np.isfinite(norm) or norm == 0:
            raise MediaError("a vector must be finite and not all zero")
        vector = (row / norm).astype(np.float32)
        fitted = beside(self._model, spaces[0], of, vector[None])
        return {vector_group(spaces[0], of): vector, **{group: rows[0] for group, rows in fitted}}

    def _alike(self, state: FileState) -> list[KnownFile]:
        """Files with the same content that are read in the same way: the name of a text can make it records."""
        assert state.hash is not None
        return [f for f in self._store.same_content(state.hash) if format_of(f.path) == format_of(state.path)]

    def _path(self, file: KnownFile) -> bytes:
        return os.path.join(self._store.root_path(file.root_id), file.path)  # noqa: PTH118  (bytes)

    def _items(self, other: KnownFile, job: FileJob) -> list[ItemDraft]:
        shards = self._store.snapshot().by_id
        items: dict[int, ItemDraft] = {}
        segments: dict[int, SegmentDraft] = {}
        owned = self._store.query(
            "SELECT id FROM segments WHERE item_id IN (SELECT id FROM items WHERE file_id = ?)", (other.id,)
        )
        for row in sorted(self._store.hydrate([id_ for (id_,) in owned]).values(), key=lambda row: row.segment_id):
            if row.item_id not in items:
                metadata = self._own(row) if has_records(job.state.path) else dict(job.metadata)
                items[row.item_id] = ItemDraft(properties=row.properties, metadata=metadata)
            segments[row.segment_id] = SegmentDraft(
                Modality(row.modality), row.start, row.end, row.excerpt, row.page, row.time
            )
            items[row.item_id].segments.append(segments[row.segment_id])
        for segment_id, shard_id, offset in self._store.query(
            'SELECT r.segment_id, r.shard_id, r."offset" FROM rows r JOIN segments s ON s.id = r.segment_id '
            "JOIN items i ON i.id = s.item_id WHERE i.file_id = ?",
            (other.id,),
        ):
            shard = shards.get(shard_id)
            if shard is None or offset >= shard.rows or segment_id not in segments:
                return []  # committed while we looked; encoding it again is always right
            segments[segment_id].rows[shard.group] = np.array(shard.matrix[offset])
        unchanged = self._store.file(other.root_id, other.path) == other
        return list(items.values()) if unchanged and all(made.rows for made in segments.values()) else []

    def _own(self, row: Row) -> dict[str, Any]:
        """The metadata of a record without tags: what was classified is the other item."""
        ((found,),) = self._store.query("SELECT tags FROM items WHERE id = ?", (row.item_id,))
        return tags.own(json.loads(row.metadata), json.loads(found or "{}"))


class Afresh(Reuse):
    """Where there is no index to look into: everything is encoded."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def move(self, job: FileJob, state: FileState) -> Move | None:
        """None."""
        return None

    def copy(self, state: FileState, job: FileJob) -> list[ItemDraft] | None:
        """None."""
        return None
