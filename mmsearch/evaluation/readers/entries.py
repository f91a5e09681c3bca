"""A manifest on disk, as a list of entries: a JSON list, `{"items": [...]}`, or JSON Lines.

Entries are only taken out of the file here; what their fields mean is `manifest`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmsearch.errors import DatasetError

LINES = frozenset({".jsonl", ".ndjson"})
EXPECTED = 'a JSON list of entries, {"items": [entries]}, or JSON Lines with one entry a line'


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
        DatasetError: there is no such file, it is not JSON, or it holds no entries.
    """
    text = _text(path)
    found = list(_lines(path, text) if path.suffix.lower() in LINES else _whole(path, text))
    if not found:
        raise DatasetError(f"{path}: there are no entries; expected {EXPECTED}")
    return found


def _text(path: Path) -> str:
    if path.is_dir():
        raise DatasetError(f"{path} is a folder; name the manifest in it, a .json or .jsonl file")
    if not path.exists():
        raise DatasetError(f"{path}: there is no such manifest")
    if not path.is_file():
        raise DatasetError(f"{path} is not a regular file; expected {EXPECTED}")
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text (byte {error.start}); expected {EXPECTED}") from error


def _whole(path: Path, text: str) -> Iterator[Entry]:
    value = _json(text, str(path))
    if isinstance(value, dict) and "items" in value:
        value = value["items"]
    if not isinstance(value, list):
        raise DatasetError(f"{path}: found {_kind(value)}; expected {EXPECTED}")
    for number, fields in enumerate(value, 1):
        yield _entry(number, f"{path}, entry {number}", fields)


def _lines(path: Path, text: str) -> Iterator[Entry]:
    number = 0
    for at, line in enumerate(text.split("\n"), 1):  # splitlines() would cut at U+2028, which JSON allows inside
        if line.strip():
            number += 1
            place = f"{path}, entry {number} (line {at})"
            yield _entry(number, place, _json(line, place))


def _json(text: str, place: str) -> Any:  # noqa: ANN401 - what JSON holds is known only after looking
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise DatasetError(f"{place}: not JSON: {error.msg} ({at}); expected {EXPECTED}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; lists in lists in lists
        raise DatasetError(f"{place}: JSON that cannot be read: {error}") from error


def _entry(number: int, place: str, fields: object) -> Entry:
    if not isinstance(fields, dict):
        raise DatasetError(f"{place}: found {_kind(fields)}; expected an object")
    return Entry(number, place, fields)


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return kinds.get(type(value), "a number")
