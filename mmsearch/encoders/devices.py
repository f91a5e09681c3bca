"""Where encoders compute, and in which precision: `auto`, `cpu`, `cuda`, `cuda:1`, `cuda:0,1/bfloat16`, `cpu/float32`.

`auto` is every NVIDIA GPU that torch finds, in float16, and otherwise the CPU, in float32.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from mmsearch.encoders import heavy
from mmsearch.errors import DeviceUnavailable

VARIABLE = "MMSEARCH_DEVICE"
PRECISIONS = ("float32", "float16", "bfloat16")
_NAMED = re.compile(r"(?P<kind>auto|cpu|cuda)(:(?P<indices>\d+(,\d+)*))?(/(?P<precision>\w+))?")


@dataclass(frozen=True, slots=True)
class Device:
    """One kind of processor.

    Attributes:
        kind: `cpu` or `cuda`.
        indices: of the GPUs; none for the CPU.
        precision: of weights and activations; vectors are float32 always.
    """

    kind: str
    indices: tuple[int, ...]
    precision: str

    @property
    def is_plain(self) -> bool:
        """Whether it is the CPU in float32, where ONNX Runtime does the work."""
        return (self.kind, self.precision) == ("cpu", "float32")

    def check(self) -> None:
        """Whether torch can use it, which `auto` does not ask.

        Raises:
            DeviceUnavailable: it cannot.
            MissingExtra: torch is not installed.
        """
        if self.kind == "cuda" and not heavy.torch().cuda.is_available():
            raise DeviceUnavailable(
                f"there is an NVIDIA GPU, and torch cannot use it ({_why()}); --device cpu does without"
            )

    @property
    def places(self) -> tuple[str, ...]:
        """Each processor, as torch names it."""
        return tuple(f"cuda:{index}" for index in self.indices) or ("cpu",)


def name(named: str | None = None) -> str:
    """A device's name as it was given; `$MMSEARCH_DEVICE`, or `auto`, if none was."""
    return named or os.environ.get(VARIABLE) or "auto"


@cache
def choose(named: str | None = None) -> Device:
    """The device of that name; of `$MMSEARCH_DEVICE`, or `auto`, if none is given.

    Raises:
        DeviceUnavailable: it makes no sense, or is not there.
        MissingExtra: it needs torch, which is not installed.
    """
    wanted = name(named)
    match = _NAMED.fullmatch(wanted.strip().lower())
    precision = match["precision"] if match else None
    if (
        match is None
        or (precision or PRECISIONS[0]) not in PRECISIONS
        or (match["indices"] and match["kind"] != "cuda")
    ):
        raise DeviceUnavailable(
            f"{wanted!r} is no device; there are auto, cpu, cuda, cuda:1, cuda:0,1, and behind each, if wanted, "
            f"{', '.join('/' + precision for precision in PRECISIONS)}"
        )
    kind = match["kind"]
    there = 0
    if kind != "cpu":
        there = _count() if kind == "cuda" else _count_without_torch()
    if kind == "cpu" or (kind == "auto" and not there):
        return Device("cpu", (), precision or "float32")
    if not there:
        raise DeviceUnavailable(f"{wanted} was asked for, and torch finds no NVIDIA GPU ({_why()}); use cpu or auto")
    indices = tuple(dict.fromkeys(map(int, match["indices"].split(",")))) if match["indices"] else tuple(range(there))
    if max(indices) >= there:
        raise DeviceUnavailable(f"{wanted} was asked for, and the GPUs that torch finds are 0 to {there - 1}")
    return Device("cuda", indices, precision or "float16")


def _count_without_torch() -> int:
    """How many GPUs a torch that can use them will find. Importing it takes seconds, which a question does not have."""
    found = find_spec("torch")
    if found is None or found.origin is None:
        return 0
    built_for = re.search(r"^cuda\b[^=]*= *(\S+)", Path(found.origin).with_name("version.py").read_text("utf-8"), re.M)
    if built_for is None or built_for[1] == "None":
        return 0
    library = driver()
    count = ctypes.c_int(0)
    if library is None or library.cuInit(0) or library.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def driver() -> ctypes.CDLL | None:
    """NVIDIA's driver; None if it is not installed."""
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None


def _count() -> int:
    cuda = heavy.torch().cuda
    return int(cuda.device_count()) if cuda.is_available() else 0


def _why() -> str:
    torch = heavy.torch()
    return (
        "it was built for the CPU only" if torch.version.cuda is None else f"it was built for CUDA {torch.version.cuda}"
    )
