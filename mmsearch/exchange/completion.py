"""Imports bring vectors of the model's spaces; those of the spaces that were fitted to it are made of these."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmsearch.embedding import beside
from mmsearch.store.bulk import PutRows
from mmsearch.store.changes import Put
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.store.changes import Change, NewItem
    from mmsearch.store.shard import Group


def completed(change: Change | PutRows, model: Model) -> Change | PutRows:
    """A change, with the rows of the model's fitted heads beside those that it brings."""
    if not model.fitted:
        return change
    match change:
        case PutRows():
            return replace(change, also=_beside(model, change.group, change.rows))
        case Put():
            return replace(change, items=tuple(_item(item, model) for item in change.items))
    return change


def _item(item: NewItem, model: Model) -> NewItem:
    segments = [replace(segment, rows={**segment.rows, **_alone(segment.rows, model)}) for segment in item.segments]
    return replace(item, segments=tuple(segments))


def _alone(rows: Mapping[Group, NDArray[Any]], model: Model) -> dict[Group, NDArray[Any]]:
    return {fitted: made[0] for group, row in rows.items() for fitted, made in _beside(model, group, row[None]).items()}


def _beside(model: Model, group: Group, vectors: NDArray[Any]) -> dict[Group, NDArray[Any]]:
    found: dict[Group, NDArray[Any]] = {}
    for head in model.heads:
        if (head.space.name, head.space.version) == (group.name, group.version):
            found.update(beside(model, head.space, Modality(group.modality), vectors))
    return found
