"""OGG pages: the same sound, encoded twice, is the same bytes.

A page is `OggS`, version, flags, position (8 bytes), serial number of the stream (4), number of the page (4), checksum
(4), count of segments (1), their lengths, and the segments (RFC 3533, section 6). Encoders draw the serial number at
random.
"""

from __future__ import annotations

import struct
from typing import Final

_SERIAL, _CHECKSUM, _COUNT = 14, 22, 26
_POLYNOMIAL: Final = 0x04C11DB7


def without_serial(content: bytes) -> bytes:
    """A file of one stream, with 0 for its serial number."""
    made, start = bytearray(content), 0
    while start < len(made):
        lengths = start + _COUNT + 1
        end = lengths + made[start + _COUNT]
        end += sum(made[lengths:end])
        made[start + _SERIAL : start + _SERIAL + 4] = made[start + _CHECKSUM : start + _CHECKSUM + 4] = bytes(4)
        struct.pack_into("<I", made, start + _CHECKSUM, _checksum(made[start:end]))
        start = end
    return bytes(made)


def _remainder(byte: int) -> int:
    rest = byte << 24
    for _ in range(8):
        rest = (rest << 1) ^ (_POLYNOMIAL if rest & 0x80000000 else 0)
    return rest & 0xFFFFFFFF


_REMAINDERS: Final = tuple(_remainder(byte) for byte in range(256))


def _checksum(page: bytearray) -> int:
    """CRC-32 with the polynomial of Ethernet, but from the first bit on, and without inversion: not that of `zlib`."""
    rest = 0
    for byte in page:
        rest = ((rest << 8) & 0xFFFFFFFF) ^ _REMAINDERS[(rest >> 24) ^ byte]
    return rest
