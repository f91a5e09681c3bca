"""A decoding process: reads what it is told to read, and sends what it finds. Started by `isolated`.

::

    open PATH (or bytes) ─► hash          the content is read once, and hashed, so that both are of the same bytes
    read ─► medium, segment, segment, …, problem, …, end         or `error`, which ends the file at any point

It may crash or hang: that costs one file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsearch.errors import MediaError, MediaUnavailable
from mmsearch.media import wire
from mmsearch.media.decode import read
from mmsearch.media.source import open_source, reason
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mmsearch.types import InputSpec, Medium

IDLE_SECONDS: Final = 60
NICENESS: Final = 10
MEMORY_BYTES: Final = 4 << 30
IN_MEMORY_BYTES: Final = 64 << 20
"""Larger files, and all sounds, are read from the disk while they are decoded."""

_CHUNK: Final = 1 << 20
_ALIVE_SECONDS: Final = 1.0


class Opened:
    """A file that was read once, and is to be decoded.

    Attributes:
        hash: BLAKE2b of its content, 16 bytes.
    """

    def __init__(self, source: Path | bytes, modality: Modality, alive: Callable[[], None] = lambda: None) -> None:
        """Read it; `alive` is called now and then while that takes time."""
        digest = hashlib.blake2b(digest_size=16)
        kept: list[bytes] | None = [] if modality is not Modality.AUDIO else None
        size, told = 0, time.monotonic()
        with open_source(source) as file:
            try:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    if kept is not None:
                        kept.append(chunk)
                        if size > IN_MEMORY_BYTES:
                            kept = None
                    if time.monotonic() - told > _ALIVE_SECONDS:
                        alive()
                        told = time.monotonic()
            except OSError as error:
                raise MediaUnavailable(reason(error)) from error
        self.hash = digest.digest()
        self._modality = modality
        self._source = source if kept is None else b"".join(kept)

    def read(self, spec: InputSpec, suffix: str) -> Iterator[Medium | MediaError]:
        """As `decode.read`."""
        return read(self._source, self._modality, spec, suffix)


def main(handle: int, spec: str) -> None:
    """Serve the process at the other end of a connection until it hangs up, or is silent for a while."""
    _confine()
    inputs = wire.unpack_spec(spec)
    line = wire.Line(socket.socket(fileno=handle))
    with contextlib.suppress(EOFError, TimeoutError, BrokenPipeError, ConnectionResetError):
        line.send({"ready": True})
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # libmpg123 and others print to it
        _serve(line, inputs)
    line.close()


def _serve(line: wire.Line, spec: InputSpec) -> None:
    opened: Opened | None = None
    while True:
        head, body = line.receive(IDLE_SECONDS)
        try:
            if "open" in head:
                source = body if head["open"] is None else Path(head["open"])
                opened = None
                opened = Opened(source, Modality(head["modality"]), partial(line.send, {"alive": True}))
                line.send({"hash": opened.hash.hex()})
            elif opened is not None:
                _send(line, opened.read(spec, head["read"]))
                opened = None
        except (BrokenPipeError, ConnectionResetError):
            raise
        except MediaError as error:
            line.send({"error": str(error), "again": isinstance(error, MediaUnavailable)})
        except MemoryError:
            line.send({"error": "not enough memory to decode it"})
        except RecursionError:
            line.send({"error": "nested too deeply"})
        except Exception as error:  # a bug of a decoder, or of ours, costs one file, too
            said = str(error).partition("\n")[0][:200]
            line.send({"error": f"its decoder failed: {type(error).__name__}{said and f': {said}'}"})


def _send(line: wire.Line, media: Iterator[Medium | MediaError]) -> None:
    """All of a file. A picture is sent in one piece, with what comes before and behind it."""
    for found in media:
        if isinstance(found, MediaError):
            line.send({"problem": str(found)})
        else:
            single = found.modality is Modality.IMAGE and "pages" not in found.properties
            for head, body in wire.messages(found):
                line.send(head, body, more=single or "medium" in head)
    line.send({"end": True})


def _confine() -> None:
    """Ctrl-C is for the parent to handle; a bomb gets an error of its own; a crash leaves no core file.

    And what the encoder is doing goes first: its threads wait for each other, so whoever holds one up holds up all.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICENESS)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
