"""Consecutive rows of a shard, compared one by one: what structures do not cover, or what one covers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsearch.search import exact
from mmsearch.search.exact import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from mmsearch.store.covers import Cover
    from mmsearch.store.snapshot import Shard
    from mmsearch.types import FloatArray


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of a shard from `start` on.

    Attributes:
        start: offset of the first.
        rows: as a shard of their own, whose offsets begin at 0.
    """

    start: int
    rows: Shard

    @classmethod
    def of(cls, shard: Shard, start: int, end: int) -> Stretch:
        """The rows from `start` to before `end`."""
        return cls(start, shard if (start, end) == (0, shard.rows) else shard.part(start, end))

    def top(self, queries: FloatArray, k: int, allowed: Mapping[int, NDArray[np.int64]] | None = None) -> list[Found]:
        """For each query `(q, d)`, the up to k live rows with the largest inner products; see `exact.top`."""
        if allowed is not None:
            some = allowed.get(self.rows.id)
            if some is None:
                return [exact.merge((), k)] * len(queries)
            inside = some[some.searchsorted(self.start) : some.searchsorted(self.start + self.rows.rows)]
            allowed = {self.rows.id: inside - self.start}
        found = exact.top((self.rows,), queries, k, allowed)
        return [Found(one.shards, one.offsets + self.start, one.cosines) for one in found] if self.start else found


def top(stretches: Sequence[Stretch], queries: FloatArray, k: int) -> list[Found]:
    """For each query `(q, d)`, the up to k best live rows of all of them."""
    found = [stretch.top(queries, k) for stretch in stretches]
    if not found:
        return [exact.merge((), k)] * len(queries)
    return [exact.merge(parts, k) for parts in zip(*found, strict=True)]


def covered(covers: Iterable[Cover], by_id: Mapping[int, Shard]) -> tuple[Stretch, ...]:
    """The rows that are covered, of the shards that there are."""
    return tuple(
        Stretch.of(shard, cover.start, cover.end)
        for cover in covers
        if (shard := by_id.get(cover.shard_id)) is not None
    )


def others(covers: Iterable[Cover], shards: Iterable[Shard]) -> Iterator[Stretch]:
    """The rows of `shards` that none of `covers` covers, but for those of which no row lives."""
    ranges: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for cover in covers:
        ranges[cover.shard_id].append((cover.start, cover.end))
    for shard in shards:
        start = 0
        for begin, end in (*sorted(ranges[shard.id]), (shard.rows, shard.rows)):
            if start < begin:
                stretch = Stretch.of(shard, start, begin)
                if stretch.rows.live:
                    yield stretch
            start = max(start, end)


def distinct(covers: Sequence[Cover], taken: Iterable[Cover]) -> bool:
    """Whether no row is covered by both."""
    ranges = [(cover.shard_id, cover.start, cover.end) for cover in taken]
    return not any(
        cover.shard_id == shard_id and cover.start < end and start < cover.end
        for cover in covers
        for shard_id, start, end in ranges
    )
