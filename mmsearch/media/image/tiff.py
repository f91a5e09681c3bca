"""The directories of a TIFF: which are pages, and which are smaller copies of one (the levels of a pyramid).

Walked here and not by Pillow, which stops at the first directory that it cannot read, and knows of no levels.

Layout: TIFF 6.0, section 2; BigTIFF as libtiff defines it; SubIFDs as in Adobe's TIFF Technical Note 1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from mmsearch.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PAGES: Final = 1000
_MAX_DIRECTORIES: Final = 8 * MAX_PAGES
_MAX_ENTRIES: Final = 4096
_MAX_CHILDREN: Final = 64

_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _ORIENTATION, _CHILDREN = 254, 255, 256, 257, 274, 330
_WANTED: Final = (_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _ORIENTATION, _CHILDREN)
_TYPES: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_REDUCED, _MASK = 1, 4


@dataclass(frozen=True, slots=True)
class Directory:
    """One picture in the file. `width` and `height` are upright; `kind` has the bits of NewSubfileType."""

    offset: int
    width: int
    height: int
    orientation: int
    kind: int
    children: tuple[int, ...]

    @property
    def pixels(self) -> int:
        """How many it has."""
        return self.width * self.height

    def resembles(self, other: Directory) -> bool:
        """Whether it has the shape of another, but for rounding: a label on a slide is no level of the slide."""
        off = abs(self.width * other.height - other.width * self.height)
        return self.orientation == other.orientation and off <= 2 * max(other.width, other.height)


@dataclass(frozen=True, slots=True)
class Page:
    """A picture and its smaller copies."""

    full: Directory
    levels: tuple[Directory, ...] = ()

    def best(self, least: int, most: int) -> Directory:
        """The smallest with a short side of at least `least`; else the largest with up to `most` pixels; else whole."""
        possible = sorted((it for it in (self.full, *self.levels) if it.pixels <= most), key=lambda it: it.pixels)
        enough = (it for it in possible if min(it.width, it.height) >= least)
        return next(enough, possible[-1] if possible else self.full)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How numbers are written: byte order, and the formats of a TIFF or a BigTIFF."""

    order: str
    count: str
    offset: str

    def read(self, file: BinaryIO, form: str) -> int:
        form = self.order + form
        return int(struct.unpack(form, file.read(struct.calcsize(form)))[0])


def pages(file: BinaryIO) -> list[Page]:
    """The pages of a TIFF, with their levels. Directories that cannot be read end the list.

    Raises:
        MediaError: the first directory cannot be read, or there are more than `MAX_PAGES` pages.
    """
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    big = struct.unpack(order + "H", file.read(2))[0] == 43
    layout = _Layout(order, "Q", "Q") if big else _Layout(order, "H", "I")
    file.seek(8 if big else 4)
    seen: set[int] = set()
    chain = list(_chain(file, layout, layout.read(file, layout.offset), seen))
    found: list[tuple[Directory, list[Directory]]] = []
    for directory in chain:
        if not directory.kind & (_REDUCED | _MASK):
            found.append((directory, []))
        elif found and not directory.kind & _MASK:
            found[-1][1].append(directory)
    if not found and chain:  # nothing but thumbnails
        found.append((max(chain, key=lambda it: it.pixels), []))
    if len(found) > MAX_PAGES:
        raise MediaError(f"TIFF with more than {MAX_PAGES} pages")
    return [_page(file, layout, full, levels, seen) for full, levels in found]


def _page(file: BinaryIO, layout: _Layout, full: Directory, levels: list[Directory], seen: set[int]) -> Page:
    for offset in full.children:
        if offset and offset not in seen:
            seen.add(offset)
            try:
                levels.append(_directory(file, layout, offset)[0])
            except (struct.error, MediaError, OverflowError, OSError):
                continue
    smaller = (it for it in levels if not it.kind & _MASK and it.pixels < full.pixels and it.resembles(full))
    return Page(full, tuple(smaller))


def _chain(file: BinaryIO, layout: _Layout, offset: int, seen: set[int]) -> Iterator[Directory]:
    while offset and offset not in seen:
        if len(seen) >= _MAX_DIRECTORIES:
            raise MediaError(f"TIFF with more than {_MAX_DIRECTORIES} directories")
        seen.add(offset)
        try:
            directory, offset = _directory(file, layout, offset)
        except (struct.error, MediaError, OverflowError, OSError) as error:
            if len(seen) == 1:
                raise MediaError(f"TIFF whose first directory cannot be read: {error}") from error
            return
        yield directory


def _directory(file: BinaryIO, layout: _Layout, offset: int) -> tuple[Directory, int]:
    """A directory, and the offset of the next one."""
    file.seek(offset)
    entries = layout.read(file, layout.count)
    if not 0 < entries <= _MAX_ENTRIES:
        raise MediaError(f"a directory of {entries} entries")
    form = f"{layout.order}HH{layout.offset}{struct.calcsize('=' + layout.offset)}s"
    block = file.read(entries * struct.calcsize(form))
    try:
        following = layout.read(file, layout.offset)
    except struct.error:  # cut off after the last entry
        following = 0
    values: dict[int, tuple[int, ...]] = {}
    for tag, kind, count, inline in struct.iter_unpack(form, block):
        if tag in _WANTED and tag not in values and kind in _TYPES and count:
            values[tag] = _values(file, layout, _TYPES[kind], min(count, _MAX_CHILDREN), inline)

    def one(tag: int, absent: int) -> int:
        return values.get(tag, (absent,))[0]

    width, height = one(_WIDTH, 0), one(_HEIGHT, 0)
    if not width or not height:
        raise MediaError(f"picture of {width} x {height} pixels")
    kind = one(_SUBFILE, _REDUCED if one(_OLD_SUBFILE, 1) == 2 else 0)
    orientation = one(_ORIENTATION, 1)
    if 5 <= orientation <= 8:
        width, height = height, width
    return Directory(offset, width, height, orientation, kind, values.get(_CHILDREN, ())), following


def _values(file: BinaryIO, layout: _Layout, kind: str, count: int, inline: bytes) -> tuple[int, ...]:
    form = f"{layout.order}{count}{kind}"
    size = struct.calcsize(form)
    if size > len(inline):
        at = file.tell()
        file.seek(struct.unpack(layout.order + layout.offset, inline)[0])
        inline = file.read(size)
        file.seek(at)
    return struct.unpack_from(form, inline)


class Redirected:
    """A TIFF as a file whose header names another directory as its first, so that Pillow reads that one.

    What has a file descriptor or a buffer keeps it: libtiff reads there, and is told the offset by Pillow.
    """

    def __init__(self, file: BinaryIO, directory: Directory) -> None:
        file.seek(0)
        header = file.read(16)
        order = "<" if header[:2] == b"II" else ">"
        big = struct.unpack(order + "H", header[2:4])[0] == 43
        offset = struct.pack(order + ("Q" if big else "I"), directory.offset)
        self._file = file
        self._header = header[:8] + offset if big else header[:4] + offset
        file.seek(0)

    def read(self, size: int = -1) -> bytes:
        """As the file, but for its first bytes."""
        at = self._file.tell()
        content = self._file.read(size)
        if at >= len(self._header):
            return content
        return (self._header[at : at + len(content)] + content[len(self._header) - at :])[: len(content)]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever the file has)
        return getattr(self._file, name)
