"""Which space a question is asked in, for each modality of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmsearch.errors import QueryError
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mmsearch.encoders.base import Model
    from mmsearch.search.query import Embedded
    from mmsearch.types import Space


def targets(target: str | Iterable[str] | None) -> tuple[Modality, ...]:
    """The modalities asked for, in a fixed order; all of them for None.

    Raises:
        QueryError: one is no modality.
    """
    if target is None:
        return tuple(Modality)
    names = {target} if isinstance(target, str) else set(target)
    if not names:
        raise QueryError("no target modality was given")
    if names - set(Modality):
        raise QueryError(f"{', '.join(sorted(names - set(Modality)))}: no modality; there are: {', '.join(Modality)}")
    return tuple(modality for modality in Modality if modality in names)


def route(model: Model, query: Embedded, target: Modality) -> Space | None:
    """A space in which question and target both live; None if the model has none."""
    for head in model.heads:
        space = head.space
        if target in space.modalities and set(query.modalities) <= space.modalities:
            if query.vector is not None and query.vector.shape != (space.dim,):
                raise QueryError(f"the query vector has {len(query.vector)} numbers, not {space.dim} as {space.name}")
            return space
    return None
