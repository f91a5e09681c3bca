"""Questions from a file, one in each line: texts as they are, or JSON objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from mmsearch.errors import QueryError
from mmsearch.search.query import Query

JSON_SUFFIXES: Final = (".jsonl", ".ndjson", ".json")
PARTS: Final = ("text", "image", "audio", "item", "expression")


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank.

    Attributes:
        number: in the file, from 1.
        id: as the line says, or else, or if that is null, its number.
        query: None if it cannot be read.
        error: then, why.
    """

    number: int
    id: str
    query: Query | None = None
    error: str = ""


def read(lines: Iterable[bytes], *, json_lines: bool | None = None, templates: Sequence[str] = ()) -> Iterator[Line]:
    """The questions of a file, as they are read.

    A line of texts is the text itself: no sign in it means anything. A JSON object has one or several of `text`,
    `image` and `audio` (paths), `item` (an id) and `expression` (as `mmsearch search` takes it), which are added; and
    an `id`, if it likes. Other fields are left alone.

    Args:
        lines: UTF-8, with their ends or without.
        json_lines: whether they are JSON; None: they are if the first one begins with `{`.
        templates: that texts are asked in.
    """
    numbered = ((number, line.removeprefix(b"\xef\xbb\xbf").strip()) for number, line in enumerate(lines, 1))
    filled = ((number, line) for number, line in numbered if line)
    first = next(filled, None)
    if first is None:
        return
    if json_lines is None:
        json_lines = first[1].startswith(b"{")
    for number, line in chain([first], filled):
        id_ = str(number)
        try:
            text = line.decode()
            if json_lines:
                said = _object(text)
                id_ = str(number if said.get("id") is None else said["id"])
                yield Line(number, id_, _query(said, templates))
            else:
                yield Line(number, id_, Query.text(text, templates))
        except UnicodeDecodeError:
            yield Line(number, id_, error="it is not valid UTF-8")
        except QueryError as error:
            yield Line(number, id_, error=str(error))


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise QueryError(f"it is no JSON at character {error.colno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # a number of too many digits, too many brackets
        raise QueryError(f"it is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise QueryError('it is no JSON object, such as {"text": "a dog"}')
    return found


def _query(said: Mapping[str, Any], templates: Sequence[str]) -> Query:
    parts = {name: said[name] for name in PARTS if said.get(name) is not None}
    if not parts:
        raise QueryError(f"it has none of {', '.join(PARTS)}")
    query = Query()
    for name, content in parts.items():
        if not isinstance(content, str):
            raise QueryError(f"its {name} must be a string, not {content!r}")
        match name:
            case "text":
                query += Query.text(content, templates)
            case "image":
                query += Query.image(content)
            case "audio":
                query += Query.audio(content)
            case "item":
                query += Query.item(content)
            case _:
                query += Query.parse(content).templated(templates)
    return query
