"""When a processor has no memory left: each library says so in its own way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mmsearch.errors import DeviceUnavailable

_SAID: Final = re.compile(r"out of memory|can't allocate memory|failed to allocate|bad_alloc|not enough memory", re.I)


def is_shortage(error: BaseException) -> bool:
    """Whether an error of torch, ONNX Runtime, NumPy or Python says that there is not enough memory."""
    return isinstance(error, MemoryError) or bool(
        _SAID.search(str(error))
    )  # ONNX Runtime's have no class to know them by


@contextmanager
def needed_for(what: str) -> Iterator[None]:
    """Around work that cannot be done in smaller pieces.

    Raises:
        DeviceUnavailable: there is not enough memory for it.
    """
    try:
        yield
    except Exception as error:
        if not is_shortage(error):
            raise
        raise DeviceUnavailable(
            f"there is not enough memory for {what}: close what else uses it, take a smaller model, or another device"
        ) from error
