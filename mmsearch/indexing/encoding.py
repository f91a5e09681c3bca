"""Collects decoded segments into batches, by modality, and gives each segment its rows."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

from mmsearch.embedding import encode
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mmsearch.encoders.base import Model
    from mmsearch.indexing.decoding import ToEncode
    from mmsearch.indexing.jobs import Draft

PATIENCE_SECONDS = 0.5


class Batcher:
    """Used by one thread. A batch is encoded when it is full, or when its first segment has waited long enough."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._waiting: dict[Modality, list[ToEncode]] = defaultdict(list)
        self._since: dict[Modality, float] = {}
        self._checked = False
        self._sizes = {
            modality: min((e.batch_size for e in model.encoders if modality in e.dims), default=1)
            for modality in Modality
        }

    def add(self, piece: ToEncode) -> Iterator[Draft]:
        """Take a segment; the drafts of the segments that were encoded by that."""
        modality = piece.segment.modality
        waiting = self._waiting[modality]
        if not waiting:
            self._since[modality] = time.monotonic()
        waiting.append(piece)
        if len(waiting) >= self._sizes[modality]:
            yield from self._encode(modality)

    def flush(self, *, patience: float = PATIENCE_SECONDS) -> Iterator[Draft]:
        """Encode what has waited for `patience` seconds."""
        now = time.monotonic()
        for modality, waiting in list(self._waiting.items()):
            if waiting and now - self._since[modality] >= patience:
                yield from self._encode(modality)

    def _encode(self, modality: Modality) -> Iterator[Draft]:
        if not self._checked:
            self._model.check()
            self._checked = True
        pieces = self._waiting.pop(modality)
        for group, rows in encode(self._model, modality, [piece.content for piece in pieces], Role.DOCUMENT):
            for piece, row in zip(pieces, rows, strict=True):
                piece.segment.rows[group] = row
        for piece in pieces:
            piece.draft.encoded += 1
            yield piece.draft
