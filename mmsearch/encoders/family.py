"""The seam between a name such as `clip:ViT-B-32/laion2b_s34b_b79k` and what it stands for.

A family is what stands before the colon; what stands behind it is the family's own affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mmsearch.errors import UnknownModel
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.encoders.base import Model


@dataclass(frozen=True, slots=True)
class Card:
    """What a person wants to know about a model before pulling it; None where that shows only afterwards.

    Attributes:
        summary: one line.
        dim: of its vectors.
        modalities: that it knows.
        download: megabytes (10^6 bytes) fetched.
        disk: megabytes in the cache, the packages kept included.
        parameters: millions of weights.
        licences: of its weights, by what they are of.
    """

    summary: str
    dim: int | None
    modalities: tuple[Modality, ...]
    download: int | None
    disk: int | None
    parameters: float | None = None
    licences: Mapping[str, str] = field(default_factory=dict)


class Family(Protocol):
    """The models that share what stands before the colon. Nothing here loads weights but `load` and `pull`."""

    def canonical(self, argument: str) -> str:
        """The full name, which goes into an index: defaults filled in, paths absolute.

        Raises:
            UnknownModel: the argument makes no sense.
        """
        ...

    def card(self, argument: str) -> Card:
        """What is known about it without fetching anything.

        Raises:
            UnknownModel: there is no such model.
        """
        ...

    def installed(self, argument: str) -> bool:
        """Whether it can be loaded without a network."""
        ...

    def pull(self, argument: str, source: Path | None = None) -> Path:
        """Fetch the weights, from the folder `source` if it is given, and make them ready; where they are then.

        Raises:
            ModelError: they cannot be had, or are not what they should be.
        """
        ...

    def verify(self, argument: str) -> None:
        """Hash what was made ready.

        Raises:
            WeightsMissing: nothing was.
            WeightsDamaged: it is not as it was made.
        """
        ...

    def load(self, argument: str, device: str | None = None) -> Model:
        """The model, its weights not in memory yet; pulled if it has not been.

        Raises:
            ModelError: it is unknown, cannot be had, or the device is not there.
        """
        ...


def no_argument(family: str, argument: str) -> str:
    """The name of a family that has one model only.

    Raises:
        UnknownModel: an argument was given.
    """
    if argument:
        raise UnknownModel(f"the model {family} takes nothing behind a colon, and was given {argument!r}")
    return family
