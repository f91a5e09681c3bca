"""The work of an indexing run, as values: what the scan found to do, and items while they are being made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from mmsearch.store.changes import FileState, NewItem, NewSegment, Put

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mmsearch.store.shard import Group
    from mmsearch.store.store import KnownFile
    from mmsearch.types import Metadata, Modality, Record


@dataclass(frozen=True, slots=True)
class FileJob:
    """A file to read: new if `known` is None, else changed. `state.hash` is not known yet."""

    path: Path
    modality: Modality
    state: FileState
    known: KnownFile | None
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class RecordJob:
    """A record of the caller's to add."""

    record: Record


Job: TypeAlias = FileJob | RecordJob


@dataclass(slots=True)
class SegmentDraft:
    """A segment; it is finished when it has its rows."""

    modality: Modality
    start: float | None
    end: float | None
    excerpt: str | None
    page: int | None = None
    time: tuple[float, float] | None = None
    rows: dict[Group, NDArray[Any]] = field(default_factory=dict)


@dataclass(slots=True)
class ItemDraft:
    """An item; its segments grow while its media are decoded."""

    key: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    segments: list[SegmentDraft] = field(default_factory=list)


@dataclass(slots=True)
class Draft:
    """What becomes of a job: items on the way to the store.

    Attributes:
        job: where it comes from.
        items: grows while the job is decoded.
        errors: why the job, or single records of it, failed.
        file: the state to store for a file.
        handed: segments given to the encoder so far; counted by the decoding thread.
        encoded: segments that have come back; counted by the encoding thread.
        decoded: whether the encoding thread has seen the end of it.
    """

    job: Job
    file: FileState | None = None
    items: list[ItemDraft] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    handed: int = 0
    encoded: int = 0
    decoded: bool = False

    @property
    def finished(self) -> bool:
        """Whether nothing is left to decode or encode."""
        return self.decoded and self.encoded == self.handed

    def put(self) -> Put:
        """The change that stores it. A file of which nothing could be read is stored with its error."""
        items = tuple(
            NewItem(
                tuple(NewSegment(s.modality, s.start, s.end, s.excerpt, s.rows, s.page, s.time) for s in item.segments),
                item.key,
                item.properties,
                item.metadata,
            )
            for item in self.items
        )
        return Put(items, self.file, None if items else "; ".join(self.errors) or "nothing to index in it")
