"""Sidecars: `metadata.jsonl` or `metadata.csv` beside the media, naming files and saying things about them.

The layout that Hugging Face's `imagefolder` data sets use: one record per file, which `file_name` (or `file`, `path`,
`name`) names relative to the folder of the sidecar; all other fields are the file's metadata.
"""

from __future__ import annotations

import csv
import io
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mmsearch.errors import MediaError
from mmsearch.media.source import open_source, reason
from mmsearch.media.text import jsonl
from mmsearch.media.text.table import value
from mmsearch.types import Metadata

NAMES: Final = ("metadata.csv", "metadata.jsonl")
"""What a sidecar is called. Where both are there, the fields of the second win."""

_KEYS: Final = ("file_name", "file", "path", "name")


def load(folder: Path) -> Mapping[str, Metadata]:
    """Metadata by file name, relative to `folder`, with `/` between parts; empty where there is no sidecar.

    In a CSV file, numbers and `true`/`false` become numbers and booleans, and an empty cell is an absent field.

    Raises:
        MediaError: a sidecar is malformed; names the file and the line.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, rows in zip(NAMES, (_csv_rows, _jsonl_rows), strict=True):
        path = folder / name
        if not os.path.isfile(path):  # noqa: PTH113  (Path's raises in a folder that may not be entered)
            continue
        try:
            for line, fields in rows(path):
                file, metadata = _split(line, fields)
                found.setdefault(file, {}).update(metadata)
        except MediaError as error:
            raise MediaError(f"{name}: {error}") from error
    return found


def _split(line: int, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    key = next((key for key in _KEYS if key in fields), None)
    if key is None:
        raise MediaError(f"line {line}: no file is named; one of {', '.join(_KEYS)} must be there")
    file = fields.pop(key)
    if not isinstance(file, str) or not file:
        raise MediaError(f"line {line}: {key} must be a file name, not {file!r}")
    return posixpath.normpath(file), fields


def _jsonl_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_source(path) as file:
        for line, fields in jsonl.objects(file):
            if isinstance(fields, MediaError):
                raise fields
            yield line, fields


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    # Decoded in blocks, so bad bytes are let through here and found in their line.
    with io.TextIOWrapper(open_source(path), "utf-8-sig", "surrogateescape", newline="") as file:
        reader = csv.reader(_valid(file), strict=True)
        try:
            header = next(reader, [])
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise MediaError(f"line {reader.line_num}: {len(row)} cells under a header of {len(header)}")
                cells = zip(header, row, strict=True)
                yield reader.line_num, {key: cell if key in _KEYS else value(cell) for key, cell in cells if cell}
        except csv.Error as error:
            raise MediaError(f"line {reader.line_num}: {error}") from error
        except OSError as error:
            raise MediaError(reason(error)) from error


def _valid(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            line.encode("utf-8")
        except UnicodeEncodeError as error:
            raise MediaError(f"line {number}: not valid UTF-8") from error
        yield line
