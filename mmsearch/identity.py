"""What an index must agree on with its model: names and versions of encoders and spaces, and the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmsearch.embedding import project
from mmsearch.encoders import registry
from mmsearch.errors import MissingExtra, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mmsearch.encoders.base import Model
    from mmsearch.store.mending import Project


def identity(model: Model) -> dict[str, Any]:
    """The identity of a model, in JSON values.

    Its name only says where to find it again: the same weights may lie at another place by now.
    """
    return {
        "name": model.name,
        "encoders": {encoder.name: encoder.version for encoder in model.encoders},
        "spaces": {head.space.name: {"version": head.space.version, "dim": head.space.dim} for head in model.heads},
        "weights": dict(sorted(model.weights.items())),
    }


def difference(recorded: Mapping[str, Any], model: Model) -> str:
    """In what a model is another one than the index was built with, in words; empty if it is the same."""
    now = identity(model)
    return ", ".join(f"{name} differ" for name in ("encoders", "spaces", "weights") if recorded.get(name) != now[name])


def projector(recorded: Mapping[str, Any]) -> Project:
    """What computes vectors again from features; nothing, where the model is not the one of the index."""
    try:
        model = registry.load(recorded["name"])
        known = not difference(recorded, model)
    except (ModelError, MissingExtra):
        known = False
    return lambda wanted, given, features: project(model, wanted, given, features) if known else None
