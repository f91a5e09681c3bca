"""What a process has in memory, what a folder has on the disk, and how to make the disk's cache cold."""

from __future__ import annotations

import os
from pathlib import Path


def resident(folder: Path) -> dict[str, int]:
    """Bytes that this process has in memory.

    `anonymous` is its own: structures, caches, the heap. `vectors` and `catalog` are mapped pages of the index in
    `folder`, which the system takes back when it needs room. `code` is all else that is mapped.
    """
    found = dict.fromkeys(("anonymous", "vectors", "catalog", "code"), 0)
    kind, inside = "code", f"{folder.resolve()}/"
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Rss":
            rss = int(value.split()[0]) * 1024
        elif name == "Anonymous":
            own = int(value.split()[0]) * 1024
            found["anonymous"] += own
            found[kind] += rss - own
        elif " " in name or "-" in name:  # the address and path of the next mapping
            path = line.split(maxsplit=5)[5] if len(line.split(maxsplit=5)) == 6 else ""
            kind = "code" if not path.startswith(inside) else "vectors" if path.endswith(".vec") else "catalog"
    return found


def peak() -> int:
    """The most bytes that this process has had in memory, mapped pages included."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def read() -> tuple[int, int]:
    """Bytes that this process has read by calls, and bytes that came from the disk for it."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["rchar"]), int(lines["read_bytes"])


def on_disk(folder: Path) -> dict[str, int]:
    """Bytes of an index by what they are."""
    kinds = {".vec": "vectors", ".ann": "structure"}
    found = dict.fromkeys(("vectors", "structure", "catalog"), 0)
    for path in folder.rglob("*"):
        if path.is_file():
            found[kinds.get(path.suffix, "catalog")] += path.stat().st_size
    return found


def forget(folder: Path) -> None:
    """Drop the files of a folder from the system's cache; what another process has mapped stays."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)
