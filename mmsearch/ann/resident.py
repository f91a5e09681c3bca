"""What of an index is on GPUs: rows of groups, and structures; loaded when they are first asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from mmsearch.ann.flat16 import Flat16
from mmsearch.ann.gpu import tell
from mmsearch.ann.on_gpu import OnGpu, cards_for
from mmsearch.ann.recipe import GPU_KINDS
from mmsearch.errors import DeviceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from mmsearch.ann.gpu import Card
    from mmsearch.ann.recipe import Recipe
    from mmsearch.store.shard import Group
    from mmsearch.store.snapshot import Shard
    from mmsearch.store.structures import Standing


class Resident:
    """Several threads may ask; one loads, the others wait for it."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self.cards = tuple(cards)
        self._guard = threading.Lock()
        self._rows: dict[Group, tuple[int, Flat16]] = {}
        self._structures: dict[int, OnGpu | None] = {}

    def rows(self, shards: Sequence[Shard], version: int) -> Flat16 | None:
        """The rows of a group; None if none are on a GPU.

        Args:
            shards: all of the group.
            version: of the snapshot that they are of; an older one than was seen before loads nothing anew.

        Raises:
            IndexDamaged: a shard is missing or too short.
        """
        if not self.cards or not any(shard.rows for shard in shards):
            return None
        group = shards[0].group
        with self._guard:
            seen, flat = self._rows.get(group, (-1, None))
            if flat is None or (version > seen and not flat.failed and flat.outgrown(shards)):
                if flat is not None:
                    flat.close()
                flat = Flat16(shards, self.cards)
            self._rows[group] = max(seen, version), flat
        return flat if flat.rows and not flat.failed else None

    def structure(self, standing: Standing, recipe: Recipe, load: Callable[[], Any]) -> OnGpu | None:
        """A structure; None if it is of a kind that only CPUs are asked with, or is on no GPU.

        Args:
            standing: what the catalog knows of it.
            recipe: how it was made.
            load: gives the `faiss.Index` as it is on the CPU.

        Raises:
            IndexDamaged: what `load` raises.
        """
        if not self.cards or recipe.kind not in GPU_KINDS:
            return None
        with self._guard:
            if standing.id not in self._structures:
                self._structures[standing.id] = self._loaded(standing, recipe, load)
            found = self._structures[standing.id]
        return None if found is None or found.failed else found

    def _loaded(self, standing: Standing, recipe: Recipe, load: Callable[[], Any]) -> OnGpu | None:
        (cards,) = cards_for([standing.bytes], self.cards)
        if not cards:
            tell(f"a structure of {standing.rows:,} rows does not fit on a GPU: it is searched on the CPU")
            return None
        try:
            return OnGpu(load(), recipe, cards)
        except DeviceUnavailable:  # it has told of it
            return None

    def forget(self, structures: Collection[int]) -> None:
        """Give back the memory of structures that are not among these."""
        with self._guard:
            for gone in set(self._structures) - set(structures):
                found = self._structures.pop(gone)
                if found is not None:
                    found.close()

    def close(self) -> None:
        """Give back all memory; whoever is still asking is answered by the CPU."""
        self.forget(())
        with self._guard:
            for _, flat in self._rows.values():
                flat.close()
            self._rows.clear()
