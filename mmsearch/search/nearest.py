"""The nearest rows of a group: proposed by its structures and scored again, or compared one by one.

::

    rows that a structure covers ─► proposed ─► scored with the stored vectors ─┐
                                                                                 ├─► the best k
    all others (added since, few, or left by a filter) ─► every one is scored  ──┘

Scores are those of exact search, to the bit: a structure decides only what is looked at.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import IndexDamaged, MissingExtra
from mmsearch.search import exact
from mmsearch.search.exact import Found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.ann.structure import Allowed, Structure
    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.store.structures import Setting, Standing
    from mmsearch.types import FloatArray

TUNED_FOR = 26  # rows that ten answers are chosen from: for each answer the best of its segments
SURVIVORS = 50_000  # a filter that leaves no more rows than this has all of them scored
SHARE = 0.1  # nor is a structure worth it when so large a share of its rows would be looked at
KEPT = 8  # filters remembered


class Nearest:
    """Finds rows by the structures of one index; loads each when it is first asked."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loaded: dict[int, Structure | None] = {}
        self._allowed: OrderedDict[tuple[int, int, int], tuple[object, Allowed]] = OrderedDict()
        self.failed: dict[int, str] = {}

    def top(
        self,
        snapshot: Snapshot,
        shards: Sequence[Shard],
        queries: FloatArray,
        k: int,
        *,
        asked: str = "",
        allowed: Mapping[int, NDArray[np.int64]] | None = None,
    ) -> list[Found]:
        """For each query `(q, d)`, up to k live rows with the largest inner products, as good as was asked for.

        Args:
            snapshot: that the shards are of.
            shards: of one group.
            queries: float32.
            k: at least 1.
            asked: the modality that the queries are of, whose setting is used; empty if there is no telling.
            allowed: sorted offsets by shard id, the only rows that may be found; None for all.
        """
        here = {shard.id: shard for shard in shards}
        parts: list[list[Found]] = [[] for _ in queries]
        begun: dict[int, int] = {}  # rows of each shard that a structure has answered for
        if allowed is None or sum(len(some) for some in allowed.values()) > SURVIVORS:
            for standing in snapshot.structures_of(shards):
                width = _width(standing, asked, k)
                structure = self.structure(standing, filtered=allowed is not None) if width else None
                if structure is None or width is None:
                    continue
                for number, one in enumerate(
                    self.proposed(snapshot, here, standing, structure, queries, k, width, allowed)
                ):
                    parts[number].append(one)
                begun |= {cover.shard_id: cover.rows for cover in standing.covers}
        rest = [shard if shard.id not in begun else shard.tail(begun[shard.id]) for shard in shards]
        rest = [shard for shard in rest if shard.rows]
        if rest or not begun:
            for number, found in enumerate(exact.top(rest, queries, k, _shifted(allowed, begun))):
                starts = np.array([begun.get(shard, 0) for shard in found.shards.tolist()], np.int64)
                parts[number].append(Found(found.shards, found.offsets + starts, found.cosines))
        merged = [exact.merge(some, k) for some in parts]
        there = sum(shard.live if allowed is None else len(allowed.get(shard.id, ())) for shard in shards)
        for number, found in enumerate(merged):
            if begun and len(found.offsets) < min(k, there):  # the lists that were probed held no more
                (merged[number],) = exact.top(shards, queries[number : number + 1], k, allowed)
        return merged

    def proposed(
        self,
        snapshot: Snapshot,
        shards: Mapping[int, Shard],
        standing: Standing,
        structure: Structure,
        queries: FloatArray,
        k: int,
        width: tuple[int, int],
        allowed: Mapping[int, NDArray[np.int64]] | None = None,
    ) -> list[Found]:
        """The best k of what one structure proposes, asked with `width`: an effort and a number of candidates."""
        effort, fetch = width
        only = self._only(snapshot, shards, standing, structure, allowed)
        labels = structure.propose(queries, fetch, effort, only)
        return [
            _scored(shards, standing, some[some >= 0], query, k) for some, query in zip(labels, queries, strict=True)
        ]

    def structure(self, standing: Standing, *, filtered: bool = False) -> Structure | None:
        """A structure, loaded; None if it cannot be, or is of no use for a filter."""
        if filtered and standing.recipe.startswith("hnsw"):
            return None  # a graph loses its way among rows that may not be found: recall .05 to .35
        with self._guard:
            if standing.id not in self._loaded:
                from mmsearch.ann.structure import load

                self._loaded[standing.id] = None
                try:
                    self._loaded[standing.id] = load(
                        standing.path, standing.recipe, standing.rows, standing.bytes, standing.crc
                    )
                except (IndexDamaged, MissingExtra) as error:
                    self.failed[standing.id] = f"searched exactly, which takes longer: {error}"
            return self._loaded[standing.id]

    def use(self, standing: Standing, structure: Structure) -> None:
        """Take a structure that is in memory already."""
        with self._guard:
            self._loaded[standing.id] = structure
            self.failed.pop(standing.id, None)

    def forget(self, snapshot: Snapshot) -> None:
        """Give back structures that are no longer part of the index."""
        with self._guard:
            for gone in set(self._loaded) - {standing.id for standing in snapshot.structures}:
                del self._loaded[gone]
                self.failed.pop(gone, None)

    def _only(
        self,
        snapshot: Snapshot,
        shards: Mapping[int, Shard],
        standing: Standing,
        structure: Structure,
        allowed: Mapping[int, NDArray[np.int64]] | None,
    ) -> Allowed | None:
        """The live rows of a structure that may be found; None if these are all."""
        covers = [(cover, shards[cover.shard_id]) for cover in standing.covers if cover.shard_id in shards]
        whole = sum(cover.rows for cover, _ in covers) == standing.rows
        if allowed is None and whole and not any(len(shard.dead) for _, shard in covers):
            return None
        key = (standing.id, snapshot.version, id(allowed))
        with self._guard:
            if key in self._allowed:
                return self._allowed[key][1]
        mask = np.zeros(standing.rows, bool)
        for cover, shard in covers:
            part = mask[cover.first : cover.first + cover.rows]
            if allowed is None:
                part[:] = True
                part[shard.dead[shard.dead < cover.rows]] = False
            else:
                some = allowed.get(shard.id, np.empty(0, np.int64))
                part[some[some < cover.rows]] = True
        made = structure.allow(mask)
        with self._guard:
            self._allowed[key] = (allowed, made)  # `allowed` is held, so that its id stays its own
            while len(self._allowed) > KEPT:
                self._allowed.popitem(last=False)
        return made


def _width(standing: Standing, asked: str, k: int) -> tuple[int, int] | None:
    """Effort and candidates for `k` rows; None if exact search is the better way."""
    setting = standing.settings.get(asked) or _widest(tuple(standing.settings.values()))
    if setting is None or setting.effort == 0:
        return None
    times = max(1.0, k / TUNED_FOR)
    fetch = max(k, int(setting.fetch * times))
    if fetch > SHARE * standing.rows:
        return None
    return int(np.ceil(setting.effort * times**0.5)), fetch


def _widest(settings: Sequence[Setting]) -> Setting | None:
    """For questions that nothing is known of, vectors: the widest of the settings, exact if one of them is.

    Where only one modality was tried, twice as wide.
    """
    if not settings or any(one.effort == 0 for one in settings):
        return None
    times = 1 if len(settings) > 1 else 2
    widest = max(settings, key=lambda one: one.effort)
    return replace(widest, effort=times * widest.effort, fetch=times * max(one.fetch for one in settings))


def _shifted(
    allowed: Mapping[int, NDArray[np.int64]] | None, begun: Mapping[int, int]
) -> Mapping[int, NDArray[np.int64]] | None:
    if allowed is None or not begun:
        return allowed
    return {id_: some[some >= begun.get(id_, 0)] - begun.get(id_, 0) for id_, some in allowed.items()}


def _scored(
    shards: Mapping[int, Shard], standing: Standing, labels: NDArray[np.int64], query: FloatArray, k: int
) -> Found:
    """The best k of the rows with these labels, by the stored vectors."""
    covers = standing.covers
    if len(covers) == 1 and covers[0].shard_id in shards:
        (cover,) = covers
        cosines = np.vecdot(np.asarray(shards[cover.shard_id].matrix).take(labels - cover.first, axis=0), query)
        order = np.lexsort((labels, -cosines))[:k]
        return Found(np.full(len(order), cover.shard_id, np.int64), labels[order] - cover.first, cosines[order])
    which = np.searchsorted([cover.first for cover in covers], labels, side="right") - 1
    ids, offsets = np.empty(len(labels), np.int64), np.empty(len(labels), np.int64)
    cosines = np.full(len(labels), -np.inf, np.float32)
    for number in set(which.tolist()):
        cover, places = covers[number], np.flatnonzero(which == number)
        ids[places], offsets[places] = cover.shard_id, labels[places] - cover.first
        shard = shards.get(cover.shard_id)
        if shard is not None:
            cosines[places] = np.vecdot(np.asarray(shard.matrix)[offsets[places]], query)
    return exact.merge([Found(ids, offsets, cosines)], min(k, int((cosines > -np.inf).sum())), ordered=False)
