"""Data to evaluate with: what is searched, what is asked, and which answers are right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from mmsearch.errors import DatasetError
from mmsearch.types import Modality, Record


@dataclass(frozen=True, slots=True)
class Judgements:
    """The truth of one direction: by id of the asking record, the ids of those that answer it. Nothing is empty."""

    query: Modality
    target: Modality
    qrels: Mapping[str, frozenset[str]]

    @property
    def direction(self) -> str:
        """Such as `text->image`."""
        return f"{self.query}->{self.target}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Records to index, and judgements over their ids.

    Attributes:
        name: of the manifest and the folder that it lies in.
        records: each with an id, no two with the same; pictures and sounds as paths that exist.
        judgements: one per direction.
        warnings: what was left out, counted.
    """

    name: str
    records: tuple[Record, ...]
    judgements: tuple[Judgements, ...]
    warnings: tuple[str, ...] = ()


# Asked in this order. A reader returns None for what is not of its kind; the last one takes everything or says why not.
READERS: dict[str, str] = {
    "manifest": "mmsearch.evaluation.readers.manifest:read",
}


def read(path: Path) -> Dataset:
    """Read evaluation data with the first reader that knows its kind.

    Media that are missing on disk are left out and counted.

    Raises:
        DatasetError: it is missing or malformed, all its media are missing, or it judges nothing.
    """
    for place in READERS.values():
        module, function = place.split(":")
        reader: Callable[[Path], Dataset | None] = getattr(import_module(module), function)
        dataset = reader(path)
        if dataset is not None:
            return dataset
    raise DatasetError(f"{path}: no reader knows this; there are: {', '.join(READERS)}")
