"""JSON files, and what is said about those that are none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmsearch.errors import DatasetError


def text(path: Path, expected: str) -> str:
    """All of a file.

    Raises:
        DatasetError: it may not be read, or is not UTF-8; the message says what was `expected`.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text (byte {error.start}); expected {expected}") from error


def value(text: str, place: str, expected: str) -> Any:  # noqa: ANN401 - what JSON holds is known only after looking
    """What a text says.

    Raises:
        DatasetError: it is not JSON; the message says where that was found and what was `expected`.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise DatasetError(f"{place}: not JSON: {error.msg} ({at}); expected {expected}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; lists in lists in lists
        raise DatasetError(f"{place}: JSON that cannot be read: {error}") from error


def kind(value: object) -> str:
    """What a value is, in words."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return kinds.get(type(value), "a number")


def rows(path: Path, fields: object, key: str, needed: Mapping[str, type]) -> list[dict[str, Any]]:
    """A list of objects in an object, each with the fields that are needed.

    Args:
        path: for messages.
        fields: the object.
        key: which of its fields is the list.
        needed: names of fields, and the types of their values.

    Raises:
        DatasetError: it is not; the message says which row, and what it has instead.
    """
    listed = fields.get(key) if isinstance(fields, dict) else None
    if not isinstance(listed, list):
        raise DatasetError(f'{path}: "{key}" is {kind(listed)}; expected a list of objects')
    for number, row in enumerate(objects(listed, f'{path}, "{key}"'), 1):
        for name, wanted in needed.items():
            if not isinstance(row.get(name), wanted):
                found, expected = kind(row.get(name)), kind(wanted())
                raise DatasetError(f'{path}, "{key}" {number}: "{name}" is {found}; expected {expected}')
    return listed


def objects(listed: list[Any], place: str) -> list[dict[str, Any]]:
    """A list that holds objects only.

    Raises:
        DatasetError: it holds something else.
    """
    for number, one in enumerate(listed, 1):
        if not isinstance(one, dict):
            raise DatasetError(f"{place} {number}: found {kind(one)}; expected an object")
    return listed
