"""Vectors from Parquet files: those that `export` wrote, and any others with a column of lists of numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import MediaError
from mmsearch.exchange import rows, table
from mmsearch.exchange.arrow import pyarrow
from mmsearch.exchange.batch import BATCH_ROWS, Batch, Columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """A Parquet file; `joins` and `model` as in `Source`, set for those that `export` wrote."""

    place: Path
    rows: int
    columns: Columns
    joins: bool = False
    model: Mapping[str, Any] | None = None

    def batches(self, dim: int) -> Iterator[Batch]:
        """See `Source`."""
        vector = self.columns.vector
        first, any_right, other = 0, False, 0
        with table.parquet(self.place) as file:
            names = [name for name in file.schema_arrow.names if name != vector]
            for batch in file.iter_batches(BATCH_ROWS):
                vectors, lengths = _vectors(batch.column(vector), dim)
                wrong = {int(i): _length(int(lengths[i]), dim) for i in np.flatnonzero(lengths != dim)}
                entries = []
                for i, values in enumerate(table.plain(batch.select(names))):
                    try:
                        entries.append(self._entry(values, first + i))
                    except MediaError as error:
                        entries.append({"id": values.get("id")})
                        wrong[i] = str(error)
                any_right = any_right or bool((lengths == dim).any())
                other = max(other, int(lengths.max(initial=0)))
                if not any_right and other:
                    raise MediaError(f"{self.place}: its vectors have {other} numbers, the index needs {dim}")
                yield Batch(first, vectors, entries, wrong)
                first += batch.num_rows

    def _entry(self, values: dict[str, Any], number: int) -> dict[str, Any]:
        if not self.joins:
            return self.columns.entry(values, f"{self.place.stem}:{number}")
        return own(values | {name: table.parsed(values.get(name)) for name in rows.OBJECTS})


def own(values: dict[str, Any]) -> dict[str, Any]:
    """The entry of a row that `export` wrote. The path goes to the metadata: there is no file of it in the index."""
    metadata = values.get("metadata") or {}
    if values.get("path") is not None:
        metadata = {"path": values["path"], **metadata}
    return {**values, "metadata": metadata}


def open_parquet(path: Path, columns: Columns) -> ParquetSource:
    """Look at the columns of a file.

    Raises:
        MediaError: it cannot be read, a column that was named is not there, or it is not clear which holds the vectors.
        MissingExtra: pyarrow is not installed.
    """
    with table.parquet(path) as file:
        schema, count = file.schema_arrow, file.metadata.num_rows
    about = (schema.metadata or {}).get(b"mmsearch")
    if about is not None and set(rows.COLUMNS) | {rows.VECTOR} <= set(schema.names):
        return ParquetSource(path, count, Columns(vector=rows.VECTOR), True, described(about, path))
    lists = [field.name for field in schema if _is_vector(field.type)]
    for name in (columns.id, columns.vector, *(columns.metadata or ())):
        if name is not None and name not in schema.names:
            raise MediaError(f"{path} has no column {name!r}; there are: {', '.join(schema.names)}")
    if columns.vector is not None and columns.vector not in lists:
        raise MediaError(f"the column {columns.vector!r} of {path} holds no lists of floating numbers")
    if columns.vector is None and len(lists) != 1:
        found = f"these hold lists of numbers: {', '.join(lists)}" if lists else "none holds lists of numbers"
        raise MediaError(f"name the column of {path} that holds the vectors; {found}")
    return ParquetSource(path, count, replace(columns.among(schema.names), vector=columns.vector or lists[0]))


def described(about: bytes, path: Path) -> Mapping[str, Any]:
    """The model that a file of ours names.

    Raises:
        MediaError: it cannot be read, or a newer mmsearch wrote it.
    """
    try:
        found = json.loads(about)
        made, model = int(found["format"]), dict(found["model"])
    except (ValueError, TypeError, KeyError) as error:
        raise MediaError(f"{path}: what it says of its model cannot be read") from error
    if made > rows.FORMAT:
        raise MediaError(f"{path} has format {made}, this mmsearch reads up to {rows.FORMAT}; upgrade mmsearch")
    return model


def _is_vector(kind: Any) -> bool:  # noqa: ANN401  (pyarrow.DataType)
    types = pyarrow().types
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(is_list and types.is_floating(kind.value_type))


def _vectors(column: Any, dim: int) -> tuple[NDArray[Any], NDArray[np.int64]]:  # noqa: ANN401  (pyarrow.Array)
    """Vectors `(n, dim)`, NaN where there is none of that length, and the lengths `(n,)`, -1 for null."""
    arrow = pyarrow()
    lengths = arrow.compute.fill_null(arrow.compute.list_value_length(column), -1)
    lengths = lengths.to_numpy(zero_copy_only=False).astype(np.int64)
    right = lengths == dim
    kept = column if right.all() else column.filter(arrow.array(right))
    flat = arrow.compute.list_flatten(kept).to_numpy(zero_copy_only=False)
    if right.all():
        return flat.reshape(-1, dim), lengths
    vectors = np.full((len(lengths), dim), np.nan, flat.dtype)
    vectors[right] = flat.reshape(-1, dim)
    return vectors, lengths


def _length(found: int, dim: int) -> str:
    return "it has no vector" if found < 0 else f"its vector has {found} numbers, not {dim}"
