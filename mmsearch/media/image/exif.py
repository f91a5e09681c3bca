"""The two things that search wants from EXIF: which way is up, and when the picture was taken.

Read here and not by Pillow, whose reader parses every tag, and warns or raises on the junk that cameras and editors
leave in it. Junk is no reason to refuse a picture: what cannot be read counts as absent.

Layout: Exif 2.32, CIPA DC-008, section 4.6; TIFF 6.0, section 2.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_ORIENTATION: Final = 0x0112
_EXIF_IFD: Final = 0x8769
_DATE_TIME_ORIGINAL: Final = 0x9003
_SHORT: Final = 3
_DATE: Final = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Exif:
    """What was found.

    Attributes:
        orientation: 1 (upright) to 8, as EXIF numbers them.
        taken: DateTimeOriginal as ISO 8601 without a time zone, which EXIF does not know; None if absent or invalid.
    """

    orientation: int = 1
    taken: str | None = None


def parse(block: bytes) -> Exif:
    """Read an EXIF block, with or without its `Exif` prefix. Never raises."""
    block = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return Exif()
    try:
        main = _directory(block, order, struct.unpack_from(order + "I", block, 4)[0])
    except struct.error:
        return Exif()
    orientation = 1
    if _ORIENTATION in main and main[_ORIENTATION][0] == _SHORT:
        orientation = struct.unpack(order + "H", main[_ORIENTATION][2][:2])[0]
    taken = None
    if _EXIF_IFD in main:
        try:
            sub = _directory(block, order, struct.unpack(order + "I", main[_EXIF_IFD][2])[0])
            _, count, value = sub[_DATE_TIME_ORIGINAL]
            start = struct.unpack(order + "I", value)[0]
            taken = iso_date(block[start : start + count])
        except (struct.error, KeyError):
            pass
    return Exif(orientation if 1 <= orientation <= 8 else 1, taken)


def iso_date(value: object) -> str | None:
    """EXIF's `2024:05:17 08:30:00` as `2024-05-17T08:30:00`; None for what is no date (`0000:00:00 ...` is common)."""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    if (found := _DATE.match(text)) is None:
        return None
    try:
        return datetime(*map(int, found.groups())).isoformat()  # type: ignore[arg-type]
    except ValueError:
        return None


def _directory(block: bytes, order: str, offset: int) -> dict[int, tuple[int, int, bytes]]:
    """Entries of one IFD: tag -> (type, count, the four bytes that hold the value or its offset)."""
    count = struct.unpack_from(order + "H", block, offset)[0]
    entries = {}
    for i in range(count):
        start = offset + 2 + 12 * i
        if start + 12 > len(block):
            break
        tag, kind, number, value = struct.unpack_from(order + "HHI4s", block, start)
        entries[tag] = (kind, number, value)
    return entries
