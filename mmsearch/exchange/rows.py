"""One row of an exported file: a segment, its item, and its vector in one space. Both directions agree on it here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT: Final = 1
VECTOR: Final = "vector"

TEXTS: Final = ("id", "modality", "space", "path", "excerpt")
NUMBERS: Final = ("start", "end", "time_start", "time_end")
COUNTS: Final = ("page",)
OBJECTS: Final = ("metadata", "properties")  # JSON, a string in Parquet
COLUMNS: Final = (
    "id", "modality", "space", "start", "end", "page", "time_start", "time_end", "path", "metadata", "properties",
    "excerpt",
)  # fmt: skip
"""Beside the vector. `start`, `end`: seconds of a sound, characters of a text; `time_start`, `time_end`: seconds in
which a subtitle is shown; `path`: of the item's file."""

PLACE: Final = ("modality", "start", "end", "page", "time_start", "time_end", "excerpt")
"""What two rows have in common that are the same segment in two spaces."""


def about(model: Mapping[str, Any], dim: int) -> str:
    """What a file says of itself: its format, and the model of the index that it comes from."""
    return json.dumps({"format": FORMAT, "dim": dim, "model": dict(model)}, sort_keys=True)


def dumped(value: Mapping[str, Any]) -> str:
    """JSON with letters as they are, where they are valid Unicode."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text
