"""Small products by one thread.

OpenBLAS wakes all of its threads for a product of a millisecond, and they go on waiting for more in a busy loop, which
the scan of the next question has to share the cores with: it takes twice as long.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING

from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_thread() -> Iterator[None]:
    """Until the block is left, NumPy's products of this process take one thread each; so until the last one is left."""
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()


class _Limit:
    """The number of threads belongs to the process: it is set by who comes first, and set back by who leaves last."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._inside = 0
        self._set = ExitStack()

    def enter(self) -> None:
        with self._guard:
            if not self._inside:
                self._set.enter_context(_controller().limit(limits=1, user_api="blas"))
            self._inside += 1

    def leave(self) -> None:
        with self._guard:
            self._inside -= 1
            if not self._inside:
                self._set.close()


_limit = _Limit()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
