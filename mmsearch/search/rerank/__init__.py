"""Rerankers: second opinions on the best candidates.

A chain is written as text, `exact,nnn,mmr:0.7`: names from `RERANKERS`, each with an optional argument.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmsearch.errors import QueryError, did_you_mean, pointed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.base import Context, Reranker, WithArgument


class Entry(NamedTuple):
    """A reranker.

    Attributes:
        place: where it is, as `module:class`.
        takes: what may stand behind its name; the class is then `WithArgument`.
        arranges: whether it looks at the list, and not at each candidate.
    """

    place: str
    takes: str = ""
    arranges: bool = False


RERANKERS: dict[str, Entry] = {
    "exact": Entry("mmsearch.search.rerank.exact:Exact"),
    "tags": Entry("mmsearch.search.rerank.tags:Tags"),
    "nnn": Entry("mmsearch.search.rerank.nnn:NearestNeighbourNormalisation", "[:ALPHA]"),
    "qbnorm": Entry("mmsearch.search.rerank.qbnorm:DynamicInvertedSoftmax", "[:BETA]"),
    "maxsim": Entry("mmsearch.search.rerank.maxsim:MaxSim", "[:SEGMENTS]"),
    "cross": Entry("mmsearch.search.rerank.cross:CrossEncoder", "[:MODEL][@CANDIDATES]"),
    "lexical": Entry("mmsearch.search.rerank.lexical:Lexical"),
    "mmr": Entry("mmsearch.search.rerank.mmr:MaximalMarginalRelevance", "[:WEIGHT]", arranges=True),
    "collapse": Entry("mmsearch.search.rerank.collapse:Collapse", "[:COSINE]", arranges=True),
}
POOL = 200


def names(chain: str | Sequence[str]) -> tuple[str, ...]:
    """The steps of a chain; `none` and the empty chain have no step.

    Raises:
        QueryError: a name or an argument makes no sense; the message shows the place.
    """
    return tuple(step for step, _ in _read(chain))


def parted(steps: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The steps of a chain up to the last one that judges candidates, and those behind it, which arrange the list."""
    judging = [number for number, step in enumerate(steps, 1) if not RERANKERS[_name(step)].arranges]
    last = max(judging, default=0)
    return tuple(steps[:last]), tuple(steps[last:])


def make(chain: str | Sequence[str], context: Context) -> list[tuple[str, Reranker]]:
    """The rerankers of a chain, bound to an index.

    Raises:
        QueryError: a name or an argument makes no sense; the message shows the place.
    """
    return [(step, build(context)) for step, build in _read(chain)]


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


def _read(chain: str | Sequence[str]) -> list[tuple[str, Callable[[Context], Reranker]]]:
    """The steps of a chain, and how each is made."""
    given = chain.split(",") if isinstance(chain, str) else list(chain) if isinstance(chain, Iterable) else [chain]
    if not all(isinstance(step, str) for step in given):
        raise QueryError(f"rerank is a str such as 'tags,mmr:0.7', or a list of such names, not {reprlib.repr(chain)}")
    steps = [step.strip() for step in given]
    steps = [step for step in steps if step]
    if steps == ["none"]:
        return []
    found = []
    for number, step in enumerate(steps):
        name = _name(step)
        argument = step[len(name) :].removeprefix(":")  # `cross@5` is `cross:@5`
        try:
            found.append((step, _builder(name, argument)))
        except QueryError as error:
            raise QueryError(_shown(str(error), steps, number)) from error
    return found


def _name(step: str) -> str:
    return re.split("[:@]", step, maxsplit=1)[0]


def _builder(name: str, argument: str) -> Callable[[Context], Reranker]:
    if name == "none":
        raise QueryError("none takes no argument and stands alone, for no reranker at all")
    if name not in RERANKERS:
        near = did_you_mean(name, RERANKERS, 2, otherwise=".")
        known = ", ".join(f"{known}{entry.takes}" for known, entry in RERANKERS.items())
        raise QueryError(f"there is no reranker {name!r}{near} There are: {known}, none")
    place, takes, _ = RERANKERS[name]
    module, class_ = place.split(":")
    found = getattr(import_module(module), class_)
    if takes:
        with_argument: WithArgument = found
        return with_argument.read(argument)
    if argument:
        raise QueryError(f"the reranker {name} takes no argument, not {argument!r}")
    without: Callable[[Context], Reranker] = found
    return without


def _shown(said: str, steps: Sequence[str], number: int) -> str:
    """An error, and the chain with a caret under the step that it is about."""
    at = sum(len(step) + 1 for step in steps[:number])
    return f"rerank: {said}{pointed(','.join(steps), at)}"
