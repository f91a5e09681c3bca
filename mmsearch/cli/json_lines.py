"""JSON lines, as they are written while more are to come."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, TextIO


def write_line(value: Mapping[str, Any], to: TextIO | None = None) -> None:
    """One line of JSON, on standard output if no file is given, for whoever reads it to have it at once."""
    stream = to or sys.stdout
    try:
        stream.write(f"{json.dumps(value, ensure_ascii=False)}\n")
    except UnicodeEncodeError:  # a terminal that is not UTF-8
        stream.write(f"{json.dumps(value)}\n")
    stream.flush()
