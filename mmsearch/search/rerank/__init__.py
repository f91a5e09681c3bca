"""Rerankers: second opinions on the best candidates.

A chain is written as text, `tags,mmr:0.7`: names from `RERANKERS`, each with an optional argument.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmsearch.search.candidates import Candidates
    from mmsearch.search.query import Embedded
    from mmsearch.search.rerank.base import Context, Reranker

RERANKERS: dict[str, str] = {
    "tags": "mmsearch.search.rerank.tags:Tags",
    "nnn": "mmsearch.search.rerank.nnn:NearestNeighbourNormalisation",
    "mmr": "mmsearch.search.rerank.mmr:MaximalMarginalRelevance",
}
POOL = 200


def names(chain: str | Sequence[str]) -> tuple[str, ...]:
    """The steps of a chain; `none` and the empty chain have no step.

    Raises:
        QueryError: no reranker has that name.
    """
    if chain == "none":
        return ()
    steps = chain.split(",") if isinstance(chain, str) else chain
    wanted = tuple(step.strip() for step in steps if step.strip() not in ("", "none"))
    for step in wanted:
        if step.split(":")[0] not in RERANKERS:
            raise QueryError(f"there is no reranker {step.split(':')[0]!r}; there are: {', '.join(RERANKERS)}, none")
    return wanted


def make(chain: str | Sequence[str], context: Context) -> list[tuple[str, Reranker]]:
    """The rerankers of a chain, bound to an index.

    Raises:
        QueryError: a name or an argument makes no sense.
    """
    made = []
    for step in names(chain):
        name, _, argument = step.partition(":")
        module, class_ = RERANKERS[name].split(":")
        build: Callable[[Context, str], Reranker] = getattr(import_module(module), class_)
        made.append((step, build(context, argument)))
    return made


def apply(rerankers: Sequence[tuple[str, Reranker]], query: Embedded, candidates: Candidates) -> Candidates:
    """Let each reranker reorder the first `POOL` candidates; the others follow in their order."""
    for name, reranker in rerankers:
        candidates = candidates.remember(name)
        head = reranker.rerank(query, candidates.take(np.arange(min(POOL, len(candidates)))))
        tail = candidates.take(np.arange(len(head), len(candidates)))
        if len(tail):
            tail = tail.take(np.arange(len(tail)), np.minimum(tail.scores, head.scores[-1]))
            candidates = head.join(tail)
        else:
            candidates = head
    return candidates
