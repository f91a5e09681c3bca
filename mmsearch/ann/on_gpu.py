"""Structures that are built and asked on GPUs, IVF-PQ with 8-bit codes and CAGRA; as files, FAISS on a CPU reads them.

::

    ivfpq:  sample, rows ─► GpuIndexIVFPQ ─► IndexIVFPQ      ─► file ─► GpuIndexIVFPQ, or as it is on the CPU
    cagra:  rows         ─► GpuIndexCagra ─► IndexHNSWCagra  ─► file ─► GpuIndexCagra, or as it is on the CPU

Filters are not for these: the CPU's copy of IVF-PQ widens its search by them, and a graph loses its way among rows that
may not be found. Rows that are dead are taken out of what is proposed, and so many more are proposed.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.ann import gpu, placement
from mmsearch.ann.flat16 import allow, only, survivors
from mmsearch.ann.gpu import MOST_FETCHED
from mmsearch.ann.library import faiss
from mmsearch.errors import DeviceUnavailable, first_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from mmsearch.ann.gpu import Card
    from mmsearch.ann.recipe import Recipe
    from mmsearch.ann.structure import Allowed
    from mmsearch.types import FloatArray

LIVE = 0.5  # a question of whose candidates fewer are live is answered by the CPU
MOST_QUEUE = 512  # of CAGRA's search in one block


def build(recipe: Recipe, card: Card | None, sample: FloatArray, parts: Iterable[FloatArray], rows: int) -> Any:  # noqa: ANN401  (faiss.Index)
    """An index on the CPU, ready to be written, built on a GPU; IVF-PQ on the CPU where there is none.

    Args:
        recipe: of kind `ivfpq` or `cagra`.
        card: the GPU; None for the CPU.
        sample: `(n, d)` float32 to train IVF-PQ with.
        parts: all rows `(n, d)` float32, part by part. CAGRA needs all at once: `2 d` bytes of memory a row.
        rows: how many there are.

    Raises:
        DeviceUnavailable: there is no GPU for CAGRA, or it has no memory left for what is built.
        QueryError: the dimensions cannot be divided.
    """
    if recipe.kind == "cagra":
        if card is None:
            raise DeviceUnavailable(
                "CAGRA is built on a GPU, by a FAISS with cuVS (pip install faiss-gpu-cuvs): take hnsw, or pq"
            )
        whole = np.empty((rows, recipe.dim), np.float16)
        done = 0
        for part in parts:
            whole[done : done + len(part)] = part
            done += len(part)
        return _on(card, lambda: card.down(card.graph(whole, recipe), recipe))
    index = faiss().index_factory(recipe.dim, recipe.factory, faiss().METRIC_INNER_PRODUCT)
    if card is None:
        _trained(index, sample)
        for part in parts:
            index.add(part)
        return index
    there = _on(card, lambda: card.up(index, recipe))
    _on(card, lambda: _trained(there, sample))
    for part in parts:
        _on(card, lambda part=part: there.add(part))
    return _on(card, lambda: card.down(there, recipe))


def _trained(index: Any, sample: FloatArray) -> None:  # noqa: ANN401
    index.cp.min_points_per_centroid = index.pq.cp.min_points_per_centroid = 1  # it would warn on standard error
    index.train(sample)


def _on(card: Card, work: Any) -> Any:  # noqa: ANN401
    try:
        return card.submit(work).result()
    except (RuntimeError, MemoryError) as error:
        raise DeviceUnavailable(
            f"GPU {card.number} could not build the structure ({first_line(error)}): free some of its memory, or "
            "build on the CPU (`--structure pq`)"
        ) from error


def cards_for(
    sizes: Sequence[int], cards: Sequence[Card], reserve: int = placement.RESERVE
) -> tuple[tuple[Card, ...], ...]:
    """The GPUs for each of several structures of so many bytes: all, one, or none."""
    placed = placement.place(sizes, {card.number: card.free() for card in cards}, reserve)
    return tuple(tuple(card for card in cards if part in placed.on.get(card.number, ())) for part in range(len(sizes)))


class OnGpu:
    """A structure on one or several GPUs, each with all of it; asked like `ann.structure.Structure`.

    Attributes:
        recipe: how it was made.
        rows: how many it covers.
        failed: why it can no longer be asked; empty if it can.
    """

    def __init__(self, index: Any, recipe: Recipe, cards: Sequence[Card]) -> None:  # noqa: ANN401
        """Copy an index of the CPU to GPUs, at least one.

        Raises:
            DeviceUnavailable: none has the memory, which there is one warning of.
        """
        self.recipe, self.rows, self.failed = recipe, int(index.ntotal), ""
        self._lists = recipe.lists
        self._held: list[tuple[Card, list[Any]]] = []
        self._turn = count()
        said = ""
        for card in cards:
            try:
                there = card.submit(lambda card=card: card.up(index, recipe)).result()  # type: ignore[misc]
            except (RuntimeError, MemoryError) as error:
                said = first_line(error)
                continue
            self._held.append((card, [there]))
        if not self._held:
            gpu.tell(f"a structure of {self.rows:,} rows does not fit on a GPU ({said}): it is searched on the CPU")
            raise DeviceUnavailable(said or "there is no GPU")

    @property
    def widest(self) -> int:
        """The largest effort that makes a difference."""
        return min(MOST_QUEUE, self.rows) if self.recipe.kind == "cagra" else min(self._lists, MOST_FETCHED)

    def propose(
        self, queries: FloatArray, fetch: int, effort: int, allowed: Allowed | None = None
    ) -> NDArray[np.int64]:
        """Labels `(q, fetch)` that are probably the nearest; -1 where there are no more, or where the CPU must answer.

        Args:
            queries: `(q, d)` float32.
            fetch: how many to propose.
            effort: lists to probe, or the length of CAGRA's queue.
            allowed: from `allow`, the live rows.
        """
        fetch = min(fetch, self.rows)
        none = np.full((len(queries), fetch), -1, np.int64)
        live = self.rows if allowed is None else survivors(allowed)
        wide = min(fetch * self.rows // max(1, live) + (live < self.rows) * fetch, self.rows)
        if self.failed or wide > MOST_FETCHED or live < LIVE * self.rows:
            return none
        try:
            labels = self._ask(np.ascontiguousarray(queries, np.float32), wide, max(1, min(effort, self.widest)))
        except (RuntimeError, MemoryError) as error:
            if not self.failed:
                self.failed = f"searched on the CPU, as a GPU failed: {first_line(error)}"
                gpu.tell(self.failed)
            return none
        labels = np.where((labels < 0) | (labels >= self.rows), -1, labels)
        if allowed is None:
            return only(labels, None, fetch)
        proposed = only(labels, allowed, wide)
        amid_dead = (proposed >= 0).sum(axis=1) < LIVE * (labels >= 0).sum(axis=1)
        return np.where(amid_dead[:, None], -1, proposed[:, :fetch])

    def allow(self, mask: NDArray[np.bool_]) -> Allowed:
        """What `propose` needs to find only the rows of a mask `(rows,)` by label."""
        return allow(mask)

    def close(self) -> None:
        """Give the GPUs' memory back; whoever is still asking, or asks again, is answered by the CPU."""
        self.failed = self.failed or "closed"
        for card, held in self._held:
            card.submit(held.clear)

    def _ask(self, queries: FloatArray, fetch: int, effort: int) -> NDArray[np.int64]:
        def search(number: int, some: FloatArray) -> NDArray[np.int64]:
            card, held = self._held[number]
            if not held:
                raise RuntimeError(self.failed)
            return held[0].search(some, fetch, **card.asked(self.recipe, effort, fetch))[1]  # type: ignore[no-any-return]

        begun = [
            self._held[replica][0].submit(lambda replica=replica, some=queries[share]: search(replica, some))  # type: ignore[misc]
            for replica, share in placement.shares(len(queries), len(self._held), next(self._turn))
        ]
        return np.concatenate([one.result() for one in begun])
