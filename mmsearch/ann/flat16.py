"""Rows of a group in float16 on GPUs: every one is compared, so that nothing is missed but by rounding.

What is proposed is scored again with the stored vectors, as with any structure; more is proposed than is wanted, as
float16 may swap what is nearly equal. Shards that fit on no GPU are not covered: the CPU compares their rows.

FAISS's GPU search without cuVS ignores a selector of rows without a word. So rows that may not be found are taken out
of what is proposed, and so many more are proposed. Every row is compared: what is left are the best rows that may be
found. Where too few of them are left, exact search on the CPU answers.
"""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.ann import gpu, placement
from mmsearch.ann.gpu import MOST_FETCHED
from mmsearch.ann.recipe import Recipe
from mmsearch.ann.structure import Allowed
from mmsearch.errors import first_line
from mmsearch.store.covers import Cover
from mmsearch.store.structures import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from mmsearch.ann.gpu import Card
    from mmsearch.store.snapshot import Shard
    from mmsearch.types import FloatArray

    Held = tuple[int, int, Any]  # a part's number, the label of its first row, its index

TOGETHER = 65_536  # rows handed to FAISS at once
OVER = 32  # more candidates than are wanted: float16 moves a cosine by about 1e-5, and no more than 1e-3
FRESH = 0.02  # a share of rows added since, from which they are worth loading everything again
_ids = count(-1, -1)  # of no structure in a catalog


class Flat16:
    """Rows of shards on GPUs, with labels from 0. Several threads may ask.

    Attributes:
        rows: how many are on GPUs.
        standing: what the catalog would know of it: its `covers` name the shards that are on GPUs, and how many rows.
        placed: which GPU has which parts.
        failed: why it can no longer be asked; empty if it can.
    """

    def __init__(self, shards: Sequence[Shard], cards: Sequence[Card], reserve: int = placement.RESERVE) -> None:
        """Load the rows of `shards`, of one group, the dead ones included; one warning if some do not fit.

        Raises:
            IndexDamaged: a shard is missing or too short.
        """
        start, group = time.perf_counter(), shards[0].group
        self.recipe = Recipe("flat16", group.dim)
        self.failed, self._full = "", ""
        self._cards = {card.number: card for card in cards}
        self._turn = count()
        sizes = [2 * group.dim * shard.rows for shard in shards]
        parts = placement.blocks(sizes, len(cards))
        whole = [sum(sizes[shard] for shard in part) for part in parts]
        # A part grows by copying itself: while it does, it is there twice.
        room = {card.number: card.free() - max(whole, default=0) for card in cards}
        placed = placement.place(whole, room, reserve)
        held = self._load([[shards[one] for one in part] for part in parts], placed)
        loaded = {part for some in held.values() for part, _ in some}
        covers, firsts, first = [], {}, 0
        for number, part in enumerate(parts):
            firsts[number] = first
            for shard in [shards[one] for one in part] if number in loaded else []:
                covers.append(Cover(shard.id, first, shard.rows))
                first += shard.rows
        taken = {number: tuple(part for part, _ in some) for number, some in held.items()}
        self.placed = placement.kept(placed, taken, len(parts))
        self.rows = first
        self._held: dict[int, list[Held]] = {
            number: [(part, firsts[part], index) for part, index in held[number] if part in self.placed.on[number]]
            for number in self.placed.on
        }
        self._left = sum(shard.rows for shard in shards) - first
        if self._left and cards:
            gpu.tell(
                f"{self._left:,} of {self._left + first:,} rows of {group.name}/{group.modality} do not fit on the "
                f"GPUs{self._full and f' ({self._full})'}: they are compared on the CPU"
            )
        size = 2 * group.dim * first
        self.standing = Standing(
            next(_ids), group.name, group.version, group.modality, str(self.recipe), Path(), size, 0, first,
            time.perf_counter() - start, tuple(covers),
        )  # fmt: skip

    def _load(self, parts: Sequence[Sequence[Shard]], placed: placement.Placement) -> dict[int, list[tuple[int, Any]]]:
        """By GPU, the parts that it took; the others did not fit, whatever the driver said."""

        def load(number: int) -> list[tuple[int, Any]]:
            made = ((part, self._filled(number, parts[part])) for part in placed.on[number])
            return [(part, index) for part, index in made if index is not None]

        begun = {number: self._cards[number].submit(lambda number=number: load(number)) for number in placed.on}  # type: ignore[misc]
        return {number: one.result() for number, one in begun.items()}

    def _filled(self, number: int, shards: Sequence[Shard]) -> Any:  # noqa: ANN401  (faiss.Index or None)
        try:
            index = self._cards[number].flat16(self.recipe.dim)
        except (RuntimeError, MemoryError) as error:
            self._full = first_line(error)
            return None
        for rows in _rows(shards):
            try:
                index.add(rows)
            except (RuntimeError, MemoryError) as error:
                self._full = first_line(error)
                return None
        return index

    @property
    def widest(self) -> int:
        """There is but one effort: all rows are compared."""
        return 1

    def width(self, k: int, left: int | None = None) -> tuple[int, int] | None:
        """Effort and candidates for `k` rows; None if a GPU cannot propose so many.

        Args:
            k: how many are wanted.
            left: how many rows may be found; None for all.
        """
        fetch = k + OVER
        return (1, fetch) if self.rows and not self.failed and self._wide(fetch, left) else None

    def propose(
        self, queries: FloatArray, fetch: int, effort: int, allowed: Allowed | None = None
    ) -> NDArray[np.int64]:
        """Labels `(q, fetch)` of the nearest, best first; -1 where there are no more, or where the CPU must answer.

        Args:
            queries: `(q, d)` float32.
            fetch: how many to propose.
            effort: any.
            allowed: from `allow`.
        """
        fetch = min(fetch, self.rows)
        none = np.full((len(queries), fetch), -1, np.int64)
        wide = self._wide(fetch, None if allowed is None else survivors(allowed))
        if not wide or self.failed:
            return none
        try:
            labels = self._ask(np.ascontiguousarray(queries, np.float32), wide)
        except (RuntimeError, MemoryError) as error:
            if not self.failed:
                self.failed = f"searched on the CPU, as a GPU failed: {first_line(error)}"
                gpu.tell(self.failed)
            return none
        return labels if allowed is None else only(labels, allowed, fetch)

    def allow(self, mask: NDArray[np.bool_]) -> Allowed:
        """What `propose` needs to find only the rows of a mask `(rows,)` by label."""
        return allow(mask)

    def outgrown(self, shards: Sequence[Shard]) -> bool:
        """Whether loading again is worth it: a shard is gone, or many rows were added."""
        rows = {shard.id: shard.rows for shard in shards}
        if any(rows.get(cover.shard_id, 0) < cover.rows for cover in self.standing.covers):
            return True
        return sum(rows.values()) - self.rows - self._left > FRESH * (self.rows + self._left)

    def close(self) -> None:
        """Give the GPUs' memory back; whoever is still asking, or asks again, is answered by the CPU."""
        self.failed = self.failed or "closed"
        for number, held in self._held.items():
            self._cards[number].submit(held.clear)  # FAISS's memory there is freed in the same thread, too

    def _wide(self, fetch: int, left: int | None) -> int:
        """How many to ask for, so that `fetch` of those that may be found are among them; 0 if that is too many."""
        if left is None or left >= self.rows:
            return fetch if fetch <= MOST_FETCHED else 0
        if not left:
            return 0
        wide = min(fetch * self.rows // left + fetch, self.rows)
        return wide if wide <= MOST_FETCHED else 0

    def _ask(self, queries: FloatArray, fetch: int) -> NDArray[np.int64]:
        numbers = list(self._held)
        if not self.placed.replicated:
            begun = [self._begin(number, queries, fetch) for number in numbers]
            scores, labels = zip(*(one.result() for one in begun), strict=True)
            return _best(np.concatenate(scores, axis=1), np.concatenate(labels, axis=1), fetch)
        begun = [
            self._begin(numbers[replica], queries[some], fetch)
            for replica, some in placement.shares(len(queries), len(numbers), next(self._turn))
        ]
        return np.concatenate([_best(*one.result(), fetch) for one in begun])

    def _begin(self, number: int, queries: FloatArray, fetch: int) -> Future[tuple[FloatArray, NDArray[np.int64]]]:
        held = self._held[number]

        def search() -> tuple[FloatArray, NDArray[np.int64]]:
            if not held:
                raise RuntimeError(self.failed)
            scores, labels = [], []
            for _, first, index in held:
                score, label = index.search(queries, min(fetch, index.ntotal))
                scores.append(np.where(label < 0, -np.inf, score))
                labels.append(np.where(label < 0, -1, label + first))
            return np.concatenate(scores, axis=1), np.concatenate(labels, axis=1)

        return self._cards[number].submit(search)


def _rows(shards: Sequence[Shard]) -> Iterator[FloatArray]:
    for shard in shards:
        for start in range(0, shard.rows, TOGETHER):
            yield np.ascontiguousarray(shard.matrix[start : start + TOGETHER], np.float32)


def _best(scores: FloatArray, labels: NDArray[np.int64], fetch: int) -> NDArray[np.int64]:
    """The labels of the largest scores, largest first `(q, fetch)`."""
    if scores.shape[1] > fetch:
        some = np.argpartition(-scores, fetch - 1, axis=1)[:, :fetch]
        scores, labels = np.take_along_axis(scores, some, 1), np.take_along_axis(labels, some, 1)
    return np.take_along_axis(labels, np.argsort(-scores, axis=1, kind="stable"), 1)


def allow(mask: NDArray[np.bool_]) -> Allowed:
    """What may be found of all rows by label, as bits; `counts` is their number."""
    return Allowed(np.packbits(mask, bitorder="little"), np.array([np.count_nonzero(mask)]))


def only(labels: NDArray[np.int64], allowed: Allowed | None, fetch: int) -> NDArray[np.int64]:
    """Those of `labels` `(q, n)` that may be found, in their order, up to `fetch` of each row; -1 behind them."""
    kept = labels >= 0
    if allowed is not None:
        kept &= ((allowed.packed[labels >> 3] >> (labels & 7).astype(np.uint8)) & 1).astype(bool)
    order = np.argsort(~kept, axis=1, kind="stable")[:, :fetch]
    return np.where(np.take_along_axis(kept, order, 1), np.take_along_axis(labels, order, 1), -1)


def survivors(allowed: Allowed) -> int:
    """How many rows may be found."""
    assert allowed.counts is not None
    return int(allowed.counts[0])
