"""What came out of a classification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mmsearch.types import Modality


class Guess(NamedTuple):
    """A label, and how probable it is among all that were given."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Classified:
    """One item.

    Attributes:
        id: of the item in an index, or of the record in a file of records; None for any other file.
        path: of its file; None if it has none.
        modality: of the medium that was looked at.
        guesses: all labels, the most probable first; equal ones in the order in which they were given. Probabilities
            sum to 1: something that none of the labels goes with has one that is the most probable all the same.
    """

    id: str | None
    path: Path | None
    modality: Modality
    guesses: tuple[Guess, ...]

    @property
    def label(self) -> str:
        """The most probable one."""
        return self.guesses[0].label

    @property
    def probability(self) -> float:
        """Of that label."""
        return self.guesses[0].probability


@dataclass(frozen=True, slots=True)
class Tagged:
    """What tagging an index did.

    Attributes:
        field: the metadata field that has the label; its probability is in `<field>_probability`.
        items: how many were classified.
        counts: how many got each label, in the order of the labels.
        unsure: how many got none, since no label was probable enough.
        kept: how many have a field of that name of the user's own, and got none.
    """

    field: str
    items: int
    counts: Mapping[str, int]
    unsure: int = 0
    kept: int = 0
