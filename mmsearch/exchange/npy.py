"""Vectors from `.npy` files, with what is known of them in a table beside: our own folders, and clip-retrieval's.

::

    ours             vectors.npy, rows.jsonl, about.json
    a file           NAME.npy, NAME.jsonl or NAME.parquet
    a folder         one .npy, and one .jsonl or .parquet
    clip-retrieval   img_emb/img_emb_0.npy …, text_emb/text_emb_0.npy …, metadata/metadata_0.parquet …

Line i of the table is about vector i.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import MediaError
from mmsearch.exchange import table
from mmsearch.exchange.batch import BATCH_ROWS, Batch, Columns
from mmsearch.exchange.export import ABOUT, ROWS, VECTORS
from mmsearch.exchange.parquet import described, own

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

KINDS = {"img": "image", "text": "text", "audio": "audio"}
"""Modalities by the names that clip-retrieval has for them."""
CAPTIONS = ("caption", "text")


@dataclass(frozen=True, slots=True)
class Part:
    """Vectors `(n, d)` in files by modality, vector i of each about the same thing, and the table of these things."""

    files: Mapping[str, Path]
    table: Path | None
    name: str


@dataclass(frozen=True, slots=True)
class NpySource:
    """See `Source`. With `ours`, the tables have the columns of `rows.COLUMNS`."""

    place: Path
    parts: tuple[Part, ...]
    columns: Columns
    ours: bool = False
    model: Mapping[str, Any] | None = None
    rows: int = field(init=False)

    def __post_init__(self) -> None:
        total = sum(len(mapped(file)) for part in self.parts for file in part.files.values())
        object.__setattr__(self, "rows", total)

    @property
    def joins(self) -> bool:
        """See `Source`."""
        return self.ours or any(len(part.files) > 1 for part in self.parts)

    def batches(self, dim: int) -> Iterator[Batch]:
        """See `Source`."""
        first = 0
        for part in self.parts:
            matrices = {modality: mapped(file) for modality, file in part.files.items()}
            lengths = {len(matrix) for matrix in matrices.values()}
            for modality, file in part.files.items():
                if matrices[modality].shape[1] != dim:
                    found = matrices[modality].shape[1]
                    raise MediaError(f"{file}: its vectors have {found} numbers, the index needs {dim}")
            if len(lengths) != 1:
                raise MediaError(f"{self.place}: the files of part {part.name} have different numbers of vectors")
            (length,) = lengths
            # Without a table there is no column that could be the id: vectors are numbered.
            bare = replace(self.columns, id=None)
            columns = bare if part.table is None else self.columns.among(table.names(part.table))
            lines = table.records(part.table) if part.table is not None else ({} for _ in count())
            for start in range(0, length, BATCH_ROWS // len(matrices)):
                end = min(start + BATCH_ROWS // len(matrices), length)
                found = list(islice(lines, end - start))
                if len(found) < end - start:
                    raise MediaError(f"{part.table} has {start + len(found)} rows for {length} vectors")
                some = [matrix[start:end] for matrix in matrices.values()]
                vectors = some[0] if len(some) == 1 else np.stack(some, axis=1).reshape(-1, dim)
                yield Batch(first, vectors, *self._entries(found, part, start, columns))
                first += len(vectors)
            if part.table is not None and next(lines, None) is not None:
                raise MediaError(f"{part.table} has more rows than there are vectors: {length}")

    def _entries(
        self, found: list[dict[str, Any] | MediaError], part: Part, start: int, columns: Columns
    ) -> tuple[list[dict[str, Any]], dict[int, str]]:
        """Entries, and what is wrong, for the vectors of some lines."""
        entries: list[dict[str, Any]] = []
        wrong: dict[int, str] = {}
        for i, values in enumerate(found):
            for modality in part.files:
                if isinstance(values, MediaError):
                    wrong[len(entries)] = str(values)
                    entries.append({"id": None})
                elif self.ours:
                    entries.append(own(values))
                else:
                    entry = columns.entry(values, f"{part.name}:{start + i}")
                    entry["modality"] = modality
                    if modality == "text":
                        captions = (values[name] for name in CAPTIONS if isinstance(values.get(name), str))
                        entry["excerpt"] = next(captions, None)
                    entries.append(entry)
        return entries, wrong


def open_npy(path: Path, columns: Columns) -> NpySource:
    """A `.npy` file or a folder of such files.

    Raises:
        MediaError: it is not clear what belongs to what, or a file cannot be read.
    """
    if path.is_file():
        beside = [path.with_suffix(suffix) for suffix in (".jsonl", ".parquet")]
        tables = [file for file in beside if file.is_file()]
        return NpySource(path, (Part({columns.modality: path}, tables[0] if tables else None, path.stem),), columns)
    if (path / VECTORS).is_file() and (path / ROWS).is_file() and (path / ABOUT).is_file():
        with table.readable(path / ABOUT):
            model = described((path / ABOUT).read_bytes(), path / ABOUT)
        part = Part({columns.modality: path / VECTORS}, path / ROWS, path.name)
        return NpySource(path, (part,), columns, True, model)
    parts = _clip_retrieval(path)
    if parts:
        return NpySource(path, parts, columns)
    vectors = sorted(path.glob("*.npy"))
    tables = sorted([*path.glob("*.jsonl"), *path.glob("*.parquet")])
    if len(vectors) != 1 or len(tables) > 1:
        raise MediaError(
            f"{path} is no export, nor has it img_emb/img_emb_0.npy …, nor one .npy and one .jsonl or .parquet: "
            f"it has {len(vectors)} and {len(tables)} of these"
        )
    part = Part({columns.modality: vectors[0]}, tables[0] if tables else None, vectors[0].stem)
    return NpySource(path, (part,), columns)


def _clip_retrieval(path: Path) -> tuple[Part, ...]:
    found: dict[str, dict[str, Path]] = {}
    for kind, modality in KINDS.items():
        for file in (path / f"{kind}_emb").glob(f"{kind}_emb_*.npy"):
            number = re.fullmatch(rf"{kind}_emb_(\d+)", file.stem)
            if number:
                found.setdefault(number[1], {})[modality] = file
    parts = []
    for name, files in sorted(found.items(), key=lambda one: (int(one[0]), one[0])):
        beside = path / "metadata" / f"metadata_{name}.parquet"
        parts.append(Part(files, beside if beside.is_file() else None, name))
    return tuple(parts)


def mapped(path: Path) -> NDArray[Any]:
    """The matrix `(n, d)` in a `.npy` file, memory-mapped.

    Raises:
        MediaError: it holds no matrix of floating numbers.
    """
    with table.readable(path):
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise MediaError(f"{path} cannot be read as .npy: {error}") from error
    if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype.kind != "f":
        what = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else "an archive"
        raise MediaError(f"{path} holds no matrix of floating numbers, but {what}")
    return found
