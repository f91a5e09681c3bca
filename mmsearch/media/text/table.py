"""Tables (`.csv`, `.tsv`): an item for each row where a column has texts; else a text of all rows.

::

    id;Text;year              caption a column `text`, `caption` or `content`: records, as of JSON lines
    7;A dog barks.;2024       ─► key 7, text "A dog barks.", metadata {year: 2024}

    town,inhabitants          none: one text of parts "town, inhabitants" · "Rome, 2800000" · ..
    Rome,2800000
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from mmsearch.errors import MediaError
from mmsearch.media.source import open_source, reason
from mmsearch.media.text import encodings
from mmsearch.media.text import plain as text
from mmsearch.types import Medium, Modality, Segment

if TYPE_CHECKING:
    from _csv import Reader as _Reader

MAX_CELL: Final = 1 << 24
"""Longer cells, in characters, are refused, and so are longer lines: a quotation mark that stands alone, or a file
without line ends, must not fill the memory."""

_SAMPLE: Final = 1 << 16
_DELIMITERS: Final = "\t;|,"
_TOLD: Final = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # as Excel writes it for itself
_NONE: Final = "\x1f"  # no text has it
_INTEGER: Final = re.compile(r"-?(0|[1-9]\d{0,17})")  # 007 is a name, and 64 bits hold 18 digits
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,2})?")
_BOOLEAN: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are told apart.

    Attributes:
        delimiter: what stands between two cells; a character that no text has, if there is one column.
        quoted: whether a cell may stand in quotation marks, with delimiters and line ends in it.
    """

    delimiter: str
    quoted: bool = True

    def reader(self, lines: Iterator[str]) -> _Reader:
        """One of the standard library."""
        if self.quoted:
            return csv.reader(lines, delimiter=self.delimiter)
        return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)

    def regularity(self, sample: str) -> float:
        """How many rows have as many cells as the first one, from 0 to 1; 0 if it has only one."""
        rows = self._sampled(sample)
        return sum(len(row) == len(rows[0]) for row in rows) / len(rows) if rows and len(rows[0]) > 1 else 0.0

    def spans_lines(self, sample: str) -> bool:
        """Whether there are line ends in cells."""
        return any("\n" in cell or "\r" in cell for row in self._sampled(sample) for cell in row)

    def _sampled(self, sample: str) -> list[list[str]]:
        """Rows that are not blank; without the last one, if the sample is cut off."""
        with _long_cells():
            rows = [row for row in self.reader(iter(io.StringIO(sample, newline=""))) if row]
        return rows[:-1] if len(sample) >= _SAMPLE and len(rows) > 1 else rows


def read(source: bytes | Path) -> Iterator[Medium | MediaError]:
    """The records of a table, or its rows as the parts of one text. In constant memory, if it is UTF-8.

    Records follow the rules of `text.records`; cells that are numbers or `true` and `false` become numbers and
    booleans, and an empty cell is an absent field. Names of columns are taken as they are, but for the case of `id`,
    `text`, `caption` and `content`.

    Yields:
        Media; a `MediaError` for a row without a text or with more cells than the header, or for a cell that is too
        long: in its place among records, after the medium where rows are parts.

    Raises:
        MediaError: the file as a whole cannot be read.
    """
    with open_source(source) as binary, encodings.stream(binary) as file:
        sample = file.read(_SAMPLE)
        file.seek(0)
        told = _TOLD.match(sample)
        dialect = Dialect(told[1]) if told else dialect_of(sample)
        rows = _rows(file, dialect)
        if told:
            next(rows)
        header = next((row for _, row in rows if not isinstance(row, MediaError)), None)
        if header is None:
            raise MediaError("no text: only blank lines")
        names = _names(header)
        if set(names) & set(text.FIELDS):
            yield from _records(names, rows)
        else:
            bad: list[MediaError] = []
            yield Medium(Modality.TEXT, _parts(header, rows, bad))
            yield from bad


def value(cell: str) -> str | int | float | bool:
    """A cell as a number or a boolean, if it is one."""
    if cell.lower() in _BOOLEAN:
        return _BOOLEAN[cell.lower()]
    if _INTEGER.fullmatch(cell):
        return int(cell)
    return float(cell) if _NUMBER.fullmatch(cell) and math.isfinite(float(cell)) else cell


def dialect_of(sample: str) -> Dialect:
    """The dialect in which most rows have as many cells as the header, and the header more than one.

    The sniffer of the standard library takes letters for delimiters, and commas in sentences.
    """
    best, most = Dialect(_NONE), 0.0
    for delimiter in _DELIMITERS:
        dialect = Dialect(delimiter)
        same = dialect.regularity(sample)
        if dialect.spans_lines(sample) and Dialect(delimiter, quoted=False).regularity(sample) == 1.0:
            dialect, same = Dialect(delimiter, quoted=False), 1.0  # quotation marks are only marks here
        if same > most:
            best, most = dialect, same
    return best


def _names(header: list[str]) -> list[str]:
    """Names of columns; a second one of the same name gets a number, one without a name stays so."""
    seen: Counter[str] = Counter()
    names = []
    for cell in header:
        name = cell.strip()
        name = name.lower() if name.lower() in (*text.FIELDS, "id") else name
        seen[name] += 1
        names.append(name if seen[name] == 1 or not name else f"{name} {seen[name]}")
    return names


def _records(names: list[str], rows: Iterator[tuple[int, list[str] | MediaError]]) -> Iterator[Medium | MediaError]:
    empty = True
    for line, row in rows:
        empty = False
        if isinstance(row, MediaError):
            yield row
        elif any(row[len(names) :]):
            yield MediaError(f"line {line}: {len(row)} cells under a header of {len(names)}")
        else:
            cells = {name: cell for name, cell in zip(names, row, strict=False) if name and cell}
            verbatim = (*text.FIELDS, "id")
            yield text.record(line, {name: cell if name in verbatim else value(cell) for name, cell in cells.items()})
    if empty:
        raise MediaError("no text: a header and no rows")


def _parts(
    header: list[str], rows: Iterator[tuple[int, list[str] | MediaError]], bad: list[MediaError]
) -> Iterator[Segment]:
    yield Segment(_joined(header))
    for _, row in rows:
        if isinstance(row, MediaError):
            bad.append(row)
        elif line := _joined(row):
            yield Segment(line)


def _joined(row: list[str]) -> str:
    return ", ".join(filter(None, map(str.strip, row)))


def _rows(file: TextIO, dialect: Dialect) -> Iterator[tuple[int, list[str] | MediaError]]:
    """Rows that are not blank, or what is wrong with one, with the line that it begins in, from 1."""
    reader = dialect.reader(_lines(file))
    while True:
        line = reader.line_num + 1
        try:
            with _long_cells():
                row = next(reader)
        except StopIteration:
            return
        except csv.Error:  # the only one that there is: without `strict`, all else is read as it stands
            yield line, MediaError(f"line {line}: a cell of more than {MAX_CELL >> 20} million characters")
            continue
        if any(cell and not cell.isspace() for cell in row):
            yield line, row


def _lines(file: TextIO) -> Iterator[str]:
    try:
        while line := file.readline(MAX_CELL):
            if len(line) == MAX_CELL:
                raise MediaError(f"a line of more than {MAX_CELL >> 20} million characters")
            yield line
    except OSError as error:
        raise MediaError(reason(error)) from error


@contextmanager
def _long_cells() -> Iterator[None]:
    """Raise the standard library's limit, which is the whole process's, for one call."""
    before = csv.field_size_limit(MAX_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)
