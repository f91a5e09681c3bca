"""Other ways to find rows than the one an index uses: to measure what each of them costs and is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search.exact import Found
from mmsearch.search.nearest import Nearest, Way

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mmsearch.ann.structure import Allowed
    from mmsearch.search.nearest import Proposer
    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.store.structures import Standing
    from mmsearch.types import FloatArray


class Exact(Nearest):
    """Compares a question with every row; asks no structure."""

    def _proposers(
        self, snapshot: Snapshot, shards: Sequence[Shard], asked: str, k: int, *, filtered: bool
    ) -> Iterator[tuple[Standing, Proposer, tuple[int, int]]]:
        return iter(())


class Quantised(Nearest):
    """Asks structures as the index does, and leaves what they propose in their own order.

    What an index would find if it did not score candidates again with the stored vectors, as many others do not.
    """

    def way(self, snapshot: Snapshot, standing: Standing, structure: Proposer) -> Way:
        """As of `Nearest`."""
        way = super().way(snapshot, standing, structure)
        return _Unscored(way.standing, way.structure, way.gathered, way.live)


@dataclass(frozen=True, slots=True)
class _Unscored(Way):
    def find(self, queries: FloatArray, k: int, effort: int, fetch: int, only: Allowed | None = None) -> list[Found]:
        """As of `Way`, but the order is that of the codes.

        Scores stay comparable with those of other rows: the cosines of the rows that are found, given out in order.
        """
        proposed = self.structure.propose(queries, fetch, effort, self.live if only is None else only)[:, :k]
        found = []
        for labels, best in zip(proposed, self.gathered.best(proposed, queries, k), strict=True):
            shards, offsets = self.gathered.at(labels[labels >= 0])
            there = np.flatnonzero(shards >= 0)[: len(best.cosines)]
            found.append(Found(shards[there], offsets[there], best.cosines[: len(there)]))
        return found
