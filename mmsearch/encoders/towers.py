"""Towers: what takes a batch of inputs of one modality to vectors. In ONNX Runtime on a CPU, in torch elsewhere.

Both compute the same small module (see `clip.modules`, `clap.modules`), which takes what an encoder has in NumPy.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders import heavy
from mmsearch.encoders.chunks import Chunks
from mmsearch.encoders.devices import Device
from mmsearch.encoders.memory import is_shortage, needed_for
from mmsearch.encoders.session import open_session
from mmsearch.types import Role

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

Feed: TypeAlias = Mapping[str, NDArray[Any]]

CPU_ROWS = 16  # at once; more cost memory and gain no speed
CUDA_ROWS = (64, 1024)  # to begin with, and at most
FEW = 8  # rows: too few to be worth importing torch, or arranging weights in memory


class Tower(Protocol):
    """Takes inputs, arrays `(n, ...)` by name, to unit vectors."""

    def run(self, feed: Feed, role: Role = Role.DOCUMENT) -> FloatArray:
        """Vectors `(n, d)` float32, row i for input i.

        The same inputs give the same vectors, but for questions, which may be answered in another precision.

        Raises:
            DeviceUnavailable: memory is not enough for a single row.
            WeightsDamaged: it cannot be opened.
        """
        ...


class OnnxTower:
    """On the CPU, in float32.

    A `mapped` graph (see `export`) is opened in a moment, with its weights where they lie in the file, and is three
    times slower for a single row. Whoever asks again and again, or much at once, has it opened anew, with the weights
    arranged in memory.
    """

    def __init__(self, path: Path, *, mapped: bool = False, rows: int = CPU_ROWS) -> None:
        self._path, self._mapped = path, mapped
        self._chunks = Chunks(rows)
        self._asked = 0
        self._guard = threading.Lock()

    def run(self, feed: Feed, role: Role = Role.DOCUMENT) -> FloatArray:
        """See `Tower`."""
        return in_chunks(feed, self._chunks, self._compute, "the CPU")

    def _compute(self, part: Feed) -> Callable[[], FloatArray]:
        with self._guard:
            self._asked += max(map(len, part.values()))
            session = self._arranged if self._asked > FEW or not self._mapped else self._as_mapped
        (found,) = session.run(None, dict(part))
        return lambda: found

    @cached_property
    def _as_mapped(self) -> Any:  # noqa: ANN401  (onnxruntime is not typed)
        return open_session(self._path, optimised=True)

    @cached_property
    def _arranged(self) -> Any:  # noqa: ANN401
        self.__dict__.pop("_as_mapped", None)
        return open_session(self._path)


class TorchTower:
    """On one or several processors, each with a copy of the module; rows are shared out among them.

    Args:
        make: the module, in float32, on the CPU; called once.
        device: where to.
        rows: at once, if their number is fixed.
    """

    def __init__(self, make: Callable[[], Any], device: Device, rows: int | None = None) -> None:
        self._make, self._device, self._rows = make, device, rows
        self._guard = threading.Lock()
        self._replicas: list[_Replica] = []

    @property
    def is_loaded(self) -> bool:
        """Whether its weights are in memory."""
        return bool(self._replicas)

    def run(self, feed: Feed, role: Role = Role.DOCUMENT) -> FloatArray:
        """See `Tower`."""
        with self._guard:
            if not self._replicas:
                self._device.check()
                module = self._make()
                self._replicas = [_Replica(module, self._device, place, self._rows) for place in self._device.places]
        (count,) = {len(array) for array in feed.values()}
        step = -(-count // len(self._replicas)) or 1
        shares = [{name: array[at : at + step] for name, array in feed.items()} for at in range(0, count, step)]
        if len(shares) <= 1:
            return self._replicas[0].run(feed)
        return np.concatenate(list(self._pool.map(lambda one, share: one.run(share), self._replicas, shares)))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(len(self._replicas), "mmsearch-gpu")


class Either:
    """ONNX Runtime for a question or a few while torch is not loaded; torch for everything else."""

    def __init__(self, onnx: Tower, torch: TorchTower) -> None:
        self._onnx, self._torch = onnx, torch

    def run(self, feed: Feed, role: Role = Role.DOCUMENT) -> FloatArray:
        """See `Tower`."""
        few = role is Role.QUERY and max(map(len, feed.values())) <= FEW
        return (self._onnx if few and not self._torch.is_loaded else self._torch).run(feed, role)


def tower(
    path: Path, make: Callable[[], Any], device: Device, *, mapped: bool = False, rows: int | None = None
) -> Tower:
    """The tower whose graph is, or would be, at `path`; `rows` at once, if their number is fixed."""
    if not path.is_file():
        return TorchTower(make, device, rows)
    onnx = OnnxTower(path, mapped=mapped, rows=rows or CPU_ROWS)
    return onnx if device.is_plain else Either(onnx, TorchTower(make, device, rows))


class _Replica:
    """The module on one processor."""

    def __init__(self, module: Any, device: Device, place: str, rows: int | None) -> None:  # noqa: ANN401
        torch = self._torch = heavy.torch()
        self._place, self._is_cuda = place, device.kind == "cuda"
        first, largest = CUDA_ROWS if self._is_cuda else (CPU_ROWS, CPU_ROWS)
        self._chunks = Chunks(rows or first, rows or largest)
        with needed_for(f"the weights on {place}"):
            self._module = copy.deepcopy(module).eval().to(torch.device(place), getattr(torch, device.precision))

    def run(self, feed: Feed) -> FloatArray:
        return in_chunks(feed, self._chunks, self._stream if self._is_cuda else self._compute, self._place)

    def _compute(self, part: Feed) -> Callable[[], FloatArray]:
        torch = self._torch
        with torch.inference_mode():
            given = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in part.items()}
            found: FloatArray = self._module(**given).float().numpy()
        return lambda: found

    def _stream(self, part: Feed) -> Callable[[], FloatArray]:
        """Send a chunk to the GPU and start work on it; what is returned waits for the result.

        Copies go through page-locked memory, beside the work on the chunk before.
        """
        torch = self._torch
        try:
            with torch.inference_mode(), torch.cuda.device(self._place):
                given = {
                    name: torch.from_numpy(np.ascontiguousarray(array)).pin_memory().to(self._place, non_blocking=True)
                    for name, array in part.items()
                }
                found = self._module(**given).float()
                held = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
                held.copy_(found, non_blocking=True)
                done = torch.cuda.Event()
                done.record()
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            raise

        def wait() -> FloatArray:
            done.synchronize()
            return np.array(held.numpy())

        return wait


def in_chunks(feed: Feed, chunks: Chunks, start: Callable[[Feed], Callable[[], FloatArray]], place: str) -> FloatArray:
    """Vectors `(n, d)` of all rows, a chunk at a time; one that memory is not enough for is tried again in halves.

    Args:
        feed: arrays `(n, ...)` by name.
        chunks: how many rows at once.
        start: begins work on a chunk; what it returns waits for the vectors.
        place: of the processor, for the error.

    Raises:
        DeviceUnavailable: memory is not enough for a single row.
    """
    count = len(next(iter(feed.values())))
    done: list[FloatArray] = []
    waiting: Callable[[], FloatArray] | None = None
    at = 0
    while at < count:
        rows = min(chunks.size, count - at)  # read once: another thread may change it
        part = {name: array[at : at + rows] for name, array in feed.items()}
        began = time.perf_counter()
        result: Callable[[], FloatArray] | None = None
        try:
            result = start(part)
        except Exception as error:
            if not is_shortage(error):
                raise
        if waiting is not None:
            done.append(waiting())
        waiting = result
        if result is None:  # here, not above: the error's traceback holds what was allocated
            chunks.overflowed(rows, place)
            continue
        if chunks.is_searching:
            done.append(result())
            waiting = None
            chunks.took(rows, time.perf_counter() - began)
        at += rows
    if waiting is not None:
        done.append(waiting())
    return done[0] if len(done) == 1 else np.concatenate(done)
