"""Hostile files: real ones with damage, as disks, networks, half-finished programs and ill-wishers do it.

A mutation is a value, so that hypothesis can shrink what fails and a long run can draw from a seed: an operation, where
in the file (as a fraction of it), how much, and a number to do it with.
"""

import random
from typing import NamedTuple

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE)


class Mutation(NamedTuple):
    operation: str
    at: float
    size: int
    value: int


def flip(data, at, size, value):
    """One bit."""
    return data[:at] + bytes([data[at] ^ (1 << value % 8)]) + data[at + 1 :]


def noise(data, at, size, value):
    """Some bytes overwritten by random ones."""
    return data[:at] + random.Random(value).randbytes(size) + data[at + size :]


def big(data, at, size, value):
    """A big-endian number, most often a length or a count, at an extreme."""
    return data[:at] + EXTREMES[value % len(EXTREMES)].to_bytes(4, "big") + data[at + 4 :]


def little(data, at, size, value):
    """A little-endian one."""
    return data[:at] + EXTREMES[value % len(EXTREMES)].to_bytes(4, "little") + data[at + 4 :]


def short(data, at, size, value):
    """A 16-bit number at an extreme, big-endian or little-endian."""
    order = ("big", "little")[value % 2]
    return data[:at] + (EXTREMES[value % len(EXTREMES)] & 0xFFFF).to_bytes(2, order) + data[at + 2 :]


def cut(data, at, size, value):
    """The end is missing: half written, or half copied."""
    return data[: max(1, at)]


def lose(data, at, size, value):
    """Some bytes are missing in the middle: all that is behind them is out of place."""
    return data[:at] + data[at + size :]


def repeat(data, at, size, value):
    """Some bytes come many times."""
    return data[:at] + data[at : at + size] * (1 + value % 64) + data[at + size :]


def insert(data, at, size, value):
    """Some bytes are pushed in."""
    return data[:at] + random.Random(value).randbytes(size) + data[at:]


def zero(data, at, size, value):
    """A block of nothing: a hole in a file after a crash of the system."""
    return data[:at] + bytes(min(size * 16, len(data) - at)) + data[at + size * 16 :]


def swap(data, at, size, value):
    """Two blocks have changed places."""
    other = value % len(data)
    first, second = sorted((at, other))
    second = max(second, min(first + size, len(data)))
    return (
        data[:first]
        + data[second : second + size]
        + data[first + size : second]
        + data[first : first + size]
        + data[second + size :]
    )


OPERATIONS = {f.__name__: f for f in (flip, noise, big, little, short, cut, lose, repeat, insert, zero, swap)}


def mutated(data, mutations):
    """The file with all of this done to it, one after the other; never empty, and at most 4 MB."""
    for operation, at, size, value in mutations:
        place = min(int(at * len(data)), len(data) - 1)
        data = OPERATIONS[operation](data, place, size, value)[: 1 << 22] or b"\0"
    return data


def drawn(draw):
    """A few mutations from a `random.Random`. Half of them hit the first 512 bytes' worth of a file: its headers."""
    return [
        Mutation(
            draw.choice(list(OPERATIONS)),
            draw.random() ** draw.choice((1, 4)),
            draw.choice((1, 2, 4, 16, 64, 512)),
            draw.randrange(1 << 32),
        )
        for _ in range(draw.choice((1, 1, 2, 3, 6)))
    ]
