"""What a commit can do, as values. A commit applies a sequence of them in order, all or none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mmsearch.store.shard import Group
    from mmsearch.types import Metadata


def storable(mtime_ns: int) -> int:
    """A time as the catalog can hold it: some file systems have dates beyond 64 bits of nanoseconds."""
    return max(-(2**63), min(mtime_ns, 2**63 - 1))


@dataclass(frozen=True, slots=True)
class FileState:
    """A media file as it was seen.

    Attributes:
        root_id: of the folder that was indexed.
        path: relative to the root.
        size: in bytes.
        mtime_ns: `storable`.
        hash: of its content (16 bytes).
        reader: version of what read it, or failed to; not positive if it failed for no fault of its content: minus the
            whole seconds that its decoder was given, if those were too few.
    """

    root_id: int
    path: bytes
    size: int
    mtime_ns: int
    hash: bytes | None
    reader: int = 1


@dataclass(frozen=True, slots=True)
class NewSegment:
    """A segment and its row `(dim,)` in each group that it belongs to."""

    modality: str
    start: float | None
    end: float | None
    excerpt: str | None
    rows: Mapping[Group, NDArray[Any]]
    page: int | None = None
    time: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item. Without a `key` one is made; with the key of an item that exists, that item is replaced."""

    segments: tuple[NewSegment, ...]
    key: str | None = None
    properties: Metadata = field(default_factory=dict)
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Put:
    """Add the items of a file (or of none); they replace what the index had of that file.

    A file that could not be read has an `error` and no items. An item keeps its key when its file is replaced by as
    many items as before.
    """

    items: tuple[NewItem, ...]
    file: FileState | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A file has another name, or the same content under another time stamp; its items stay.

    `metadata` replaces what they have, unless it is None.
    """

    file_id: int
    file: FileState
    metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class Annotate:
    """Replace the metadata of the items of a file; tags stay, but for those whose names are among them."""

    file_id: int
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class Tag:
    """Write metadata that were found out, and not given by the user, whose own fields of the same names stay.

    Attributes:
        fields: the names that are written; where the user has `x`, neither `x` nor `x_probability` is.
        values: by item id, JSON values of these fields, or None: then the item loses what it had.
    """

    fields: tuple[str, ...]
    values: Mapping[int, tuple[Any, ...] | None]


@dataclass(frozen=True, slots=True)
class Applied:
    """The metadata file beside the media of `folder` has been applied in this state."""

    root_id: int
    folder: bytes
    signature: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove items, and files with their items."""

    item_ids: tuple[int, ...] = ()
    file_ids: tuple[int, ...] = ()


Change: TypeAlias = Put | Move | Annotate | Tag | Applied | Remove
