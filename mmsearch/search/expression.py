"""Questions as people write them: `a dog + 0.5*./beach.jpg - leash`.

::

    expression := [sign] term (sign term)*
    sign       := "+" | "-"                         between blanks, so that `black-and-white` stays a word
    term       := [number "*"] part
    part       := "text:" words | "image:" path | "audio:" path
                | "id:" item                        its id, or the path of its file
                | quoted                            a text, signs and all: "1990 - 2000"
                | path                              begins with ./ ../ / or ~/, or is one word that ends like a medium
                | words                             a text

Within a text, what stands in quotation marks is not taken apart either. A quotation mark opens at the beginning of a
word only: `a 12" record` has none.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import replace
from pathlib import Path

from mmsearch.media.formats import modality_of
from mmsearch.search.query import Kind, Query, Written
from mmsearch.types import Modality

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_WEIGHT = re.compile(_NUMBER + r"\s*\*\s*")
_WEIGHTED = re.compile(r"\s*" + _NUMBER + r"\s*[:*]\s*")
_ENDLESS = re.compile(r"[-+]?(?:inf(?:inity)?|nan)(?:\s+\*|\*(?=\S))", re.IGNORECASE)  # but `inf*`: what begins so
_PREFIX = re.compile(r"(text|image|audio|id):\s*")
_SIGN = re.compile(r"(?:(?<=\s)|^)[-+](?=\s|$)")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_OPENING = re.compile(r'(?:(?<=[\s:*])|^)"')
_MEDIA = (Modality.IMAGE, Modality.AUDIO)


def parse(expression: str) -> Query:
    """A question written as a sum.

    Raises:
        QueryError: it is empty or ends too early, a quotation mark is not closed, a weight is no finite number, the
            weights cancel out, or a file is not there or cannot ask; the message shows the place.
    """
    place = Written(expression)
    try:
        expression.encode("utf-8", "surrogateescape")  # as names of files may be
    except UnicodeEncodeError as error:
        raise place.error("half a surrogate pair is no character", error.start) from error
    query = Query()
    for sign, start, end in _terms(place):
        query = query + sign * _term(place, start, end)
        if not query.parts[-1].weight and not any(part.weight for part in query.parts):
            cancelled = start
    if not any(part.weight for part in query.parts):
        raise place.error("the weights cancel out: nothing is left to ask with", cancelled)
    return Query(tuple(part for part in query.parts if part.weight))


def parse_weighted(text: str) -> Query:
    """One part, `beach.jpg` or `0.5:beach.jpg`, as `--plus` and `--minus` take it.

    Raises:
        QueryError: as `parse`.
    """
    place = Written(text)
    match = _WEIGHTED.match(text)
    weight, start = (_weight(place, match), match.end()) if match else (1.0, _first(text, 0))
    return weight * _part(place, start, len(text.rstrip()))


def _terms(place: Written) -> list[tuple[float, int, int]]:
    """Sign, beginning and end of each term."""
    text, at = place.expression, 0
    hidden = [match.span() for match in _quotations(place)]
    signs = [m for m in _SIGN.finditer(text) if not any(first <= m.start() < last for first, last in hidden)]
    found: list[tuple[float, int, int]] = []
    sign = 1.0
    for match in signs:
        if text[at : match.start()].strip():
            found.append((sign, _first(text, at), match.start()))
        elif match is not signs[0]:
            raise place.error("a part of the question is missing", match.start())
        sign, at = (-1.0 if match[0] == "-" else 1.0), match.end()
    if not text[at:].strip():
        what = "a part of the question is missing" if signs else "the question is empty"
        raise place.error(what, len(text.rstrip()))
    return [*found, (sign, _first(text, at), len(text))]


def _first(text: str, at: int) -> int:
    """Where the first character is, from a place on, that is no blank."""
    return len(text) - len(text[at:].lstrip())


def _quotations(place: Written) -> list[re.Match[str]]:
    found: list[re.Match[str]] = []
    at = 0
    while opening := _OPENING.search(place.expression, at):
        match = _QUOTED.match(place.expression, opening.start())
        if match is None:
            raise place.error("this quotation mark is not closed", opening.start())
        found.append(match)
        at = match.end()
    return found


def _term(place: Written, start: int, end: int) -> Query:
    text = place.expression
    weight = 1.0
    if match := _WEIGHT.match(text, start, end):
        weight, start = _weight(place, match), match.end()
    return weight * _part(place, start, end)


def _weight(place: Written, match: re.Match[str]) -> float:
    weight = float(match[1])
    if not math.isfinite(weight):
        raise place.error("the weight is too large", match.start(1))
    return weight


def _part(place: Written, start: int, end: int) -> Query:
    content = place.expression[start:end].strip()
    if _ENDLESS.match(content):
        raise place.error(f"a weight is a finite number; write text:{content} to ask for these words", start)
    prefix = _PREFIX.match(content)
    if prefix:
        content, start = content[prefix.end() :], start + prefix.end()
    here = replace(place, at=start)
    if not _unquoted(content).strip():
        raise here.error("a part of the question is missing")
    (part,) = _meant(prefix[1] if prefix else _kind(here, content), content, here).parts
    return Query((replace(part, written=here),))


def _meant(kind: str, content: str, here: Written) -> Query:
    """A part whose kind is known."""
    if kind == "text":
        quoted = _QUOTED.fullmatch(content)
        return Query.text(quoted[1].replace('""', '"') if quoted else content, words=content if quoted else None)
    content = _unquoted(content)
    if kind == "id":
        return Query.item(content)
    path = _path(content)
    if not os.path.isfile(path):  # noqa: PTH113  (never raises)
        what = "is no file" if os.path.exists(path) else "is not there"  # noqa: PTH110
        raise here.error(f"the {kind} {content} {what}; write text:{content} to ask for these words")
    return Query.record(Modality(Kind(kind)), path)


def _kind(here: Written, content: str) -> str:
    """What a part is that does not say it."""
    name = _unquoted(content)
    written = content.startswith(("./", "../", "/", "~/"))
    modality = modality_of(name)
    if written and modality is Modality.TEXT:
        instead = f"write id:{name} for what the index has of it, or text:{name} for these words"
        raise here.error(f"a text file does not ask; {instead}")
    if written and modality is None and os.path.exists(_path(name)):  # noqa: PTH110  (never raises)
        raise here.error(f"cannot tell whether {name} is a picture or a sound: write image:{name} or audio:…")
    if modality in _MEDIA and (written or not re.search(r'[\s"]', content)):
        return str(modality)
    return "text"


def _path(name: str) -> Path:
    """Where a name leads, with the home of a user for `~`; as it is written if there is no such user."""
    try:
        return Path(os.path.expanduser(name))  # noqa: PTH111  (raises no RuntimeError)
    except ValueError:  # nobody is called that, such as a NUL
        return Path(name)


def _unquoted(content: str) -> str:
    quoted = _QUOTED.fullmatch(content)
    return quoted[1].replace('""', '"') if quoted else content
