"""Shard files: rows of vectors or features of one group, append-only, memory-mapped, checksummed by block.

::

    0      4096                                        4096 + rows * dim * itemsize
    ├ header ┼ row 0 │ row 1 │ … │ row n-1 ┤ (beyond: an unfinished append, ignored)

The header is JSON padded with spaces. How many rows are committed is said by the catalog alone.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import IndexDamaged, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import FileIO
    from pathlib import Path

    from numpy.typing import NDArray

HEADER_BYTES = 4096
BLOCK_BYTES = 256 * 1024
SHARD_ROWS = 262_144
MOST_ROWS = 1 << 20  # a catalog that tells of longer shards, or of wider rows, is damaged
MOST_NUMBERS = 1 << 16
DTYPES = ("float32", "float16")


@dataclass(frozen=True, slots=True)
class Group:
    """What the rows of a shard have in common.

    Attributes:
        kind: `vectors` of a space, or `features` of an encoder.
        name: of the space or the encoder.
        version: of the space or the encoder.
        modality: of the segments.
        dtype: `float32` or `float16`.
        dim: numbers in a row.
    """

    kind: str
    name: str
    version: str
    modality: str
    dtype: str
    dim: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return np.dtype(self.dtype).itemsize * self.dim

    @property
    def block_rows(self) -> int:
        """Rows that share a checksum."""
        return max(1, BLOCK_BYTES // self.row_bytes)


def header(group: Group) -> bytes:
    """The first bytes of a shard of `group`."""
    text = json.dumps({"mmsearch": "shard", **asdict(group)}, sort_keys=True).encode()
    return text.ljust(HEADER_BYTES - 1) + b"\n"


def group_of(path: Path) -> Group | None:
    """The group that the header of a shard names; None if it has none."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            fields = json.loads(file.read(HEADER_BYTES))
        fields.pop("mmsearch")
        group = Group(**fields)
        return None if odd_group(group) else group
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def odd_group(group: Group) -> str:
    """What no shard can have of what a catalog or a header says of its rows; empty if there is no such thing."""
    if not all(isinstance(text, str) for text in (group.kind, group.name, group.version, group.modality)):
        return f"it has a kind, name, version or modality that is no text ({group})"
    if group.dtype not in DTYPES:
        return f"its numbers are of an unknown type ({group.dtype!r})"
    if not isinstance(group.dim, int) or not 0 < group.dim <= MOST_NUMBERS:
        return f"its rows have an impossible length ({group.dim!r})"
    return ""


def odd_rows(rows: object) -> str:
    """Why a shard cannot have so many rows; empty if it can."""
    return "" if isinstance(rows, int) and 0 <= rows <= MOST_ROWS else f"it has an impossible number of rows ({rows!r})"


def odd_file(folder: Path, file: object) -> str:
    """Why a shard cannot be called so; empty if it is `shards/…/<n>.vec` inside the index, links resolved."""
    if not isinstance(file, str) or "\0" in file or not re.fullmatch(r"shards/(.+/)?[0-9]{1,18}\.vec", file):
        return "no shard can be called so"
    if ".." in file.split("/"):
        return "it leads out of the index"
    try:
        inside = (folder / file).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links in a circle
        inside = False
    return "" if inside else "it leads out of the index"


def odd(folder: Path, group: Group, file: object, rows: object) -> str:
    """A sentence about what a catalog says of a shard and cannot be; empty if there is nothing."""
    why = odd_file(folder, file) or odd_group(group) or odd_rows(rows)
    return f"the catalog of {folder} names the shard {str(file)!r}: {why}" if why else ""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a shard file is: whether it can be read and has its header, and which blocks are not there or wrong.

    `unproven` blocks are there, but there is no checksum of them.
    """

    readable: bool
    header: bool
    cut: tuple[int, ...]
    bad: tuple[int, ...]
    unproven: tuple[int, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.readable and self.header and not (self.cut or self.bad or self.unproven)


def examine(path: Path, group: Group, rows: int, crcs: Mapping[int, int]) -> Condition:
    """Read every committed byte of a shard; `crcs` are the checksums that its blocks should have."""
    blocks = range(-(-rows // group.block_rows))
    if not path.is_file():  # to open a pipe would take for ever
        return Condition(False, False, tuple(blocks), ())
    try:
        with path.open("rb") as file:
            named = file.read(HEADER_BYTES) == header(group)
        found = dict(checksums(path, group, rows))
    except OSError:
        return Condition(False, False, tuple(blocks), ())
    return Condition(
        True,
        named,
        tuple(block for block in blocks if block not in found),
        tuple(block for block, crc in found.items() if block in crcs and crcs[block] != crc),
        tuple(block for block in found if block not in crcs),
    )


def restore(path: Path, group: Group, rows: int, mended: Mapping[int, NDArray[Any]]) -> None:
    """Write the header, give the file the length of its committed rows, and put rows `(dim,)` at their offsets.

    Only what is damaged is written over, so that a process that dies here has made nothing worse.

    Raises:
        StoreError: it cannot be written.
    """
    if path.exists() and not path.is_file():
        raise StoreError(f"cannot write to the shard {path}: something else has its name; move it away and try again")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        with open(handle, "r+b", buffering=0) as file:  # noqa: PTH123  (a handle: "r+" would not make the file)
            _write(file, 0, header(group))
            if os.fstat(handle).st_size < HEADER_BYTES + rows * group.row_bytes:
                file.truncate(HEADER_BYTES + rows * group.row_bytes)
            for offset, row in mended.items():
                _write(file, HEADER_BYTES + offset * group.row_bytes, _bytes(group, row))
            os.fsync(handle)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"cannot write to the shard {path}: {error.strerror}") from error


def create(path: Path, group: Group) -> None:
    """Make an empty shard, durably.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(header(group))
            file.flush()
            os.fsync(file.fileno())
        for folder in path.parents[:4]:  # modality, name, shards, index: each may be new
            sync_folder(folder)
    except OSError as error:
        raise StoreError(f"cannot write the shard {path}: {error.strerror}") from error


def append(path: Path, group: Group, committed: int, new: NDArray[Any]) -> None:
    """Write rows `(n, dim)` behind the committed ones and wait until they are on the disk.

    Raises:
        IndexDamaged: the file is missing.
        StoreError: they cannot be written (a full disk, say); what was committed is untouched.
    """
    start = HEADER_BYTES + committed * group.row_bytes
    try:
        with path.open("r+b", buffering=0) as file:
            _write(file, start, _bytes(group, new))
            _sync_data(file.fileno())
    except FileNotFoundError as error:
        raise IndexDamaged(f"the shard {path} is missing: run `mmsearch verify --repair`") from error
    except OSError as error:
        raise StoreError(f"cannot write to the shard {path}: {error.strerror}") from error


def mapped(path: Path, group: Group, rows: int, *, scattered: bool = False) -> NDArray[Any]:
    """The committed rows `(rows, dim)`, memory-mapped, read-only.

    Args:
        path: of the file.
        group: that the rows are of.
        rows: how many are committed.
        scattered: the system is told that single rows will be read, so that it does not read ahead (megabytes, for
            some disks) for each of them.

    Raises:
        IndexDamaged: the file is missing or shorter than its committed rows.
    """
    if rows == 0:
        return np.empty((0, group.dim), group.dtype)
    needed = HEADER_BYTES + rows * group.row_bytes
    try:
        size = path.stat().st_size
        if size < needed:
            raise IndexDamaged(f"the shard {path} has {size} bytes of {needed}: run `mmsearch verify --repair`")
        with path.open("rb", buffering=0) as file:
            content = mmap.mmap(file.fileno(), needed, access=mmap.ACCESS_READ)
        if scattered and hasattr(mmap, "MADV_RANDOM"):
            content.madvise(mmap.MADV_RANDOM)
        return np.frombuffer(content, group.dtype, rows * group.dim, HEADER_BYTES).reshape(rows, group.dim)
    except OSError as error:
        raise IndexDamaged(
            f"the shard {path} cannot be read ({error.strerror}): run `mmsearch verify --repair`"
        ) from error


def extend_checksums(group: Group, committed: int, last: int, new: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Number and crc32 of each block that an append of `new` touches; `last` is the crc of a partial last block."""
    size, done = group.block_rows, 0
    while done < len(new):
        at = committed + done
        take = min(size - at % size, len(new) - done)
        begun = last if done == 0 and at % size else 0
        yield at // size, zlib.crc32(_bytes(group, new[done : done + take]), begun)
        done += take


def checksums(path: Path, group: Group, rows: int) -> Iterator[tuple[int, int]]:
    """Number and crc32 of each block of the committed rows, read from the file; stops early where the file ends."""
    with path.open("rb") as file:
        file.seek(HEADER_BYTES)
        for block in range(-(-rows // group.block_rows)):
            take = min(group.block_rows, rows - block * group.block_rows) * group.row_bytes
            data = file.read(take)
            if len(data) < take:
                return
            yield block, zlib.crc32(data)


def sync_folder(folder: Path) -> None:
    """Make names in `folder` durable, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _write(file: FileIO, start: int, content: bytes | memoryview) -> None:
    file.seek(start)
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]


def _bytes(group: Group, rows: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(rows, dtype=group.dtype).reshape(-1).view(np.uint8).data


def _sync_data(handle: int) -> None:
    getattr(os, "fdatasync", os.fsync)(handle)
