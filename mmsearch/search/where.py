"""Filters: a small grammar, parsed into SQLAlchemy expressions; user text never becomes SQL text.

::

    expression  := conjunction ("or" conjunction)*
    conjunction := negation ("and" negation)*
    negation    := "not" negation | "(" expression ")" | comparison
    comparison  := field operator value
                 | field ["not"] "in" "(" value ("," value)* ")"
                 | field ["not"] "like" string
                 | field "is" ["not"] "null"
    operator    := "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">="
    value       := number | 'string' | "string" | "true" | "false"

Fields are those of `FIELDS` and any name in the items' metadata (`a.b` looks inside objects). Dates are ISO 8601
strings and compare as such: `taken >= '2024-05'`.
"""

from __future__ import annotations

import re
import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, and_, cast, func, literal, not_, or_

from mmsearch.errors import FilterError, did_you_mean, pointed
from mmsearch.store.schema import files, items, segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import ColumnElement

FIELDS: dict[str, ColumnElement[Any]] = {
    "id": items.c.key,
    "modality": segments.c.modality,
    "path": cast(files.c.path, Text),
    "size": files.c.size,
    "modified": func.strftime("%Y-%m-%dT%H:%M:%S", files.c.mtime_ns / 1_000_000_000, "unixepoch"),
    "width": items.c.width,
    "height": items.c.height,
    "seconds": items.c.seconds,
    "characters": items.c.characters,
    "page": segments.c.page,
    "pages": items.c.pages,
    "taken": items.c.taken,
}

OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])"""
    r"""|(?P<string>'(?:[^']|'')*'|"(?:[^"]|"")*")|(?P<word>[^\W\d][\w.]*)|(?P<sign><=|>=|<>|!=|==|[=<>(),]))"""
)
KEYWORDS = {"and", "or", "not", "in", "like", "is", "null", "true", "false"}
_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed expression.

    Attributes:
        clause: in SQL.
        metadata_fields: the names in it that must be metadata, and where each stands first.
        expression: as it was written.
    """

    clause: ColumnElement[bool]
    metadata_fields: Mapping[str, int]
    expression: str

    def unknown(self, name: str, tags: Iterable[str] = ()) -> FilterError:
        """The error for a name that no item has, where there are these tags."""
        there = [*FIELDS, *tags]
        near = did_you_mean(name, there, otherwise=".")
        what = f"no item has a field {name!r}{near} Beside metadata there are: {', '.join(there)}; it stands"
        return _error(self.expression, what, self.metadata_fields[name])


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(expression: str) -> Filter:
    """Parse a filter.

    Raises:
        FilterError: it is no text, or does not follow the grammar; the message shows the place.
    """
    check(expression)
    return _Parser(expression).parse()


def check(expression: str) -> None:
    """Whether a filter is a text, before it is looked at.

    Raises:
        FilterError: it is none.
    """
    if not isinstance(expression, str):
        raise FilterError(f"a filter is a str, such as 'year >= 2020', not {reprlib.repr(expression)}")


def metadata_field(name: str) -> ColumnElement[Any]:
    """The JSON value of a name in the items' metadata."""
    path = "$" + "".join(f'."{part}"' for part in name.split("."))
    return func.json_extract(items.c.metadata, path)


def _error(expression: str, what: str, at: int) -> FilterError:
    return FilterError(f"filter: {what} at character {at + 1}{pointed(expression, at)}")


class _Parser:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = self._scan()
        self._at = 0
        self._depth = 0
        self._metadata: dict[str, int] = {}

    def parse(self) -> Filter:
        clause = self._or()
        if self._now.kind != "end":
            raise self._error("expected `and`, `or` or the end")
        return Filter(clause, self._metadata, self._expression)

    def _scan(self) -> list[_Token]:
        tokens, at = [], 0
        text = self._expression.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                start = at + len(text[at:]) - len(text[at:].lstrip())
                raise self._error("cannot read this", start)
            kind, found = match.lastgroup, match[match.lastgroup]
            if kind == "word" and found.lower() in KEYWORDS:
                kind, found = "keyword", found.lower()
            tokens.append(_Token(kind, found, match.start(match.lastgroup)))
            at = match.end()
        return [*tokens, _Token("end", "", len(text))]

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _accept(self, *texts: str) -> str | None:
        if self._now.kind in ("keyword", "sign") and self._now.text in texts:
            self._at += 1
            return self._tokens[self._at - 1].text
        return None

    def _expect(self, text: str) -> None:
        if self._accept(text) is None:
            raise self._error(f"expected {text!r}")

    def _error(self, what: str, at: int | None = None) -> FilterError:
        return _error(self._expression, what, self._now.at if at is None else at)

    def _or(self) -> ColumnElement[bool]:
        parts = [self._and()]
        while self._accept("or"):
            parts.append(self._and())
        return or_(*parts) if len(parts) > 1 else parts[0]

    def _and(self) -> ColumnElement[bool]:
        parts = [self._not()]
        while self._accept("and"):
            parts.append(self._not())
        return and_(*parts) if len(parts) > 1 else parts[0]

    def _not(self) -> ColumnElement[bool]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(f"nested more than {_DEEPEST} deep")
        try:
            if self._accept("not"):
                return not_(self._not())
            if self._accept("("):
                inner = self._or()
                self._expect(")")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> ColumnElement[bool]:
        if self._now.kind != "word":
            raise self._error("expected the name of a field")
        field = self._field(self._now.text)
        self._at += 1
        if self._accept("is"):
            negated = self._accept("not")
            self._expect("null")
            return field.is_not(None) if negated else field.is_(None)
        negated = self._accept("not")
        if self._accept("in"):
            found = field.in_(self._values())
        elif self._accept("like"):
            found = field.like(self._string())
        elif negated:
            raise self._error("expected `in` or `like` after `not`")
        else:
            operator = self._accept(*OPERATORS)
            if operator is None:
                raise self._error("expected an operator")
            return OPERATORS[operator](field, literal(self._value()))
        return not_(found) if negated else found

    def _field(self, name: str) -> ColumnElement[Any]:
        if name in FIELDS:
            return FIELDS[name]
        self._metadata.setdefault(name, self._now.at)
        return metadata_field(name)

    def _values(self) -> list[Any]:
        self._expect("(")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")")
        return values

    def _string(self) -> str:
        value = self._value()
        if not isinstance(value, str):
            raise self._error("expected a string in quotes", self._tokens[self._at - 1].at)
        return value

    def _value(self) -> str | int | float:
        token = self._now
        self._at += token.kind != "end"
        if token.kind == "number":
            return float(token.text) if re.search(r"[.eE]", token.text) else int(token.text)
        if token.kind == "string":
            return token.text[1:-1].replace(token.text[0] * 2, token.text[0])
        if token.text in ("true", "false"):
            return int(token.text == "true")  # as SQLite's json_extract gives them
        raise self._error("expected a number, or a string in quotes", token.at)
