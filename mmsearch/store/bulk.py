"""Many items that are alike, as one change: what imports are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmsearch.store.shard import Group
    from mmsearch.types import Metadata


@dataclass(frozen=True, slots=True)
class PutRows:
    """Items without a file, each of one segment with one row; those whose keys are there are replaced.

    A `Put` for each of them would do the same, in three times the time.

    Attributes:
        keys: n different ones.
        metadata: of each.
        excerpts: of each.
        group: where their rows belong.
        rows: `(n, dim)`.
    """

    keys: Sequence[str]
    metadata: Sequence[Metadata]
    excerpts: Sequence[str | None]
    group: Group
    rows: NDArray[Any]
