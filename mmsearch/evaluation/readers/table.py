"""Tables in text files: their columns by name, whatever separates them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.errors import DatasetError, MediaError
from mmsearch.media.text import encodings

if TYPE_CHECKING:
    from _csv import Reader

_SEPARATORS = "|\t;,"  # a name or a header holds none of the first three


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds.

    Attributes:
        rows: cells by column. What a row has not is absent; cells beyond the last column belong to that one.
        broken: numbers of the lines that lack a cell which every row needs, or have a blank one.
    """

    rows: list[dict[str, str]]
    broken: list[int]


def text(path: Path) -> str:
    """All of a file, in whatever encoding it is.

    Raises:
        DatasetError: it cannot be read, or is no text.
    """
    try:
        return encodings.read(path)
    except MediaError as error:
        raise DatasetError(f"{path}: {error}") from error


def columns(first_line: str) -> tuple[str, ...]:
    """The names of columns that a first line states: lower case, without blanks around and in quotes or not."""
    cells = next(csv.reader([first_line], delimiter=_separator(first_line)), [])
    return tuple(cell.strip().strip("\ufeff\"'").strip().lower() for cell in cells)


def read(path: Path, needed: Iterable[str]) -> Table:
    """Read a file whose first line names the columns.

    Args:
        path: the file.
        needed: columns that no row can do without.

    Raises:
        DatasetError: the file cannot be read, or has no row.
    """
    content = text(path)
    header = next((line for line in content.splitlines() if line.strip()), "")
    names, separator = columns(header), _separator(header)
    wanted, table = tuple(needed), Table([], [])
    try:
        _, *rows = _cells(content, separator) or [(0, [])]
    except csv.Error as error:
        raise DatasetError(f"{path}: {error}") from error
    for line, cells in rows:
        row = dict(zip(names, _fold(cells, len(names), separator), strict=False))
        if all(row.get(name, "").strip() for name in wanted):
            table.rows.append(row)
        else:
            table.broken.append(line)
    if not table.rows:
        raise DatasetError(f"{path}: there are no rows with {' and '.join(wanted)}")
    return table


def _cells(content: str, separator: str) -> list[tuple[int, list[str]]]:
    """The cells of all lines that are not blank, and the number of the line that each ends with.

    Only where commas separate are quotes needed to keep a caption in one cell; elsewhere they are part of it. So they
    are where they do not pair: a caption that begins with one would swallow all lines up to the next.
    """
    if separator in ",;":
        with suppress(csv.Error):
            return _lines(csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True))
    return _lines(csv.reader(io.StringIO(content, newline=""), delimiter=separator, quotechar=None))


def _lines(found: Reader) -> list[tuple[int, list[str]]]:
    return [(found.line_num, cells) for cells in found if any(cell.strip() for cell in cells)]


def _fold(cells: Sequence[str], n: int, separator: str) -> list[str]:
    """A caption with commas that nobody quoted, the last of n columns, in one piece."""
    return [*cells[: n - 1], separator.join(cells[n - 1 :])] if len(cells) > n else list(cells)


def _separator(first_line: str) -> str:
    return next((one for one in _SEPARATORS if one in first_line), ",")
