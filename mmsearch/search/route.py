"""Which space a question is asked in, for each modality of the answers, and how it gets there."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from mmsearch.errors import QueryError
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Collection

    from mmsearch.encoders.base import Model
    from mmsearch.encoders.bridge.bridge import Bridge
    from mmsearch.types import Space

    # Between two spaces; None if there is none.
    Bridges: TypeAlias = Callable[[Space, Space], Bridge | None]


ORDER = tuple(Modality)


@dataclass(frozen=True, slots=True)
class Crossing:
    """How a part of a question gets into a space where its modality has no place: as a vector of another space."""

    source: Space
    bridge: Bridge


@dataclass(frozen=True, slots=True)
class Route:
    """The way to the answers of one modality.

    Attributes:
        space: where the answers are.
        crossings: by modality, the parts of the question that must be carried over.
    """

    space: Space
    crossings: Mapping[Modality, Crossing] = field(default_factory=dict)


def targets(target: str | Iterable[str] | None) -> tuple[Modality, ...]:
    """The modalities asked for, in a fixed order; all of them for None.

    Raises:
        QueryError: one is no modality.
    """
    if target is None:
        return ORDER
    if isinstance(target, Modality):
        return (target,)
    named = list(target) if isinstance(target, Iterable) and not isinstance(target, str) else [target]
    if wrong := [name for name in named if not isinstance(name, str)]:
        raise QueryError(f"a target is named by a str, such as 'image', not {reprlib.repr(wrong[0])}")
    if not named:
        raise QueryError("no target modality was given")
    wanted = {Modality.named(name) for name in named}
    return tuple(modality for modality in ORDER if modality in wanted)


def route(model: Model, asked: Collection[Modality], target: Modality, bridges: Bridges) -> Route | None:
    """A way from a question with parts of the modalities `asked` to a target; None if there is none.

    A fitted space comes first, for the directions that it was fitted for; then one in which all parts live; else those
    that do not are carried over.
    """
    for fitted in model.fitted:
        if len(asked) == 1 and fitted.serves(next(iter(asked)), target):
            return Route(fitted.space)
    spaces = [head.space for head in model.heads]
    holding = [space for space in spaces if target in space.modalities]
    for space in holding:
        if set(asked) <= space.modalities:
            return Route(space)
    for space in holding:
        crossings = {
            modality: _crossing(spaces, modality, space, bridges)
            for modality in asked
            if modality not in space.modalities
        }
        found = {modality: crossing for modality, crossing in crossings.items() if crossing is not None}
        if len(found) == len(crossings):
            return Route(space, found)
    return None


def joins(model: Model, asked: Collection[Modality], target: Modality) -> bool:
    """Whether a bridge could be the way, if there were one: each part lives somewhere, and so does the target."""
    known = {modality for head in model.heads for modality in head.space.modalities}
    return len(model.heads) > 1 and {*asked, target} <= known


def _crossing(spaces: list[Space], modality: Modality, space: Space, bridges: Bridges) -> Crossing | None:
    for source in spaces:
        if modality in source.modalities:
            bridge = bridges(source, space)
            if bridge is not None:
                return Crossing(source, bridge)
    return None
