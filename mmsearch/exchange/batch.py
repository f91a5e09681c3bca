"""Rows on their way in, and how a foreign table's columns are understood."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

BATCH_ROWS: Final = 8192
IDS: Final = ("id", "_id", "key", "uuid", "image_path", "path")
"""Columns that are taken for the id, if the caller names none."""
TELLING: Final = ("key", "image_path", "path")
"""Those that stay in the metadata when they are the id."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a source.

    Attributes:
        first: the number of the first one, from 0.
        vectors: `(n, d)` of a floating type; whatever it likes where a row is wrong.
        entries: for each row, values by names of `rows.COLUMNS`; `metadata` and `properties` are JSON objects.
        wrong: why a row cannot be used, by its place in the batch.
    """

    first: int
    vectors: NDArray[Any]
    entries: list[dict[str, Any]]
    wrong: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Columns:
    """What a foreign table's columns mean.

    Attributes:
        id: the column of ids; the first of `IDS` that is there, else rows are numbered, if it is not given.
        vector: the column of vectors; the only one that holds lists of floating numbers, if it is not given.
        metadata: the columns that are kept as metadata; all others, if it is not given.
        modality: what the vectors stand for.
    """

    id: str | None = None
    vector: str | None = None
    metadata: tuple[str, ...] | None = None
    modality: str = "image"

    def among(self, names: Collection[str]) -> Columns:
        """With the id found among the names that a table has."""
        return self if self.id else replace(self, id=next((name for name in IDS if name in names), None))

    def entry(self, values: Mapping[str, Any], number: str) -> dict[str, Any]:
        """The entry of a row with these `values`, its vector left out; `number` is its id if no column is."""
        key = number if self.id is None else values.get(self.id)
        if self.metadata is not None:
            found = {name: value for name in self.metadata if (value := values.get(name)) is not None}
        else:
            vector, hidden = self.vector, None if self.id in TELLING else self.id
            found = {
                name: value for name, value in values.items() if value is not None and name != hidden and name != vector
            }
        return {"id": key, "modality": self.modality, "metadata": found}


class Source(Protocol):
    """Something that holds vectors and what is known of them."""

    @property
    def place(self) -> Path:
        """Where it is."""
        ...

    @property
    def rows(self) -> int:
        """How many vectors it holds."""
        ...

    @property
    def joins(self) -> bool:
        """Whether neighbouring rows of one id are parts of one item; else the second is a duplicate."""
        ...

    @property
    def model(self) -> Mapping[str, Any] | None:
        """The identity of the model whose vectors they are, if it tells."""
        ...

    def batches(self, dim: int) -> Iterator[Batch]:
        """All rows in order, in batches of about `BATCH_ROWS`; vectors of another length than `dim` are wrong.

        Raises:
            MediaError: it cannot be read, or all its vectors have another length.
        """
        ...
