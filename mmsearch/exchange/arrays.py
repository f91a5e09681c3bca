"""Vectors in memory, as a source of an import."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import QueryError
from mmsearch.exchange.batch import BATCH_ROWS, Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.types import Metadata


@dataclass(frozen=True)
class Arrays:
    """A matrix and what is known of its rows.

    Attributes:
        vectors: `(n, d)` of a floating type, or what NumPy makes that of.
        ids: of each row; made if they are not given.
        metadata: of each row; none if they are not given.
        modality: what they stand for.
        space: that they are of; the modality's only one if it is not given.

    Raises:
        QueryError: the lengths differ, or the vectors are no matrix of numbers.
    """

    vectors: NDArray[Any]
    ids: Sequence[str] | None = None
    metadata: Sequence[Metadata] | None = None
    modality: str = "image"
    space: str | None = None
    place: Path = Path("vectors")
    joins: bool = False
    model: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        try:
            vectors = np.asanyarray(self.vectors)
        except (TypeError, ValueError) as error:  # rows of several lengths, a tensor that is on a GPU
            raise QueryError(f"the vectors must be a matrix (n, d) of floating numbers: {error}") from error
        object.__setattr__(self, "vectors", vectors)
        shape = vectors.shape
        if len(shape) != 2 or vectors.dtype.kind != "f":
            raise QueryError(f"the vectors must be a matrix (n, d) of floating numbers, not of shape {shape}")
        for name, given in (("ids", self.ids), ("metadata", self.metadata)):
            if given is not None and len(given) != shape[0]:
                raise QueryError(f"there are {shape[0]} vectors and {len(given)} {name}")

    @property
    def rows(self) -> int:
        """How many vectors there are."""
        return len(self.vectors)

    def batches(self, dim: int) -> Iterator[Batch]:
        """All rows in order.

        Raises:
            QueryError: they have not `dim` numbers each.
        """
        if self.vectors.shape[1] != dim:
            raise QueryError(f"the vectors have {self.vectors.shape[1]} numbers, those of the index have {dim}")
        for start in range(0, self.rows, BATCH_ROWS):
            here = range(start, min(start + BATCH_ROWS, self.rows))
            entries = [
                {
                    "id": secrets.token_hex(10) if self.ids is None else self.ids[i],
                    "modality": self.modality,
                    "space": self.space,
                    "metadata": {} if self.metadata is None else self.metadata[i],
                }
                for i in here
            ]
            yield Batch(start, self.vectors[here.start : here.stop], entries)
