"""The GPUs that FAISS can use: their room, the thread that speaks to each, what is asked of FAISS there.

Only `Gpu` calls FAISS's GPU classes. FAISS's memory on a GPU must not be used by two threads at once, so that each GPU
has one thread of its own, in which everything on it is done; several GPUs work at the same time.
"""

from __future__ import annotations

import ctypes
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mmsearch.ann import placement
from mmsearch.ann.library import faiss, has_cuvs, has_gpus
from mmsearch.ann.recipe import GRAPH_DEGREE
from mmsearch.encoders.devices import driver
from mmsearch.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from mmsearch.ann.recipe import Recipe

Result = TypeVar("Result")
MOST_GPUS = 64
MOST_FETCHED = 2048  # FAISS selects no more on a GPU, nor probes more lists
FIRST_DEGREE = 128  # of the graph that CAGRA's is pruned from
QUEUE_STEP = 32  # CAGRA's queue is a multiple of it


class Card(Protocol):
    """What a GPU does for search; a CPU can stand for it."""

    number: int

    def free(self) -> int:
        """Bytes of it that are free."""

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Have something done in the thread of this GPU."""

    def flat16(self, dim: int) -> Any:  # noqa: ANN401  (faiss.Index)
        """An empty index that compares every row, in float16, by inner product. Call it in the thread."""

    def up(self, index: Any, recipe: Recipe) -> Any:  # noqa: ANN401
        """A copy on the GPU of an index on the CPU. Call it in the thread."""

    def graph(self, rows: Any, recipe: Recipe) -> Any:  # noqa: ANN401
        """CAGRA's graph over rows `(n, d)` float16. Call it in the thread."""

    def down(self, index: Any, recipe: Recipe) -> Any:  # noqa: ANN401
        """A copy on the CPU of an index on the GPU, which can be written. Call it in the thread."""

    def asked(self, recipe: Recipe, effort: int, fetch: int) -> dict[str, Any]:
        """Arguments of `search` that ask so widely."""


class Gpu:
    """One NVIDIA GPU.

    What FAISS raises there is a `RuntimeError`; a full GPU is one of the reasons.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._thread = ThreadPoolExecutor(1, f"mmsearch-gpu-{number}")
        self._resources: Any = None

    def free(self) -> int:
        """Bytes of it that are free; 0 if the driver does not say."""
        return free_bytes(self.number)

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Have something done in the thread of this GPU."""
        return self._thread.submit(work)

    @property
    def _memory(self) -> Any:  # noqa: ANN401  (faiss.StandardGpuResources)
        if self._resources is None:
            self._resources = faiss().StandardGpuResources()
        return self._resources

    def flat16(self, dim: int) -> Any:  # noqa: ANN401
        """An empty `GpuIndexFlatIP` in float16."""
        library = faiss()
        config = library.GpuIndexFlatConfig()
        config.device, config.useFloat16, config.use_cuvs = self.number, True, False
        return library.GpuIndexFlatIP(self._memory, dim, config)

    def up(self, index: Any, recipe: Recipe) -> Any:  # noqa: ANN401
        """A copy on the GPU of an `IndexIVFPQ`, trained or not, or of an `IndexHNSWCagra`."""
        library = faiss()
        if recipe.kind == "cagra":
            found = self._cagra(recipe)
            found.copyFrom_ex(index, library.Float16)
            return found
        options = library.GpuClonerOptions()
        # Longer codes than 56 bytes need the smaller tables.
        options.useFloat16, options.usePrecomputed, options.use_cuvs = True, False, False
        return library.index_cpu_to_gpu(self._memory, self.number, index, options)

    def graph(self, rows: Any, recipe: Recipe) -> Any:  # noqa: ANN401
        """CAGRA's graph over rows `(n, d)` float16 (Ootomo et al., 2024)."""
        found = self._cagra(recipe)
        found.train(rows, numeric_type=faiss().Float16)
        return found

    def down(self, index: Any, recipe: Recipe) -> Any:  # noqa: ANN401
        """An `IndexIVFPQ`, or an `IndexHNSWCagra` that has only the graph's one level."""
        library = faiss()
        if recipe.kind != "cagra":
            return library.index_gpu_to_cpu(index)
        found = library.IndexHNSWCagra()
        found.base_level_only = True  # else the CPU would build the levels of HNSW
        index.copyTo(found)
        return found

    def asked(self, recipe: Recipe, effort: int, fetch: int) -> dict[str, Any]:
        """Arguments of `search`: lists to probe, or the length of CAGRA's queue."""
        library = faiss()
        if recipe.kind != "cagra":
            return {"params": library.SearchParametersIVF(nprobe=min(effort, MOST_FETCHED))}
        queue = -(-max(effort, fetch) // QUEUE_STEP) * QUEUE_STEP
        return {"params": library.SearchParametersCagra(itopk_size=queue), "numeric_type": library.Float16}

    def _cagra(self, recipe: Recipe) -> Any:  # noqa: ANN401
        library = faiss()
        config = library.GpuIndexCagraConfig()
        config.device, config.graph_degree, config.intermediate_graph_degree = self.number, GRAPH_DEGREE, FIRST_DEGREE
        return library.GpuIndexCagra(self._memory, recipe.dim, library.METRIC_INNER_PRODUCT, config)


def found(device: str = "auto") -> tuple[Gpu, ...]:
    """The GPUs that a device text means and FAISS can use; one warning if it asks for some that are not there.

    Args:
        device: see `placement.numbers`. `auto` is every GPU, or none without a warning.

    Raises:
        DeviceUnavailable: the text makes no sense.
    """
    wanted = placement.numbers(device, MOST_GPUS)
    if device.startswith("auto") and driver() is None:
        return ()  # and FAISS need not be loaded to know it
    there = faiss().get_num_gpus() if wanted and has_gpus() else 0
    numbers = placement.numbers(device, there)
    missing = [number for number in wanted if number not in numbers] if ":" in device else []
    if (missing or (wanted and not numbers)) and not device.strip().lower().startswith("auto"):
        tell(f"{device}: {_why(there, missing)}; searched on {'the others' if numbers else 'the CPU'}")
    return tuple(_gpu(number) for number in numbers)


def _why(there: int, missing: Sequence[int]) -> str:
    try:
        faiss()
    except MissingExtra as error:
        return str(error)
    if not has_gpus():
        return 'this FAISS was built without GPUs: pip uninstall faiss-cpu, then pip install "mmsearch[gpu]"'
    if not there:
        return "FAISS finds no NVIDIA GPU, or a driver that is too old for it"
    return f"there is no GPU {', '.join(map(str, missing))}, the last one is {there - 1}"


@cache
def _gpu(number: int) -> Gpu:
    return Gpu(number)


@cache
def tell(sentence: str) -> None:
    """Warn, once in a process, that something is searched on the CPU."""
    warnings.warn(sentence, RuntimeWarning, stacklevel=3)


def free_bytes(number: int) -> int:
    """Free bytes of a GPU; 0 if the driver does not say. FAISS does not tell."""
    library = driver()
    if library is None:
        return 0
    device, context, before = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    # The context is the one that FAISS uses. It is not released: a context that nobody holds is torn down.
    if (
        library.cuInit(0)
        or library.cuDeviceGet(ctypes.byref(device), number)
        or library.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
        or library.cuCtxPushCurrent_v2(context)
    ):
        return 0
    wrong = library.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
    library.cuCtxPopCurrent_v2(ctypes.byref(before))
    return 0 if wrong else free.value


def can_build(recipe: Recipe) -> bool:
    """Whether this build of FAISS knows a structure of GPUs: CAGRA needs cuVS."""
    return has_cuvs() if recipe.kind == "cagra" else has_gpus()
