"""Which part of an index lies on which GPU: arithmetic only, without a GPU and without FAISS.

::

    sizes of parts ──┐                ┌─► all on every GPU (replicas), if each holds them
    room of GPUs  ───┴─► place ───────┼─► each on one GPU, the largest first where most room is left
                                      └─► left on the CPU: what fits nowhere
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsearch.errors import DeviceUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESERVE = 2 << 30  # bytes of each GPU that stay free: FAISS takes up to 1.5 GiB to work in, the driver what it needs
BLOCK_BYTES = 4 << 30  # shards are joined up to this size: each part is one more kernel to launch for a question
SPLIT = 64  # questions for each replica, from which a batch is divided
_NAMED = re.compile(r"(?P<kind>auto|cpu|cuda)(:(?P<numbers>\d+(,\d+)*))?(/\w+)?")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where parts are.

    Attributes:
        on: by GPU, its parts in rising order; GPUs without any are left out.
        left: parts that stay on the CPU, in rising order.
        replicated: whether every GPU in `on`, of several, has all parts.
    """

    on: Mapping[int, tuple[int, ...]]
    left: tuple[int, ...]
    replicated: bool


def place(sizes: Sequence[int], room: Mapping[int, int], reserve: int = RESERVE) -> Placement:
    """Where parts go.

    Args:
        sizes: bytes of each part.
        room: free bytes by GPU.
        reserve: bytes of each GPU that must stay free.
    """
    left_over = {gpu: free - reserve for gpu, free in room.items()}
    if sizes and len(room) > 1 and all(sum(sizes) <= free for free in left_over.values()):
        return Placement({gpu: tuple(range(len(sizes))) for gpu in room}, (), True)
    on: dict[int, list[int]] = {gpu: [] for gpu in room}
    left = []
    for part in sorted(range(len(sizes)), key=lambda part: (-sizes[part], part)):
        gpu = max(left_over, key=lambda gpu: left_over[gpu], default=None)
        if gpu is None or left_over[gpu] < sizes[part]:
            left.append(part)
            continue
        on[gpu].append(part)
        left_over[gpu] -= sizes[part]
    return Placement({gpu: tuple(sorted(parts)) for gpu, parts in on.items() if parts}, tuple(sorted(left)), False)


def kept(placed: Placement, taken: Mapping[int, tuple[int, ...]], parts: int) -> Placement:
    """What was placed, less the parts that a GPU did not take after all, whatever it had said of its room.

    Args:
        placed: what was planned.
        taken: by GPU, the parts that are on it.
        parts: how many there are. Of replicas only whole ones stay, or each part once if there is no whole one.
    """
    if placed.replicated:
        whole = {gpu: some for gpu, some in taken.items() if len(some) == parts}
        if whole:
            return Placement(whole, (), len(whole) > 1)
    on, there = {}, set[int]()
    for gpu, some in taken.items():
        fresh = tuple(part for part in some if part not in there)
        there.update(fresh)
        if fresh:
            on[gpu] = fresh
    return Placement(on, tuple(part for part in range(parts) if part not in there), False)


def blocks(sizes: Sequence[int], gpus: int, most: int = BLOCK_BYTES) -> tuple[tuple[int, ...], ...]:
    """Consecutive shards joined to parts, few of them, and still several for each GPU.

    Args:
        sizes: bytes of each shard.
        gpus: how many there are.
        most: bytes of a part; a larger shard is a part of its own.
    """
    if gpus > 1:
        most = min(most, max(1, sum(sizes) // (2 * gpus)))
    made: list[tuple[int, ...]] = []
    part: list[int] = []
    for shard, size in enumerate(sizes):
        if part and sum(sizes[one] for one in part) + size > most:
            made.append(tuple(part))
            part = []
        part.append(shard)
    return (*made, tuple(part)) if part else tuple(made)


def numbers(device: str, there: int) -> tuple[int, ...]:
    """The GPUs that a device text means: `auto`, `cpu`, `cuda`, `cuda:1`, `cuda:0,1`; a precision behind it is ignored.

    Args:
        device: the text.
        there: how many GPUs there are; none of a higher number is meant.

    Raises:
        DeviceUnavailable: the text is none of these.
    """
    match = _NAMED.fullmatch(device.strip().lower())
    if match is None or (match["numbers"] and match["kind"] != "cuda"):
        raise DeviceUnavailable(f"{device!r} is no device to search on; there are auto, cpu, cuda, cuda:1, cuda:0,1")
    if match["kind"] == "cpu":
        return ()
    wanted = match["numbers"].split(",") if match["numbers"] else range(there)
    return tuple(number for number in dict.fromkeys(map(int, wanted)) if number < there)


def shares(questions: int, replicas: int, turn: int, least: int = SPLIT) -> tuple[tuple[int, slice], ...]:
    """Which replica answers which questions: few are answered by one, whose turn it is, many by all.

    Args:
        questions: how many.
        replicas: how many there are.
        turn: a number that rises with every call.
        least: a replica is not asked for fewer of a batch.
    """
    among = max(1, min(replicas, questions // least))
    edges = [questions * share // among for share in range(among + 1)]
    return tuple(((turn + share) % replicas, slice(edges[share], edges[share + 1])) for share in range(among))
