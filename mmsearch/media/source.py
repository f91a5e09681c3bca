"""Opening what is to be decoded: one place that knows how files fail.

Reasons name no path: whoever knows the path puts it in front (a report has a column for it).
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

from mmsearch.errors import MediaError, MediaUnavailable


def open_source(source: str | bytes | Path) -> BinaryIO:
    """Open a file (a path) or encoded bytes for reading.

    A FIFO or a device is refused, and opening one never waits for whoever should write to it.

    Raises:
        MediaError: there is no such file, it is no regular file, or it is empty.
        MediaUnavailable: it may not be read, or not now.
    """
    if isinstance(source, bytes):
        if not source:
            raise MediaError("empty: 0 bytes")
        return io.BytesIO(source)
    try:
        file = open(source, "rb", opener=_open_without_waiting)  # noqa: PTH123, SIM115  (Path.open has no opener)
    except FileNotFoundError as error:
        raise MediaError(reason(error)) from error
    except OSError as error:
        raise MediaUnavailable(reason(error)) from error
    except ValueError as error:
        raise MediaError(reason(error)) from error
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_size:
        return file
    file.close()
    raise MediaError("empty: 0 bytes" if stat.S_ISREG(status.st_mode) else "not a regular file")


def reason(error: OSError | ValueError) -> str:
    """A file system error in words, without the path."""
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)


def _open_without_waiting(path: str | Path, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
