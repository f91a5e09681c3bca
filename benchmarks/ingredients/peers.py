"""Other people's approximate search: libraries that return labels, and engines that keep, filter and return rows.

Each is built with two threads and yields the settings that it is swept over, as a label and a question: `(1, d)` in,
ten labels out. One that is not installed raises ImportError when it is built.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

K, LINKS, CONSTRUCTION = 10, 32, 80
BUILDERS = 2
EFFORTS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
PROBES = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
CANDIDATES = (2, 4, 8, 16, 32)  # for each answer, that are scored again

Ask = Callable[[np.ndarray], np.ndarray]
Settings = Callable[[], Iterator[tuple[str, Ask]]]


@dataclass
class Peer:
    """What was built.

    Attributes:
        name: in the table.
        kind: `library` or `engine`.
        seconds: that building took.
        memory: bytes resident, where it says so or they are known; 0 if not.
        disk: bytes of its files; 0 if it writes none.
        settings: yields what is swept.
        held: what must live as long.
    """

    name: str
    kind: str
    seconds: float
    memory: int
    disk: int
    settings: Settings
    held: object = field(default=None, repr=False)


def faiss_flat(rows: np.ndarray) -> Iterator[Peer]:
    import faiss

    start, index = time.perf_counter(), faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)

    def settings() -> Iterator[tuple[str, Ask]]:
        faiss.omp_set_num_threads(1)
        yield "", lambda query: index.search(query, K)[1][0]

    yield Peer("FAISS flat (exact)", "library", time.perf_counter() - start, rows.nbytes, rows.nbytes, settings)


def faiss_index(rows: np.ndarray, factory: str) -> Iterator[Peer]:
    """A structure of FAISS, bare and with what it calls refining by a copy of all vectors."""
    import faiss

    faiss.omp_set_num_threads(BUILDERS)
    start, index = time.perf_counter(), faiss.index_factory(rows.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    graph = factory.startswith("HNSW")
    if graph:
        index.hnsw.efConstruction = CONSTRUCTION
    index.train(rows[np.random.default_rng(0).permutation(len(rows))[:100_000]])
    index.add(rows)
    seconds, size = time.perf_counter() - start, len(faiss.serialize_index(index))
    refined = faiss.IndexRefineFlat(index, faiss.swig_ptr(rows))

    def parameters(effort: int) -> object:
        if graph:
            return faiss.SearchParametersHNSW(efSearch=effort)
        more = {"quantizer_params": faiss.SearchParametersHNSW(efSearch=2 * effort + 32)} if "_HNSW" in factory else {}
        return faiss.SearchParametersIVF(nprobe=effort, **more)

    def bare() -> Iterator[tuple[str, Ask]]:
        faiss.omp_set_num_threads(1)
        for effort in EFFORTS if graph else PROBES:
            chosen = parameters(effort)
            yield str(effort), lambda query, chosen=chosen: index.search(query, K, params=chosen)[1][0]

    def again() -> Iterator[tuple[str, Ask]]:
        faiss.omp_set_num_threads(1)
        for effort in EFFORTS if graph else PROBES[1:]:
            for factor in (2,) if graph else CANDIDATES:
                chosen = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=parameters(effort))
                yield f"{effort}/{factor}", lambda query, chosen=chosen: refined.search(query, K, params=chosen)[1][0]

    yield Peer(f"FAISS {factory}", "library", seconds, size, size, bare, index)
    yield Peer(f"FAISS {factory} + refine", "library", seconds, size + rows.nbytes, size + rows.nbytes, again, refined)


def hnswlib(rows: np.ndarray) -> Iterator[Peer]:
    import hnswlib as library

    start, index = time.perf_counter(), library.Index(space="ip", dim=rows.shape[1])
    index.init_index(max_elements=len(rows), ef_construction=CONSTRUCTION, M=LINKS)
    index.add_items(rows, num_threads=BUILDERS)
    seconds, size = time.perf_counter() - start, index.index_file_size()

    def settings() -> Iterator[tuple[str, Ask]]:
        for effort in EFFORTS:
            index.set_ef(effort)
            yield str(effort), lambda query: index.knn_query(query, K, num_threads=1)[0][0].astype(np.int64)

    yield Peer("hnswlib", "library", seconds, size, size, settings, index)


def usearch(rows: np.ndarray, number: str) -> Iterator[Peer]:
    from usearch.index import Index

    start = time.perf_counter()
    index = Index(ndim=rows.shape[1], metric="ip", dtype=number, connectivity=LINKS, expansion_add=CONSTRUCTION)
    index.add(np.arange(len(rows)), rows, threads=BUILDERS)
    seconds = time.perf_counter() - start

    def settings() -> Iterator[tuple[str, Ask]]:
        for effort in EFFORTS:
            index.expansion_search = effort
            yield str(effort), lambda query: index.search(query[0], K, threads=1).keys.astype(np.int64)

    yield Peer(f"usearch {number}", "library", seconds, index.memory_usage, index.serialized_length, settings, index)


def lancedb(rows: np.ndarray) -> Iterator[Peer]:
    """One table with an id, a number and the vector; the graph of 8 bits a number is the fastest that it has."""
    import lancedb as library
    import pyarrow as pa

    with tempfile.TemporaryDirectory() as folder:
        start, dim = time.perf_counter(), rows.shape[1]
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), dim)
        ids, numbers = pa.array([str(i) for i in range(len(rows))]), pa.array(range(len(rows)))
        held = pa.table({"id": ids, "number": numbers, "vector": vectors})
        table = library.connect(folder).create_table("rows", held)
        table.create_index(
            metric="dot", index_type="IVF_HNSW_SQ", num_partitions=1, m=LINKS, ef_construction=CONSTRUCTION
        )
        seconds = time.perf_counter() - start

        def ask(effort: int, factor: int) -> Ask:
            def run(query: np.ndarray) -> np.ndarray:
                wanted = table.search(query[0]).distance_type("dot").nprobes(1).ef(effort).limit(K)
                wanted = wanted.refine_factor(factor) if factor else wanted
                found = wanted.select(["id", "number", "_distance"]).to_list()
                return np.array([int(row["id"]) for row in found])

            return run

        def settings() -> Iterator[tuple[str, Ask]]:
            for effort, factor in ((32, 0), (64, 0), (128, 0), (64, 2), (128, 2), (256, 2), (128, 4), (256, 4)):
                yield f"{effort}/{factor}", ask(effort, factor)

        yield Peer("lancedb IVF_HNSW_SQ", "engine", seconds, 0, size_of(folder), settings, table)


def chromadb(rows: np.ndarray) -> Iterator[Peer]:
    import chromadb as library

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        client = library.PersistentClient(folder, library.Settings(anonymized_telemetry=False))
        graph = {"space": "ip", "max_neighbors": LINKS, "ef_construction": CONSTRUCTION, "num_threads": BUILDERS}
        rowset = client.create_collection("rows", configuration={"hnsw": {**graph, "sync_threshold": 5000}})
        for first in range(0, len(rows), 5000):
            some = range(first, min(first + 5000, len(rows)))
            rowset.add([str(i) for i in some], embeddings=rows[first : some[-1] + 1],
                       metadatas=[{"number": i} for i in some])  # fmt: skip
        seconds = time.perf_counter() - start

        def ask(query: np.ndarray) -> np.ndarray:
            found = rowset.query(query_embeddings=query, n_results=K, include=["metadatas", "distances"])
            return np.array([int(id_) for id_ in found["ids"][0]])

        def settings() -> Iterator[tuple[str, Ask]]:
            for effort in (16, 32, 64, 100, 200, 400):
                rowset.modify(configuration={"hnsw": {"ef_search": effort}})
                yield str(effort), ask

        yield Peer("chromadb", "engine", seconds, 0, size_of(folder), settings, client)


def size_of(folder: str | Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
