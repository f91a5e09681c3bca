"""Which rerankers a direction has when nobody says: those that it was tuned for, or else the model's own.

What the model has for single directions was measured in its own space, and is not taken in one that was fitted.

A question about several modalities may have several chains: each works on the candidates of its own modalities, which
keep the places among the others that it gives them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mmsearch.errors import QueryError
from mmsearch.search import rerank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmsearch.encoders.base import Model
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.base import Context, Reranker
    from mmsearch.search.route import Route
    from mmsearch.store.snapshot import Snapshot
    from mmsearch.types import Modality, Space

# The modalities of the answers that each chain is for.
Chains: TypeAlias = "dict[tuple[str, ...], tuple[Modality, ...]]"


def chain(
    snapshot: Snapshot, model: Model, asked: Sequence[Modality], target: Modality, space: Space
) -> tuple[str, ...]:
    """The chain of a direction.

    Args:
        snapshot: of the index.
        model: of the index.
        asked: modalities of the question.
        target: modality of the answers.
        space: in which they lie.
    """
    if len(asked) != 1:
        return model.rerank
    for *direction, steps in snapshot.chains:
        if direction == [asked[0], target, space.name, space.version]:
            with suppress(QueryError):  # another version of mmsearch has tuned it, with a step that this one has not
                return rerank.names(steps)
    fitted = any(space == one.space for one in model.fitted)
    return model.rerank if fitted else model.chain(asked[0], target)


def chains(snapshot: Snapshot, model: Model, asked: Sequence[Modality], routes: Mapping[Modality, Route]) -> Chains:
    """The chains of all directions of a question."""
    found: Chains = {}
    for target, way in routes.items():
        steps = chain(snapshot, model, asked, target, way.space)
        found[steps] = (*found.get(steps, ()), target)
    return found


def parted(chains: Chains) -> tuple[Chains, Chains]:
    """What judges candidates, and what arranges the list; see `rerank.parted`."""
    parts: tuple[Chains, Chains] = {}, {}
    for steps, targets in chains.items():
        for part, some in zip(parts, rerank.parted(steps), strict=True):
            part[some] = (*part.get(some, ()), *targets)
    return parts


def described(chains: Chains) -> list[str] | dict[str, list[str]]:
    """The steps, as JSON values; by modality of the answers where they are not the same for all."""
    if len(chains) == 1:
        return list(next(iter(chains)))
    return {str(target): list(steps) for steps, targets in chains.items() for target in targets}


def apply(chains: Chains, context: Context, query: Embedded, candidates: Candidates) -> Candidates:
    """Let each chain reorder the candidates that it is for.

    Raises:
        QueryError: an argument of a step makes no sense.
    """
    if len(chains) == 1:
        return rerank.apply(rerank.make(next(iter(chains)), context), query, candidates)
    for steps, targets in chains.items():
        for name, reranker in rerank.make(steps, context):
            candidates = _apart(name, reranker, query, candidates, targets)
    return candidates


def _apart(
    name: str, reranker: Reranker, query: Embedded, candidates: Candidates, targets: Sequence[Modality]
) -> Candidates:
    mine = np.array([modality in targets for modality in candidates.modalities], bool)
    if not mine.any():
        return candidates
    candidates = candidates.remember(name, mine)
    reordered = rerank.pooled(reranker, query, candidates.take(np.flatnonzero(mine)))
    joined = reordered.join(candidates.take(np.flatnonzero(~mine)))
    return joined.rescored(joined.scores)
