"""Rerankers: second opinions on the best candidates.

A chain is written as text, `exact,nnn,mmr:0.7`: names from `RERANKERS`, each with an optional argument.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.base import Context, Reranker


class Entry(NamedTuple):
    """Where a reranker is, as `module:class`, and what may stand behind its name."""

    place: str
    takes: str = ""


RERANKERS: dict[str, Entry] = {
    "exact": Entry("mmsearch.search.rerank.exact:Exact"),
    "tags": Entry("mmsearch.search.rerank.tags:Tags"),
    "nnn": Entry("mmsearch.search.rerank.nnn:NearestNeighbourNormalisation", "[:ALPHA]"),
    "qbnorm": Entry("mmsearch.search.rerank.qbnorm:DynamicInvertedSoftmax", "[:BETA]"),
    "maxsim": Entry("mmsearch.search.rerank.maxsim:MaxSim", "[:SEGMENTS]"),
    "cross": Entry("mmsearch.search.rerank.cross:CrossEncoder", "[:MODEL][@CANDIDATES]"),
    "lexical": Entry("mmsearch.search.rerank.lexical:Lexical"),
    "mmr": Entry("mmsearch.search.rerank.mmr:MaximalMarginalRelevance", "[:WEIGHT]"),
    "collapse": Entry("mmsearch.search.rerank.collapse:Collapse", "[:COSINE]"),
}
POOL = 200


def names(chain: str | Sequence[str]) -> tuple[str, ...]:
    """The steps of a chain; `none` and the empty chain have no step.

    Raises:
        QueryError: no reranker has that name; the message shows the place.
    """
    steps = chain.split(",") if isinstance(chain, str) else chain
    wanted = tuple(step.strip() for step in steps if step.strip() not in ("", "none"))
    for number, step in enumerate(wanted):
        name = step.partition(":")[0]
        if name not in RERANKERS:
            near = get_close_matches(name.lower(), RERANKERS, 2)
            meant = f"; did you mean {' or '.join(near)}?" if near else "."
            known = ", ".join(f"{known}{entry.takes}" for known, entry in RERANKERS.items())
            raise QueryError(_shown(f"there is no reranker {name!r}{meant} There are: {known}, none", wanted, number))
    return wanted


def make(chain: str | Sequence[str], context: Context) -> list[tuple[str, Reranker]]:
    """The rerankers of a chain, bound to an index.

    Raises:
        QueryError: a name or an argument makes no sense; the message shows the place.
    """
    made = []
    steps = names(chain)
    for number, step in enumerate(steps):
        name, _, argument = step.partition(":")
        module, class_ = RERANKERS[name].place.split(":")
        build: Callable[[Context, str], Reranker] = getattr(import_module(module), class_)
        try:
            made.append((step, build(context, argument)))
        except QueryError as error:
            raise QueryError(_shown(str(error), steps, number)) from error
    return made


def apply(rerankers: Sequence[tuple[str, Reranker]], query: Embedded, candidates: Candidates) -> Candidates:
    """Let each reranker reorder, or fold, the first `POOL` candidates; the others follow in their order."""
    for name, reranker in rerankers:
        candidates = pooled(reranker, query, candidates.remember(name))
    return candidates


def pooled(reranker: Reranker, query: Embedded, candidates: Candidates) -> Candidates:
    """The same of one reranker, whose name the candidates remember already."""
    pool = min(POOL, len(candidates))
    head = reranker.rerank(query, candidates.take(np.arange(pool)))
    tail = candidates.take(np.arange(pool, len(candidates)))
    if not len(tail):
        return head
    return head.join(tail.take(np.arange(len(tail)), np.minimum(tail.scores, head.scores[-1])))


def _shown(said: str, steps: Sequence[str], number: int) -> str:
    """An error, and the chain with a caret under the step that it is about."""
    at = sum(len(step) + 1 for step in steps[:number])
    return f"rerank: {said}\n  {','.join(steps)}\n  {' ' * at}^"
