"""A manifest on disk, as a list of entries: a JSON list, `{"items": [...]}`, or JSON Lines.

Entries are only taken out of the file here; what their fields mean is `manifest`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mmsearch.errors import DatasetError
from mmsearch.evaluation.readers import json_text

LINES: Final = frozenset({".jsonl", ".ndjson"})
SUFFIXES: Final = LINES | {".json"}
EXPECTED: Final = 'a JSON list of entries, {"items": [entries]}, or JSON Lines with one entry a line'


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a manifest.

    Attributes:
        number: 1 for the first.
        place: file and number in words, for messages.
        fields: the object.
    """

    number: int
    place: str
    fields: Mapping[str, Any]

    def refuse(self, why: str) -> DatasetError:
        """The error that says what is wrong with this entry."""
        return DatasetError(f"{self.place}: {why}")


def entries(path: Path) -> list[Entry]:
    """Read all entries.

    Raises:
        DatasetError: it may not be read, it is not JSON, or it holds no entries.
    """
    text = json_text.text(path, EXPECTED)
    found = list(_lines(path, text) if path.suffix.lower() in LINES else _whole(path, text))
    if not found:
        raise DatasetError(f"{path}: there are no entries; expected {EXPECTED}")
    return found


def _whole(path: Path, text: str) -> Iterator[Entry]:
    value = json_text.value(text, str(path), EXPECTED)
    if isinstance(value, dict) and "items" in value:
        value = value["items"]
    if not isinstance(value, list):
        raise DatasetError(f"{path}: found {json_text.kind(value)}; expected {EXPECTED}")
    for number, fields in enumerate(value, 1):
        yield _entry(number, f"{path}, entry {number}", fields)


def _lines(path: Path, text: str) -> Iterator[Entry]:
    number = 0
    for at, line in enumerate(text.split("\n"), 1):  # splitlines() would cut at U+2028, which JSON allows inside
        if line.strip():
            number += 1
            place = f"{path}, entry {number} (line {at})"
            yield _entry(number, place, json_text.value(line, place, EXPECTED))


def _entry(number: int, place: str, fields: object) -> Entry:
    if not isinstance(fields, dict):
        raise DatasetError(f"{place}: found {json_text.kind(fields)}; expected an object")
    return Entry(number, place, fields)
