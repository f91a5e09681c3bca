"""Tables without vectors or with them: rows of JSON lines and Parquet files, as JSON values."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from mmsearch.errors import MediaError
from mmsearch.exchange.arrow import pyarrow
from mmsearch.exchange.batch import BATCH_ROWS
from mmsearch.media.text.jsonl import is_deep, objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def names(path: Path) -> list[str]:
    """The columns of a Parquet file; the names in the first line of a `.jsonl` file.

    Raises:
        MediaError, MissingExtra: as `records`.
    """
    if path.suffix != ".parquet":
        first = next(records(path), {})
        return [] if isinstance(first, MediaError) else list(first)
    with parquet(path) as file:
        return list(file.schema_arrow.names)


def records(path: Path) -> Iterator[dict[str, Any] | MediaError]:
    """The rows of a `.jsonl` or `.parquet` file; of a line that cannot be read, why.

    Raises:
        MediaError: the file cannot be read.
        MissingExtra: it is a Parquet file, and pyarrow is not installed.
    """
    if path.suffix != ".parquet":
        with readable(path), path.open("rb") as file:
            for _, found in objects(file):
                yield found
        return
    with parquet(path) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            yield from plain(batch)


@contextmanager
def parquet(path: Path) -> Iterator[Any]:
    """An open Parquet file (`pyarrow.parquet.ParquetFile`).

    Raises:
        MediaError: it is none, or the block finds that it cannot be read.
        MissingExtra: pyarrow is not installed.
    """
    arrow = pyarrow()
    with readable(path):
        try:
            with arrow.parquet.ParquetFile(path) as file:
                yield file
        except arrow.ArrowException as error:
            raise MediaError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from error


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Translate errors of the file system.

    Raises:
        MediaError: instead of them.
    """
    try:
        yield
    except OSError as error:
        raise MediaError(f"cannot read {path}: {error.strerror or error}") from error


def plain(batch: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  (pyarrow.RecordBatch)
    """The rows of a batch as JSON values; null and NaN are left out."""
    names = batch.schema.names
    columns = [_values(column) for column in batch.columns]
    if not columns:
        yield from ({} for _ in range(batch.num_rows))
    for values in zip(*columns, strict=True):
        yield {name: value for name, value in zip(names, values, strict=True) if value is not None}


def parsed(text: str | None) -> dict[str, Any]:
    """A JSON object that a column holds as text; empty for null.

    Raises:
        MediaError: it is none.
    """
    try:
        found = json.loads(text, parse_constant=_refuse) if text else {}
    except (ValueError, RecursionError, TypeError) as error:
        raise MediaError(f"its metadata or properties are not JSON: {error}") from error
    if not isinstance(found, dict) or is_deep(found):
        raise MediaError("its metadata or properties are no JSON object, or nested too deeply")
    return found


def _values(column: Any) -> list[Any]:  # noqa: ANN401  (pyarrow.Array)
    arrow = pyarrow()
    kind, values = column.type, column.to_pylist()
    simple = arrow.types.is_string(kind) or arrow.types.is_large_string(kind) or arrow.types.is_integer(kind)
    return values if simple or arrow.types.is_boolean(kind) else [_json(value) for value in values]


def _json(value: Any) -> Any:  # noqa: ANN401, PLR0911  (whatever a Parquet file can hold)
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            return float(value) if math.isfinite(value) else None
        case dict():
            return {str(name): _json(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_json(inner) for inner in value]
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.decode("utf-8", "replace")
    return str(value)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
