"""JSON lines: one object per line, read one at a time, and a bad line does not take the others with it."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NoReturn

from mmsearch.errors import MediaError
from mmsearch.media.source import reason

MAX_LINE: Final = 1 << 26
"""Longer lines, in bytes, are refused: a file without line ends must not fill the memory."""

MAX_DEPTH: Final = 100
"""Deeper values are refused: what reads and writes JSON calls itself for each level."""


def objects(file: BinaryIO) -> Iterator[tuple[int, dict[str, Any] | MediaError]]:
    """Line number (from 1) and object of every line that is not blank, or what is wrong with that line.

    Strict where Python is lenient: UTF-8 (a byte order mark is allowed), no NaN or Infinity, no half surrogate pairs,
    which no database and no tokenizer would take.
    """
    for number, line in _lines(file):
        if isinstance(line, MediaError):
            yield number, MediaError(f"line {number}: {line}")
        elif line and not line.isspace():
            try:
                yield number, _parse(line)
            except MediaError as error:
                yield number, MediaError(f"line {number}: {error}")


def _parse(line: bytes) -> dict[str, Any]:
    try:
        text = line.decode("utf-8")
        value = json.loads(text, parse_float=_finite, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise MediaError("not valid UTF-8") from error
    except RecursionError as error:
        raise MediaError("nested too deeply") from error
    except ValueError as error:
        raise MediaError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MediaError("not a JSON object")
    if is_deep(value):
        raise MediaError(f"nested too deeply: more than {MAX_DEPTH} levels")
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise MediaError("half a surrogate pair (\\ud800 to \\udfff) stands alone") from error
    return value


def is_deep(value: Any) -> bool:  # noqa: ANN401  (a JSON value)
    """Whether it has more than `MAX_DEPTH` levels of objects and arrays; it must not contain itself."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for some in inner for one in some if isinstance(one, (dict, list, tuple))]
        if not level:
            return False
    return True


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):  # and no JSON that anybody could read back
        raise MediaError(f"{digits[:20]} is too large a number")
    return value


def _refuse(constant: str) -> NoReturn:
    raise MediaError(f"{constant} is not JSON")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | MediaError]]:
    number = 0
    try:
        while line := file.readline(MAX_LINE):
            number += 1
            too_long = len(line) == MAX_LINE and not line.endswith(b"\n")
            rest = line
            while too_long and rest and not rest.endswith(b"\n"):
                rest = file.readline(MAX_LINE)
            if too_long:
                yield number, MediaError(f"longer than {MAX_LINE >> 20} MiB")
            else:
                yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
    except OSError as error:
        yield number + 1, MediaError(reason(error))
