"""The nearest rows of a group: proposed by its structures and scored again, or compared one by one.

::

    rows that a structure covers,
    or that are on a GPU ─────────► proposed ─► scored with the stored vectors ─┐
                                                                                 ├─► the best k
    all others (added since, few, or left by a filter) ─► every one is scored  ──┘

Scores are those of exact search, to the bit: a structure decides only what is looked at.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import numpy as np

from mmsearch.ann.recipe import GPU_KINDS, GRAPHS, PROVEN, few, kind_of
from mmsearch.errors import IndexDamaged, MissingExtra
from mmsearch.search import exact, proven, stretch
from mmsearch.search.gathered import Gathered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.ann.flat16 import Flat16
    from mmsearch.ann.gpu import Card
    from mmsearch.ann.on_gpu import OnGpu
    from mmsearch.ann.resident import Resident
    from mmsearch.ann.scan import Scan
    from mmsearch.ann.structure import Allowed, Structure
    from mmsearch.search.exact import Found
    from mmsearch.search.stretch import Stretch
    from mmsearch.store.covers import Cover
    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.store.structures import Setting, Standing
    from mmsearch.types import FloatArray

    Proposer = Structure | OnGpu | Flat16

TUNED_FOR = 26  # rows that ten answers are chosen from: for each answer the best of its segments
SURVIVORS = 10_000  # a filter that leaves no more rows than this has all of them scored
SHARE = 0.1  # nor is a structure worth it when so large a share of its rows would be looked at
SERVICE = 64  # questions; a process that asks more is a service, for which vectors are worth loading to a GPU
KEPT = 8  # filters remembered
PLANS = 32  # ways of asking remembered


@dataclass(frozen=True, slots=True)
class Way:
    """A structure at one version of the index, ready to be asked.

    Attributes:
        standing: what the catalog knows of it.
        structure: proposes rows.
        gathered: the stored vectors of all its rows.
        live: those of its rows that can be found; None for all.
    """

    standing: Standing
    structure: Proposer
    gathered: Gathered
    live: Allowed | None

    @property
    def proves(self) -> bool:
        """Whether it finds what exact search does."""
        return kind_of(self.standing.recipe) == PROVEN

    def find(self, queries: FloatArray, k: int, effort: int, fetch: int, only: Allowed | None = None) -> list[Found]:
        """The best k, for each query `(q, d)`, of `fetch` rows that are proposed; `only` a filter leaves, or all.

        What a scan of codes finds are the best of all rows, however many it is asked to propose.
        """
        allowed = self.live if only is None else only
        if self.proves:
            return proven.best(cast("Scan", self.structure), self.gathered, queries, k, allowed)
        return self.gathered.best(self.structure.propose(queries, fetch, effort, allowed), queries, k)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How rows are searched at one version: through structures, and what these do not cover one by one.

    Attributes:
        ways: through structures, each with its effort and number of candidates.
        rest: the other rows.
        live: rows that can be found.
    """

    ways: tuple[tuple[Way, int, int], ...]
    rest: tuple[Stretch, ...]
    live: int

    def compares(self, questions: int) -> bool:
        """Whether so many questions are compared with every row: where nothing is faster, or scans of codes are not."""
        scans = all(way.proves for way, _, _ in self.ways)
        return not self.ways or (scans and questions > proven.MOST)


class Nearest:
    """Finds rows by the structures of one index; loads each when it is first asked.

    Args:
        cards: tells the GPUs to search on; called once there is enough to search.
    """

    def __init__(self, cards: Callable[[], Sequence[Card]] = tuple) -> None:
        self._cards = cards
        self._resident: Resident | None = None
        self._guard = threading.Lock()
        self._loaded: dict[int, Structure | None] = {}
        self._allowed: OrderedDict[tuple[int, type, int, int], tuple[object, Allowed]] = OrderedDict()
        self._plans: WeakKeyDictionary[Snapshot, dict[tuple[Any, ...], _Plan]] = WeakKeyDictionary()
        self._questions = 0
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
            shards: all of one group.
            queries: float32.
            k: at least 1.
            asked: the modality that the queries are of, whose setting is used; empty if there is no telling.
            allowed: sorted offsets by shard id, the only rows that may be found; None for all.
        """
        if allowed is not None and sum(len(some) for some in allowed.values()) <= SURVIVORS:
            return exact.top(shards, queries, k, allowed)
        self._count(len(queries))
        plan = self._plan(snapshot, shards, asked, k, filtered=allowed is not None)
        if plan.compares(len(queries)):
            return exact.top(shards, queries, k, allowed)
        return self._by_plan(snapshot, plan, shards, queries, k, allowed)

    def _by_plan(
        self,
        snapshot: Snapshot,
        plan: _Plan,
        shards: Sequence[Shard],
        queries: FloatArray,
        k: int,
        allowed: Mapping[int, NDArray[np.int64]] | None = None,
    ) -> list[Found]:
        """What structures propose, and what is in none of them."""
        parts: list[list[Found]] = [[] for _ in queries]
        for way, effort, fetch in plan.ways:
            only = None if allowed is None else self._only(snapshot, way.standing, way.structure, allowed)
            for part, found in zip(parts, way.find(queries, k, effort, fetch, only), strict=True):
                part.append(found)
        for rows in plan.rest:
            for part, found in zip(parts, rows.top(queries, k, allowed), strict=True):
                part.append(found)
        merged = [exact.merge(part, k) for part in parts]
        there = plan.live if allowed is None else sum(len(allowed.get(shard.id, ())) for shard in shards)
        short = [number for number, found in enumerate(merged) if len(found.offsets) < min(k, there)]
        if short:  # the lists that were probed held no more, or a GPU has failed
            for number, found in zip(short, exact.top(shards, queries[short], k, allowed), strict=True):
                merged[number] = found
            if any(way.structure.failed for way, _, _ in plan.ways):
                self._plans.pop(snapshot, None)
        return merged

    def block(
        self, snapshot: Snapshot, shards: Sequence[Shard], queries: FloatArray, k: int, *, asked: str
    ) -> tuple[NDArray[np.int64], FloatArray]:
        """The same as places among the rows of all shards and cosines, both `(q, min(k, n))`; see `exact.block`."""
        self._count(len(queries))
        firsts = np.cumsum([0] + [shard.rows for shard in shards])
        plan = self._plan(snapshot, shards, asked, k, filtered=False)
        if not plan.compares(len(queries)):
            return _placed(self._by_plan(snapshot, plan, shards, queries, k), shards, firsts, min(k, firsts[-1]))
        dead = np.concatenate([first + shard.dead for shard, first in zip(shards, firsts, strict=False)])
        return exact.block([shard.matrix for shard in shards], queries, k, dead)

    def asks(self, snapshot: Snapshot, shards: Sequence[Shard], asked: str, k: int) -> bool:
        """Whether structures are asked, for some of the rows at least."""
        return bool(self._plan(snapshot, shards, asked, k, filtered=False).ways)

    def turned(self, kind: type[Nearest]) -> Nearest:
        """Another way to find rows, with the structures that this one has loaded."""
        made = kind(self._cards)
        made._guard, made._loaded, made.failed = self._guard, self._loaded, self.failed
        return made

    def way(self, snapshot: Snapshot, standing: Standing, structure: Proposer) -> Way:
        """A structure with the rows that it covers, as they are in a snapshot."""
        live = self._only(snapshot, standing, structure)
        return Way(standing, structure, Gathered.of(standing, snapshot.by_id), live)

    def _count(self, questions: int) -> None:
        before = self._questions
        self._questions += questions
        if before < SERVICE <= self._questions:
            self._plans.clear()

    def _plan(self, snapshot: Snapshot, shards: Sequence[Shard], asked: str, k: int, *, filtered: bool) -> _Plan:
        key = (shards[0].group if shards else None, asked, k, filtered)
        plans = self._plans.setdefault(snapshot, {})
        plan = plans.get(key)
        if plan is None:
            if len(plans) >= PLANS:
                plans.clear()
            plan = plans[key] = self._planned(snapshot, shards, asked, k, filtered=filtered)
        return plan

    def _planned(self, snapshot: Snapshot, shards: Sequence[Shard], asked: str, k: int, *, filtered: bool) -> _Plan:
        ways: list[tuple[Way, int, int]] = []
        covers: list[Cover] = []
        for standing, structure, width in self._proposers(snapshot, shards, asked, k, filtered=filtered):
            if stretch.distinct(standing.covers, covers):
                ways.append((self.way(snapshot, standing, structure), *width))
                covers += standing.covers
        live = sum(shard.live for shard in shards)
        return _Plan(tuple(ways), tuple(stretch.others(covers, shards)), live)

    def _proposers(
        self, snapshot: Snapshot, shards: Sequence[Shard], asked: str, k: int, *, filtered: bool
    ) -> Iterator[tuple[Standing, Proposer, tuple[int, int]]]:
        """What is asked, and how widely: structures that were made for GPUs, or all rows on GPUs, or structures."""
        standings = snapshot.structures_of(shards)
        if not any(kind_of(standing.recipe) in GPU_KINDS for standing in standings):
            live = sum(shard.live for shard in shards)
            large = self._questions >= SERVICE and live > few(shards[0].group.dim) if shards else False
            flat = self._on_gpus.rows(shards, snapshot.version) if large else None
            width = None if flat is None else flat.width(k)
            if flat is not None and width is not None:
                yield flat.standing, flat, width
                return
        for standing in standings:
            width = _width(standing, asked, k)
            structure = self.structure(standing, filtered=filtered) if width else None
            if structure is not None and width is not None:
                yield standing, structure, width

    @property
    def _on_gpus(self) -> Resident:
        with self._guard:
            if self._resident is None:
                from mmsearch.ann.resident import Resident

                self._resident = Resident(self._cards())
            return self._resident

    def structure(self, standing: Standing, *, filtered: bool = False) -> Structure | OnGpu | None:
        """A structure, loaded; None if it cannot be, or is of no use for a filter."""
        kind = kind_of(standing.recipe)
        if filtered and kind in GRAPHS:
            return None  # it loses its way among rows that may not be found: recall .05 to .35
        found = self._on_cpu(standing)
        if filtered or found is None or kind not in GPU_KINDS:
            return found
        return self._on_gpus.structure(standing, found.recipe, lambda: found.index) or found

    @property
    def card(self) -> Card | None:
        """A GPU to build on."""
        return next(iter(self._on_gpus.cards), None)

    def _on_cpu(self, standing: Standing) -> Structure | None:
        with self._guard:
            if standing.id not in self._loaded:
                from mmsearch.ann.load import load

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
            self._plans.clear()

    def forget(self, snapshot: Snapshot) -> None:
        """Give back structures that are no longer part of the index."""
        kept = {standing.id for standing in snapshot.structures}
        with self._guard:
            for gone in set(self._loaded) - kept:
                del self._loaded[gone]
                self.failed.pop(gone, None)
            resident = self._resident
        if resident is not None:
            resident.forget(kept)

    def close(self) -> None:
        """Give the memory of GPUs back."""
        with self._guard:
            resident, self._resident = self._resident, None
        if resident is not None:
            resident.close()

    def _only(
        self,
        snapshot: Snapshot,
        standing: Standing,
        structure: Proposer,
        allowed: Mapping[int, NDArray[np.int64]] | None = None,
    ) -> Allowed | None:
        """The live rows of a structure that may be found; None if these are all."""
        covers = [(cover, shard) for cover in standing.covers if (shard := snapshot.by_id.get(cover.shard_id))]
        whole = sum(cover.there for cover, _ in covers) == standing.rows
        if allowed is None and whole and not any(len(shard.dead) for _, shard in covers):
            return None
        key = (standing.id, type(structure), snapshot.version, id(allowed))
        with self._guard:
            if key in self._allowed:
                return self._allowed[key][1]
        mask = np.zeros(standing.rows, bool)
        for cover, shard in covers:
            part = mask[cover.first : cover.first + cover.rows]
            if allowed is None:
                part[:] = True
                part[cover.gone] = False
                part[cover.numbers(cover.inside(shard.dead))] = False
            elif shard.id in allowed:
                part[cover.numbers(cover.inside(allowed[shard.id]))] = True
        made = structure.allow(mask)
        with self._guard:
            self._allowed[key] = (allowed, made)  # `allowed` is held, so that its id stays its own
            while len(self._allowed) > KEPT:
                self._allowed.popitem(last=False)
        return made


def _placed(
    found: Sequence[Found], shards: Sequence[Shard], firsts: NDArray[np.int64], width: int
) -> tuple[NDArray[np.int64], FloatArray]:
    """Rows that were found as places and cosines `(q, width)`, by the place of the first row of each shard."""
    places = np.full((len(found), width), -1, np.int64)
    cosines = np.full(places.shape, -np.inf, np.float32)
    filled = np.arange(width) < np.array([len(one.offsets) for one in found])[:, None]
    number = np.array([shard.id for shard in shards]).searchsorted(np.concatenate([one.shards for one in found]))
    places[filled] = firsts[number] + np.concatenate([one.offsets for one in found])
    cosines[filled] = np.concatenate([one.cosines for one in found])
    return places, cosines


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
