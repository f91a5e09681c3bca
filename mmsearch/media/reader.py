"""Readers: what turns a file into media, in processes of their own or in this one.

::

    Readers.take() ─► Reader: open(file) ─► hash;  read() ─► media        a process each, kept for the next file

A process that dies, or delivers nothing for too long, is replaced; the file gets a `MediaError`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mmsearch.errors import MediaError
from mmsearch.media import TIMEOUT_SECONDS
from mmsearch.media.isolated import Isolated
from mmsearch.media.worker import Opened

if TYPE_CHECKING:
    from mmsearch.types import InputSpec, Medium, Modality


class Reader(Protocol):
    """Reads one file at a time."""

    def open(self, source: Path | bytes, modality: Modality) -> bytes:
        """Read the content once; its BLAKE2b hash (16 bytes).

        Raises:
            MediaError: it cannot be opened or read.
        """

    def read(self, suffix: str) -> Iterator[Medium | MediaError]:
        """Decode what was opened; see `decode.read`. The segments of a medium are read before the next one."""


class Direct:
    """Reads in this process: a crash of a decoder is a crash of everything."""

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec
        self._opened: Opened | None = None

    def open(self, source: Path | bytes, modality: Modality) -> bytes:
        """As `Reader.open`."""
        self._opened = Opened(source, modality)
        return self._opened.hash

    def read(self, suffix: str) -> Iterator[Medium | MediaError]:
        """As `Reader.read`."""
        assert self._opened is not None
        try:
            yield from self._opened.read(self._spec, suffix)
        finally:
            self._opened = None


class Readers:
    """Readers for several threads, kept from one file, and one run, to the next."""

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec
        self._guard = threading.Lock()
        self._idle: list[Isolated] = []
        self._busy: set[Isolated] = set()

    @contextmanager
    def take(self, timeout: float = TIMEOUT_SECONDS) -> Iterator[Reader]:
        """A reader for one file.

        Raises:
            DecoderError: a process cannot be started.
        """
        reader = self._ready() or Isolated(self._spec)
        reader.timeout = timeout
        with self._guard:
            self._busy.add(reader)
        try:
            yield reader
        finally:
            with self._guard:
                self._busy.discard(reader)
            reader.idle_since = time.monotonic()
            if reader.ready:
                with self._guard:
                    self._idle.append(reader)
            else:
                reader.close()

    def interrupt(self) -> None:
        """End what is being read, so that no thread waits for it."""
        with self._guard:
            for reader in self._busy:
                reader.kill()

    def close(self) -> None:
        """End all processes."""
        with self._guard:
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.close()

    def _ready(self) -> Isolated | None:
        while True:
            with self._guard:
                reader = self._idle.pop() if self._idle else None
            if reader is None or reader.ready:
                return reader
            reader.close()


class InProcess:
    """Stands in for `Readers` where processes are not wanted."""

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec

    @contextmanager
    def take(self, timeout: float = TIMEOUT_SECONDS) -> Iterator[Reader]:
        """A reader for one file; it has no time limit."""
        yield Direct(self._spec)

    def interrupt(self) -> None:
        """Nothing can be done about a decoder in this process."""
