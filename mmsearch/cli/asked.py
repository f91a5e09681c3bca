"""The question of a `search` command, from its argument and its options."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from mmsearch.errors import QueryError
from mmsearch.search.expression import parse_weighted
from mmsearch.search.query import Kind, Query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def asked(
    question: Query | None,
    *,
    image: Path | None = None,
    audio: Path | None = None,
    templates: Sequence[str] = (),
    plus: Sequence[str] = (),
    minus: Sequence[str] = (),
    like: Sequence[str] = (),
    unlike: Sequence[str] = (),
) -> Query:
    """The sum of all that was given.

    Raises:
        QueryError: a part of it cannot be read.
    """
    query = question or Query()
    if image is not None:
        query = query + Query.image(image)
    if audio is not None:
        query = query + Query.audio(audio)
    for part in plus:
        query = query + parse_weighted(part)
    for part in minus:
        query = query - parse_weighted(part)
    if templates and not any(part.kind is Kind.TEXT for part in query.parts):
        raise QueryError("a template is for a text, and the query has none")
    query = query.templated(templates)
    return query.refined(like, unlike) if like or unlike else query


def as_sum(expression: str, question: Query) -> list[str]:
    """A note for whoever did not mean a sum, if the question is one."""
    if len(question.parts) < 2:
        return []
    words = shlex.quote('"' + expression.strip().replace('"', '""') + '"')
    return [f"note: asked as a sum, {question}; to ask the words as they stand: {words}"]
