"""One core for all that a process does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_core() -> Iterator[None]:
    """Pin all threads of this process, those of libraries too, to one core until the block is left."""
    all_cores = os.sched_getaffinity(0)
    try:
        _pin({max(all_cores)})
        yield
    finally:
        _pin(all_cores)


def _pin(cores: set[int]) -> None:
    for task in Path("/proc/self/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), cores)
        except ProcessLookupError:
            continue  # it ended meanwhile
