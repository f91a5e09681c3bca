"""From a job to segments: read, hash, reuse what the index has already, else decode.

Runs in several threads. What a job turns into is handed over piece by piece, so that a ten-hour sound needs no more
memory than a short one.
"""

from __future__ import annotations

import json
import math
import os
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mmsearch.errors import MediaError, MediaUnavailable
from mmsearch.indexing.jobs import Draft, FileJob, ItemDraft, Job, RecordJob, SegmentDraft
from mmsearch.media import TIMEOUT_SECONDS
from mmsearch.media.decode import decode
from mmsearch.media.text.document import in_passages
from mmsearch.media.text.jsonl import MAX_DEPTH, is_deep
from mmsearch.store.changes import Move, storable
from mmsearch.types import Medium, Modality

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mmsearch.indexing.reuse import Reuse
    from mmsearch.media.reader import InProcess, Reader, Readers
    from mmsearch.store.changes import FileState
    from mmsearch.types import InputSpec, Metadata, Record


@dataclass(frozen=True, slots=True)
class ToEncode:
    """A decoded segment on its way to the encoder."""

    draft: Draft
    segment: SegmentDraft
    content: NDArray[Any] | str


@dataclass(frozen=True, slots=True)
class Decoded:
    """All of a draft has been handed over."""

    draft: Draft


Piece: TypeAlias = ToEncode | Decoded | Move


class Decoder:
    """Turns jobs into pieces. Safe to use from several threads."""

    def __init__(
        self, inputs: InputSpec, reuse: Reuse, readers: Readers | InProcess, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self._inputs, self._reuse = inputs, reuse
        self._readers, self._timeout = readers, timeout
        self._claim = threading.Lock()

    def interrupt(self) -> None:
        """Let no thread wait for a file that is being read."""
        self._readers.interrupt()

    def pieces(self, job: Job) -> Iterator[Piece]:
        """The pieces of a job, ending with `Decoded` or `Move`. Bad media end up as errors of the draft."""
        draft = Draft(job)
        try:
            if isinstance(job, FileJob):
                yield from self._file(draft, job)
            else:
                yield from self._checked_record(draft, job)
        except MediaError as error:
            draft.items.clear()
            draft.errors.append(str(error))
            if isinstance(error, MediaUnavailable) and isinstance(job, FileJob):
                is_there = job.known is not None and job.known.error is None  # what the index has of it stays
                draft.file = None if is_there else replace(job.state, reader=-math.ceil(error.waited))
        if draft.items or draft.errors or draft.file is not None:
            yield Decoded(draft)

    def _file(self, draft: Draft, job: FileJob) -> Iterator[Piece]:
        draft.file = job.state
        with self._readers.take(self._timeout) as reader:
            content_hash = reader.open(job.path, job.modality)
            state = draft.file = replace(job.state, hash=content_hash)
            with self._claim:  # two new copies must not both take the place of one vanished file
                move = self._reuse.move(job, state)
            if move is not None:
                draft.file = None
                yield move
                return
            copied = self._reuse.copy(state, job)
            if copied is not None:
                draft.items = copied
            else:
                yield from self._decode(draft, job, reader)
        if _changed(job.path, state):
            raise MediaError("it changed while it was being read; it will be tried again next time")

    def _decode(self, draft: Draft, job: FileJob, reader: Reader) -> Iterator[Piece]:
        for medium in self._media(reader, job.path.suffix):
            if isinstance(medium, MediaError):
                draft.errors.append(str(medium))
                continue
            metadata = {**job.metadata, **medium.metadata}
            if medium.key is not None:
                metadata.setdefault("id", medium.key)
            item = ItemDraft(properties=dict(medium.properties), metadata=_storable(metadata))
            draft.items.append(item)
            yield from _segments(draft, item, medium)

    def _media(self, reader: Reader, suffix: str) -> Iterator[Medium | MediaError]:
        """What a reader finds; texts in passages. A text that has none is one of the errors."""
        for found in reader.read(suffix):
            if isinstance(found, MediaError) or found.modality is not Modality.TEXT or self._inputs.text is None:
                yield found
                continue
            try:
                yield in_passages(found, self._inputs.text)
            except MediaError as error:
                yield error

    def _checked_record(self, draft: Draft, job: RecordJob) -> Iterator[Piece]:
        try:
            yield from self._record(draft, job)
        except (TypeError, ValueError, AttributeError) as error:  # a caller's value of a type that no field can have
            raise MediaError(f"a field of the record is not of its type: {error}") from error

    def _record(self, draft: Draft, job: RecordJob) -> Iterator[Piece]:
        record = job.record
        _encodable(record.id, record.text)
        item = ItemDraft(key=record.id, metadata=_storable(record.metadata))
        draft.items.append(item)
        for medium in self._carried(record):
            item.properties.update(medium.properties)
            yield from _segments(draft, item, medium)
        for modality, vector in (record.vectors or {}).items():
            rows = self._reuse.ready(modality, vector)
            item.segments.append(SegmentDraft(Modality(modality), None, None, None, rows=rows))
        if not item.segments:
            raise MediaError("the record has neither image, audio, text nor vectors")

    def _carried(self, record: Record) -> Iterator[Medium]:
        """The media that a record carries. Encoded ones are decoded where a file would be."""
        for modality, given in (
            (Modality.IMAGE, record.image),
            (Modality.AUDIO, record.audio),
            (Modality.TEXT, record.text),
        ):
            if given is None:
                continue
            if modality is Modality.TEXT or not isinstance(given, (str, bytes, Path)):
                yield decode(given, modality, self._inputs)
                continue
            source = Path(os.path.expanduser(given)) if isinstance(given, str) else given  # noqa: PTH111  (never raises)
            with self._readers.take(self._timeout) as reader:
                reader.open(source, modality)
                for found in self._media(reader, source.suffix if isinstance(source, Path) else ""):
                    if isinstance(found, MediaError):
                        raise found
                    yield found


def _segments(draft: Draft, item: ItemDraft, medium: Medium) -> Iterator[ToEncode]:
    for segment in medium.segments:
        excerpt = segment.content if isinstance(segment.content, str) else None
        made = SegmentDraft(medium.modality, segment.start, segment.end, excerpt, segment.page, segment.time)
        item.segments.append(made)
        draft.handed += 1
        yield ToEncode(draft, made, segment.content)


def _storable(metadata: Metadata) -> dict[str, Any]:
    """Metadata, if it is JSON: one record's must not break a commit of many."""
    try:
        json.dumps(dict(metadata), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise MediaError(f"its metadata are not JSON values: {error}") from error
    if is_deep(dict(metadata)):
        raise MediaError(f"its metadata are nested too deeply: more than {MAX_DEPTH} levels")
    return dict(metadata)


def _encodable(*texts: str | None) -> None:
    try:
        for text in texts:
            (text or "").encode()
    except UnicodeEncodeError as error:
        raise MediaError("its id or text has characters that are no valid Unicode") from error


def _changed(path: Path, state: FileState) -> bool:
    try:
        now = os.stat(path)  # noqa: PTH116  (the fast call: once per file)
    except OSError:
        return True
    return (now.st_size, storable(now.st_mtime_ns)) != (state.size, state.mtime_ns)
