"""Tensors out of a PyTorch checkpoint of the format before 1.6, without PyTorch and without running what is in it.

Such a file is five pickles (a magic number, a protocol number, facts about the machine, the object, the names of the
storages) followed by the storages: int64 number of elements, then the elements. A pickle can call any function; the
unpickler here knows four names and refuses every other.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import WeightsDamaged

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True, slots=True)
class _View:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _view(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _View:
    return _View(storage, offset, shape, strides)


_KNOWN: dict[tuple[str, str], Callable[..., Any] | np.dtype[Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _view,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  (pickle's signature)
        if (module, name) not in _KNOWN:
            raise WeightsDamaged(f"the checkpoint asks for {module}.{name}, which weights have no use for")
        return _KNOWN[module, name]

    def persistent_load(self, pid: Any) -> _Storage:  # noqa: ANN401  (pickle's signature)
        kind, dtype, key, _location, count, view = pid
        if kind != "storage" or view is not None:
            raise WeightsDamaged(f"the checkpoint holds a {kind!r} that is not understood")
        return _Storage(str(key), dtype, int(count))


def load(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of the state dictionary at `path`, in its order.

    Raises:
        WeightsDamaged: it is no checkpoint of this format, or it holds anything but tensors.
    """
    with path.open("rb") as stream:
        try:
            if _read(stream) != _MAGIC or _read(stream) != _PROTOCOL:
                raise WeightsDamaged(f"{path.name} is no PyTorch checkpoint of the format before 1.6")
            _read(stream)
            state = _read(stream)
            dtypes = {view.storage.key: view.storage.dtype for view in state.values()}
            storages = {key: _storage(stream, dtypes[key]) for key in _read(stream)}
            return {name: _tensor(view, storages) for name, view in state.items()}
        except (pickle.UnpicklingError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise WeightsDamaged(f"{path.name} cannot be read as a checkpoint: {error}") from error


def _read(stream: IO[bytes]) -> Any:  # noqa: ANN401  (whatever was pickled)
    return _Unpickler(stream).load()


def _storage(stream: IO[bytes], dtype: np.dtype[Any]) -> NDArray[Any]:
    count = int(np.frombuffer(stream.read(8), "<i8")[0])
    return np.frombuffer(stream.read(count * dtype.itemsize), dtype, count)


def _tensor(view: _View, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Gather by index rather than by stride tricks: a wrong shape or stride then raises and never reads beyond."""
    index = np.full(view.shape, view.offset, np.int64)
    for axis, (size, stride) in enumerate(zip(view.shape, view.strides, strict=True)):
        index += (np.arange(size) * stride).reshape([-1 if i == axis else 1 for i in range(len(view.shape))])
    return storages[view.storage.key][index]
