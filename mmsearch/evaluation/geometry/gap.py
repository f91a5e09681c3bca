"""The modality gap: how far apart the modalities lie in the space that they share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from mmsearch.store.snapshot import Snapshot
    from mmsearch.types import Space


@dataclass(frozen=True, slots=True)
class Gap:
    """Two modalities of one space, over all live vectors `x` and `y` of them, which are of unit norm.

    Source: Liang, Zhang, Kwon, Yeung, Zou, "Mind the Gap", NeurIPS 2022, section 2.2.

    Trap: a gap is no error. To one question it moves all scores of a modality alike and changes no rank among them; it
    decides which modality comes first where several are merged.

    Attributes:
        space: its name.
        one: a modality.
        other: another one.
        distance: of the means, `|mean(x) - mean(y)|`: 0 where they coincide, 2 at most.
        across: the mean cosine of a pair of `x` and `y`, `mean(x) · mean(y)`.
        within: the mean cosine within each, a vector with itself included: `|mean(x)|²` and `|mean(y)|²`.
    """

    space: str
    one: Modality
    other: Modality
    distance: float
    across: float
    within: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "space": self.space,
            "between": [self.one, self.other],
            "distance": self.distance,
            "across": self.across,
            "within": list(self.within),
        }


def gaps(snapshot: Snapshot, spaces: Iterable[Space]) -> tuple[Gap, ...]:
    """The gap between every two modalities that an index holds vectors of in one space.

    It is exact whatever the size: shards keep the sum of their live rows.
    """
    found = []
    for space in spaces:
        means = {modality: mean for modality in Modality if (mean := _mean(snapshot, space, modality)) is not None}
        for (one, x), (other, y) in combinations(means.items(), 2):
            distance = float(np.linalg.norm(x - y))
            found.append(Gap(space.name, one, other, distance, float(x @ y), (float(x @ x), float(y @ y))))
    return tuple(found)


def _mean(snapshot: Snapshot, space: Space, modality: Modality) -> NDArray[np.float64] | None:
    shards = snapshot.of("vectors", space.name, space.version, modality)
    live = sum(shard.live for shard in shards)
    return np.sum([shard.total for shard in shards], axis=0) / live if live else None
