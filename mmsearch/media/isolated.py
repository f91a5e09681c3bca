"""Reading media in a process of its own, which may crash, hang or run out of memory without harm to this one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from contextlib import suppress
from multiprocessing import spawn
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from mmsearch.errors import DecoderError, MediaError, MediaUnavailable
from mmsearch.media import TIMEOUT_SECONDS, wire
from mmsearch.media.worker import IDLE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mmsearch.types import InputSpec, Medium, Modality, Segment

_START_SECONDS: Final = 60.0
_EXIT_SECONDS: Final = 2.0
_BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from mmsearch.media.worker import main; main(int(sys.argv[2]), sys.argv[3])"
)


class Isolated:
    """Reads in a process of its own.

    Attributes:
        timeout: see `TIMEOUT_SECONDS`.
        idle_since: when it was given back, by `time.monotonic`.

    Raises:
        DecoderError: the process cannot be started.
    """

    def __init__(self, spec: InputSpec) -> None:
        self.timeout = TIMEOUT_SECONDS
        self.idle_since = time.monotonic()
        self._reading = False  # in the middle of a file: what comes next is not the answer to a new question
        try:
            ours, theirs = socket.socketpair()
            said = tempfile.TemporaryFile()  # noqa: SIM115  (closed below)
        except OSError as error:
            raise DecoderError(f"a decoding process cannot be started: {error}") from error
        self._line = wire.Line(ours)
        with theirs, said:
            try:
                self._process = _started(theirs.fileno(), wire.pack_spec(spec), said)
            except BaseException:
                ours.close()
                raise
            self._end = weakref.finalize(self, _end, self._process, self._line)
            theirs.close()
            try:
                self._line.receive(_START_SECONDS)
            except (EOFError, OSError) as error:
                self.close()
                said.seek(0)
                last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise DecoderError(f"a decoding process does not start: {last or 'it says nothing'}") from error

    @property
    def ready(self) -> bool:
        """Whether it can take another file."""
        rested = time.monotonic() - self.idle_since
        return self._process.poll() is None and not self._reading and rested < IDLE_SECONDS / 2

    def open(self, source: Path | bytes, modality: Modality) -> bytes:
        """As `Reader.open`."""
        name, body = (None, source) if isinstance(source, bytes) else (str(source), b"")
        self._ask({"open": name, "modality": modality}, body)
        head, _ = self._answer()
        return bytes.fromhex(head["hash"])

    def read(self, suffix: str) -> Iterator[Medium | MediaError]:
        """As `Reader.read`."""
        self._reading = True
        self._ask({"read": suffix})
        head, _ = self._answer()
        while "end" not in head:
            if "problem" in head:
                yield MediaError(head["problem"])
                head, _ = self._answer()
            else:
                behind: list[dict[str, Any]] = []
                segments = self._segments(behind)
                yield wire.unpack_medium(head, segments)
                for _ in segments:  # that the caller did not want
                    pass
                if not behind:  # they ended in an error, which the caller has seen; the file ends with it
                    return
                (head,) = behind
        self._reading = False

    def kill(self) -> None:
        """End the process in the middle of its work; for other threads. Whoever waits for it gets a `MediaError`."""
        self._process.kill()

    def close(self) -> None:
        """End the process."""
        self._end()

    def _segments(self, behind: list[dict[str, Any]]) -> Iterator[Segment]:
        """The segments of one medium; puts the head of the message behind them into `behind`."""
        while True:
            head, body = self._answer()
            if "segment" not in head:
                behind.append(head)
                return
            yield wire.unpack_segment(head, body)

    def _ask(self, question: dict[str, Any], body: bytes = b"") -> None:
        try:
            self._line.send(question, body, self.timeout)
        except OSError as error:
            raise self._died(error) from error

    def _answer(self) -> tuple[dict[str, Any], bytes]:
        """The next message.

        Raises:
            MediaError: it is an error, or none comes.
        """
        while True:
            try:
                head, body = self._line.receive(self.timeout)
            except (EOFError, OSError, ValueError, RecursionError) as error:
                raise self._died(error) from error
            if "error" in head:
                self._reading = False
                raise (MediaUnavailable if head.get("again") else MediaError)(head["error"])
            if "alive" not in head:
                return head, body

    def _died(self, error: Exception) -> MediaError:
        if isinstance(error, TimeoutError):
            self.close()
            said = f"given up: its decoder delivered nothing for {self.timeout:g} s"
            return MediaUnavailable(said, waited=self.timeout)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)  # its own way to end is what is told
        self.close()
        status = self._process.returncode
        if status < 0 and -status != signal.SIGKILL:
            return MediaError(f"its decoder crashed ({signal.Signals(-status).name})")
        if status < 0:
            return MediaUnavailable("its decoder was killed; out of memory?")
        return MediaError("its decoder ended")


def _started(handle: int, spec: str, said: BinaryIO) -> subprocess.Popen[bytes]:
    python = spawn.get_executable() or sys.executable
    if not python:
        raise DecoderError("a decoding process cannot be started: this Python does not know its own program")
    # -P: nothing is imported from the folder that is current, which may be one of downloaded files.
    flags = ["-P", *(["-I"] if sys.flags.isolated else []), *(["-E"] if sys.flags.ignore_environment else [])]
    path = json.dumps([os.fspath(place) for place in sys.path if isinstance(place, (str, os.PathLike))])
    try:
        return subprocess.Popen(
            [os.fsdecode(python), *flags, "-c", _BOOT, path, str(handle), spec],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            pass_fds=(handle,),
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    except OSError as error:
        raise DecoderError(f"a decoding process cannot be started: {error}") from error


def _end(process: subprocess.Popen[bytes], line: wire.Line) -> None:
    process.kill()
    process.wait()
    line.close()
