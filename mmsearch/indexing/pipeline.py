"""The stages of an indexing run, overlapped, with bounded queues between them.

::

    scan ──jobs──► decode ──pieces──► encode ──finished──► commit
    1 thread       n threads          1 thread             the caller's thread

Each queue is bounded, so memory does not grow with the number of files. What is finished is committed every second:
whoever kills the run loses that second.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from mmsearch.indexing.decoding import Decoded, Decoder, Piece, ToEncode
from mmsearch.indexing.encoding import Batcher
from mmsearch.indexing.jobs import Draft, Job
from mmsearch.store.changes import Move

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from mmsearch.encoders.base import Model

MOMENT_SECONDS = 0.05
JOBS, FINISHED = 256, 1024
# Decoded segments that wait, in bytes: a window of sound takes ten times as much as a picture. While a batch is being
# encoded, decoders must be able to make the next one, which on a GPU is large.
PIECES_BYTES, PIECES_BYTES_PER_ROW = 1 << 26, 1 << 19

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818  (a signal, not an error)
    """The run is being stopped; raised inside its threads only."""


class _Channel(Generic[T]):
    """A bounded queue that ends when its producers have ended, and breaks off when the run is stopped.

    It takes values until together they weigh `room`; as they come, each weighs 1.
    """

    def __init__(self, room: int, producers: int, weigh: Callable[[T], int] = lambda value: 1) -> None:
        self._waiting: deque[T] = deque()
        self._room, self._held, self._weigh = room, 0, weigh
        self._producers, self._stopped = producers, False
        self._changed = threading.Condition()

    def put(self, value: T) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._held < self._room)
            if self._stopped:
                raise Stopped
            self._waiting.append(value)
            self._held += self._weigh(value)
            self._changed.notify_all()

    def end(self) -> None:
        """One producer has nothing more."""
        with self._changed:
            self._producers -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def get(self) -> T | None:
        """The next value; None if none came within a moment, or if the channel has `ended`."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._waiting or not self._producers, MOMENT_SECONDS)
            if self._stopped:
                raise Stopped
            if not self._waiting:
                return None
            value = self._waiting.popleft()
            self._held -= self._weigh(value)
            self._changed.notify_all()
            return value

    @property
    def ended(self) -> bool:
        return not self._producers and not self._waiting

    def __iter__(self) -> Iterator[T]:
        while not self.ended:
            value = self.get()
            if value is not None:
                yield value


class Pipeline:
    """One run. Iterating it yields finished changes and drafts; leaving the iteration early stops all threads."""

    def __init__(self, jobs: Iterator[Job], decoder: Decoder, model: Model, threads: int | None = None) -> None:
        self._source, self._decoder, self._model = jobs, decoder, model
        self._threads = threads or min(8, os.cpu_count() or 1)
        self._jobs: _Channel[Job] = _Channel(JOBS, 1)
        largest = max(encoder.batch_size for encoder in model.encoders)
        room = max(PIECES_BYTES, largest * PIECES_BYTES_PER_ROW)
        self._pieces: _Channel[Piece] = _Channel(room, self._threads, _bytes)
        self._finished: _Channel[Draft | Move] = _Channel(FINISHED, 1)
        self._error: BaseException | None = None
        self._guard = threading.Lock()
        self.seconds: dict[str, float] = defaultdict(float)

    def run(self) -> Generator[Draft | Move | None]:
        """Finished drafts and moves as they come; None about every moment in which nothing came.

        Raises:
            Exception: what went wrong inside a thread.
        """
        stages = [self._scan, self._encode, *[self._decode] * self._threads]
        threads = [threading.Thread(target=self._guarded, args=(stage,), daemon=True) for stage in stages]
        for thread in threads:
            thread.start()
        try:
            while not self._finished.ended:
                yield self._finished.get()
        except Stopped:
            pass
        finally:
            self._stop()
            for thread in threads:
                thread.join()
        if self._error is not None:
            raise self._error

    def _guarded(self, stage: Callable[[], None]) -> None:
        try:
            stage()
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001  (it is raised again in the caller's thread)
            self._error = self._error or error
            self._stop()

    def _stop(self) -> None:
        for channel in (self._jobs, self._pieces, self._finished):
            channel.stop()
        self._decoder.interrupt()

    def _scan(self) -> None:
        while True:
            with self._timed("scan"):
                job = next(self._source, None)
            if job is None:
                return self._jobs.end()
            self._jobs.put(job)

    def _decode(self) -> None:
        for job in self._jobs:
            pieces = self._decoder.pieces(job)
            while True:
                with self._timed("decode"):
                    piece = next(pieces, None)
                if piece is None:
                    break
                self._pieces.put(piece)
        self._pieces.end()

    def _encode(self) -> None:
        batcher = Batcher(self._model)
        while not self._pieces.ended:
            piece = self._pieces.get()
            with self._timed("encode"):
                drafts = list(batcher.add(piece) if isinstance(piece, ToEncode) else batcher.flush())
            if isinstance(piece, Decoded):
                piece.draft.decoded = True
                drafts.append(piece.draft)
            elif isinstance(piece, Move):
                self._finished.put(piece)
            self._hand_over(drafts)
        with self._timed("encode"):
            drafts = list(batcher.flush(patience=0))
        self._hand_over(drafts)
        self._finished.end()

    def _hand_over(self, drafts: list[Draft]) -> None:
        seen: set[int] = set()
        for draft in drafts:
            if draft.finished and id(draft) not in seen:
                seen.add(id(draft))
                self._finished.put(draft)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._guard:
                self.seconds[stage] += time.perf_counter() - start


def _bytes(piece: Piece) -> int:
    """What a decoded segment takes in memory, about; what surrounds it included."""
    content = piece.content if isinstance(piece, ToEncode) else ""
    return 1024 + (len(content) if isinstance(content, str) else content.nbytes)
