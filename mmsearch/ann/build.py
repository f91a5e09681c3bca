"""Build a structure from shards: trained on a sample, filled a part at a time. Memory holds the sample, then codes."""

from __future__ import annotations

import os
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.ann import on_gpu, scan
from mmsearch.ann.centroids import centroids
from mmsearch.ann.library import faiss
from mmsearch.ann.load import asked
from mmsearch.ann.recipe import GPU_KINDS, GRAPH_LISTS, PROVEN
from mmsearch.ann.structure import THREADS
from mmsearch.errors import StoreError
from mmsearch.store.shard import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mmsearch.ann.gpu import Card
    from mmsearch.ann.recipe import Recipe
    from mmsearch.ann.structure import Structure
    from mmsearch.store.snapshot import Shard
    from mmsearch.types import FloatArray

TOGETHER = 65_536  # rows handed to FAISS at once
SAMPLED = 64  # training rows for each list
LEAST_SAMPLED, MOST_SAMPLED = 20_000, 524_288
ITERATIONS = 10
SEED = 0
CONSTRUCTION = 80  # HNSW's queue while it is built


@dataclass(frozen=True, slots=True)
class Built:
    """A structure in a file.

    Attributes:
        structure: as it is in memory.
        path: of the file; forced to the disk.
        bytes: of the file.
        crc: crc32 of the file.
        seconds: that building took.
    """

    structure: Structure
    path: Path
    bytes: int
    crc: int
    seconds: float


def build(
    shards: Sequence[Shard],
    recipe: Recipe,
    path: Path,
    progress: Callable[[int, int], None] | None = None,
    card: Card | None = None,
) -> Built:
    """Build a structure over all rows of `shards`; labels are places in their concatenation, dead rows included.

    Written under another name, forced to the disk and renamed: a process that dies leaves no half structure at `path`.

    Args:
        shards: of one group.
        recipe: how.
        path: of the file.
        progress: told how many rows are in, and of how many.
        card: the GPU that builds what is made for GPUs.

    Raises:
        StoreError: the disk is full or cannot be written.
        IndexDamaged: a shard is missing or too short.
        MissingExtra: FAISS is not installed.
        DeviceUnavailable: it can only be built on a GPU, and there is none, or it is full.
    """
    start = time.perf_counter()
    faiss().omp_set_num_threads(THREADS)
    parts = _parts(shards, progress)
    if recipe.kind in GPU_KINDS:
        index = on_gpu.build(recipe, card, _sample(shards, recipe), parts, sum(shard.rows for shard in shards))
    else:
        proves = recipe.kind == PROVEN
        index = scan.empty(recipe.dim, _parts(shards)) if proves else _trained(recipe, _sample(shards, recipe))
        for rows in parts:
            index.add(rows)
    size, crc = _written(index, path)
    return Built(asked(index, recipe), path, size, crc, time.perf_counter() - start)


def _trained(recipe: Recipe, sample: FloatArray) -> Any:  # noqa: ANN401  (faiss.Index)
    library = faiss()
    index = library.index_factory(recipe.dim, recipe.factory, library.METRIC_INNER_PRODUCT)
    if recipe.kind == "hnsw":
        index.hnsw.efConstruction = CONSTRUCTION
    else:
        inverted = library.extract_index_ivf(index)
        inverted.cp.niter, inverted.cp.seed, inverted.cp.max_points_per_centroid = ITERATIONS, SEED, SAMPLED
        for clustering in (inverted.cp, *([index.pq.cp] if recipe.kind == "pq" else [])):
            clustering.min_points_per_centroid = 1  # it would warn on standard error
    if recipe.lists >= GRAPH_LISTS:
        coarse = library.downcast_index(inverted.quantizer)
        if hasattr(coarse, "hnsw"):
            coarse.hnsw.efConstruction = CONSTRUCTION
        coarse.add(centroids(sample, recipe.lists, SEED))  # FAISS then trains the codes alone
    index.train(sample)
    return index


def _written(index: Any, path: Path) -> tuple[int, int]:  # noqa: ANN401  (faiss.Index)
    """Bytes and crc32 of a structure, once it is on the disk under its name.

    Python writes the file: of a disk that is full when it closes a file, FAISS tells nobody.
    """
    library, draft = faiss(), path.with_name(f"{path.name}.new")
    size = crc = 0
    failed: OSError | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:

            def write(part: bytes) -> None:
                nonlocal size, crc, failed
                try:
                    if failed is None:
                        file.write(part)
                except OSError as error:  # must not be raised through FAISS
                    failed = error
                size, crc = size + len(part), zlib.crc32(part, crc)

            library.write_index(index, library.PyCallbackIOWriter(write, 1 << 20))
            if failed is not None:
                raise failed
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise StoreError(f"cannot write the structure {path}: {error.strerror}") from error
    return size, crc


def _sample(shards: Sequence[Shard], recipe: Recipe) -> FloatArray:
    """Some rows `(n, d)` to train with, drawn evenly and by a fixed seed from all live ones."""
    wanted = min(max(LEAST_SAMPLED, SAMPLED * recipe.lists), MOST_SAMPLED)
    random = np.random.default_rng(SEED)
    share = min(1.0, wanted / max(1, sum(shard.live for shard in shards)))
    drawn = []
    for shard in shards:
        live = np.ones(shard.rows, bool)
        live[shard.dead] = False
        places = np.flatnonzero(live)
        some = np.sort(random.choice(places, round(share * len(places)), replace=False))
        drawn.append(np.asarray(shard.matrix[some], np.float32))
    return np.concatenate(drawn)


def _parts(shards: Sequence[Shard], progress: Callable[[int, int], None] | None = None) -> Iterator[FloatArray]:
    total, done = sum(shard.rows for shard in shards), 0
    for shard in shards:
        for start in range(0, shard.rows, TOGETHER):
            yield np.ascontiguousarray(shard.matrix[start : start + TOGETHER], np.float32)
            done += min(TOGETHER, shard.rows - start)
            if progress is not None:
                progress(done, total)
