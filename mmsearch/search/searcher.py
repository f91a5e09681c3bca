"""The query path: embed, route, find candidates, rerank, and show. Everything that searches goes through here."""

from __future__ import annotations

from collections import defaultdict
from copy import copy
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import BridgeMissing, QueryError
from mmsearch.search import exact, rerank
from mmsearch.search.candidates import Candidates, merge
from mmsearch.search.lanes import Lane, Lanes
from mmsearch.search.nearest import Nearest
from mmsearch.search.query import Embedded, Query, Remembered, embed
from mmsearch.search.ranking import Ranking, stack
from mmsearch.search.rerank.base import Context
from mmsearch.search.results import hits
from mmsearch.search.route import Route, joins, route, targets
from mmsearch.search.stored import stored
from mmsearch.search.survivors import Survivors
from mmsearch.search.tables import Tables
from mmsearch.types import Hits, Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.ann.gpu import Card
    from mmsearch.encoders.base import Model
    from mmsearch.search.route import Bridges
    from mmsearch.store.snapshot import Snapshot
    from mmsearch.store.store import Store
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray, Space

LARGEST_K = 100_000
TOGETHER = 256  # questions embedded at once in a batch; bounds the memory that their media take
RANKED = 1_024  # of those that are embedded already; bounds the memory that their lists take


class FitsChanged(Exception):  # noqa: N818  (a signal between searcher and engine, which asks again; no error)
    """Other fits are in use, in the version of the index that is asked, than the model has."""


class Searcher:
    """Searches one index with one model."""

    def __init__(
        self,
        store: Store,
        model: Model,
        bridges: Bridges = lambda source, target: None,
        cards: Callable[[], Sequence[Card]] = tuple,
        nearest: Nearest | None = None,
    ) -> None:
        self._store, self.model, self._bridges = store, model, bridges
        self.fits = tuple(sorted((fitted.space.name, fitted.space.version) for fitted in model.fitted))
        self._remembered = Remembered()
        self._survivors = Survivors()
        self._tables = Tables()
        self._lanes = Lanes(self._tables)
        self._direct: dict[tuple[tuple[Modality, ...], tuple[Modality, ...]], Mapping[Modality, Route]] = {}
        self._latest: Snapshot | None = None
        self.nearest = nearest or Nearest(cards)

    def search(
        self,
        query: Query,
        *,
        target: str | Iterable[str] | None = None,
        k: int = 10,
        where: str | None = None,
        chain: str | Sequence[str] | None = None,
    ) -> Hits:
        """The k best items for one question; `chain` None stands for the model's default rerankers.

        Raises:
            QueryError: the question, the target, k, the filter or the chain makes no sense.
        """
        wanted = targets(target)
        if not 1 <= k <= LARGEST_K:
            raise QueryError(f"k must be from 1 to {LARGEST_K}, not {k}")
        steps = rerank.names(self.model.rerank if chain is None else chain)
        query.check(self.model)
        routes = self._routes(query.modalities, wanted)
        if query.vector is not None and len(routes) > 1:
            _of_one_space(routes)
        (embedded,) = self._embed([query], routes)
        shown = {
            **query.describe(),
            "target": [str(modality) for modality in wanted],
            "k": k,
            "where": where,
            "rerank": list(steps),
        }
        with self._store.view() as view:
            (found,) = self._candidates(view, [embedded], routes, max(k, rerank.POOL) if steps else k, where)
            ranked = self._reranked(view, embedded, found, routes, steps)
            failed = self.nearest.failed
            if failed and (slow := [failed[one.id] for one in view.snapshot().structures if one.id in failed]):
                shown["slow"] = slow
            if unreached := [str(modality) for modality in wanted if self._is_cut_off(view, query, modality, routes)]:
                shown["unreached"] = unreached
            return Hits(hits(view, ranked.head(k), embedded, routes), shown)

    def rank(
        self,
        queries: Sequence[Query] | Sequence[Embedded],
        target: str,
        depth: int,
        chain: str | Sequence[str] | None = None,
    ) -> Ranking:
        """The `depth` best items of one modality, for many questions at once. Same path as `search`.

        Args:
            queries: all with parts of the same modalities.
            target: the modality.
            depth: at least 1.
            chain: None stands for the model's default rerankers.

        Raises:
            QueryError: as `search`.
        """
        (modality,) = targets(target)
        steps = rerank.names(self.model.rerank if chain is None else chain)
        if len({query.modalities for query in queries}) > 1:
            raise QueryError("questions that are ranked together have parts of the same modalities")
        routes = self._routes(queries[0].modalities, (modality,)) if queries else {}
        parts = []
        with self._store.view() as view:
            together = RANKED if queries and isinstance(queries[0], Embedded) else TOGETHER
            for start in range(0, len(queries), together):
                embedded = self.embedded(queries[start : start + together], (modality,))
                parts.append(self._ranked(view, embedded, routes, depth, steps))
        return stack(parts, depth)

    def stored(self, items: Sequence[int], modality: Modality) -> list[Embedded]:
        """Items of the index, by their numbers, as questions; see `stored.stored`."""
        with self._store.view() as view:
            self._forget(view.snapshot())
            items_of = partial(self._tables.items, view)
            return stored(view.snapshot(), items_of, np.array(items, np.int64), modality)

    def keys(self, ranking: Ranking) -> list[list[str]]:
        """Ids of ranked items; those that were removed meanwhile are left out."""
        with self._store.view() as view:
            keys = view.keys(np.unique(ranking.items).tolist())
        return [[keys[item] for item in items if item in keys] for items in ranking.items.tolist()]

    def _ranked(
        self,
        view: View,
        queries: Sequence[Embedded],
        routes: Mapping[Modality, Route],
        depth: int,
        steps: Sequence[str],
    ) -> Ranking:
        if not steps and (ranking := self._at_once(view, queries, routes, depth)) is not None:
            return ranking
        found = self._candidates(view, queries, routes, max(depth, rerank.POOL) if steps else depth, None)
        return Ranking.of(
            [self._reranked(view, query, some, routes, steps) for query, some in zip(queries, found, strict=True)],
            depth,
        )

    def _at_once(
        self, view: View, queries: Sequence[Embedded], routes: Mapping[Modality, Route], depth: int
    ) -> Ranking | None:
        """The same as by `_candidates`, as arrays from end to end; None where that cannot be.

        It can where all rows are compared and each is an item of its own.
        """
        snapshot, ((modality, way),) = view.snapshot(), routes.items()
        self._forget(snapshot)
        lane = self._lanes.of(snapshot, way.space, modality)
        numbers = self._lanes.items(view, lane)
        if numbers is None:
            return None
        vectors = self._along(snapshot, queries, way)
        found = self.nearest.block(snapshot, lane.shards, vectors, depth, asked=_asked(queries[0]))
        if found is None:
            return None
        places, cosines = found
        ranking = Ranking.empty(len(queries), depth)
        dead, width = np.isneginf(cosines), places.shape[1]
        if dead.any():
            cosines[dead] = np.nan
        ranking.items[:, :width] = numbers[places]  # -1 of the dead
        ranking.cosines[:, :width] = cosines
        ranking.scores[:, :width] = cosines - (vectors @ lane.mean)[:, None]
        return ranking

    def vectors(self, queries: Sequence[Query] | Sequence[Embedded], target: str) -> tuple[Space, FloatArray]:
        """What items of one modality are compared with: the space, and the questions in it `(q, d)`, of unit norm.

        Args:
            queries: at least one, all with parts of the same modalities.
            target: the modality.

        Raises:
            QueryError: as `search`.
        """
        (modality,) = targets(target)
        way = self._routes(queries[0].modalities, (modality,))[modality]
        asking = self.embedded(queries, (modality,))
        with self._store.view() as view:
            return way.space, self._along(view.snapshot(), asking, way)

    def embedded(self, queries: Sequence[Query] | Sequence[Embedded], wanted: Sequence[Modality]) -> list[Embedded]:
        """Questions as the model sees them, ready to be asked about all of these modalities that can be reached.

        Args:
            queries: at least one, all with parts of the same modalities.
            wanted: modalities.

        Raises:
            QueryError: as `search`.
        """
        routes = self._routes(queries[0].modalities, wanted)
        found = [query for query in queries if isinstance(query, Embedded)]
        plain = [query for query in queries if isinstance(query, Query)]
        for query in plain:
            query.check(self.model)
        for start in range(0, len(plain), TOGETHER):
            found += self._embed(plain[start : start + TOGETHER], routes)
        return found

    def asked(self, asked: Modality, target: Modality, k: int) -> tuple[bool, tuple[str, ...]]:
        """Whether questions of one modality ask structures for k items of another, and the recipes of all there are.

        Raises:
            BridgeMissing: there is no way yet.
            QueryError: nor can there be.
        """
        way = self._routes((asked,), (target,))[target]
        with self._store.view() as view:
            snapshot = view.snapshot()
            lane = self._lanes.of(snapshot, way.space, target)
            asks = self.nearest.asks(snapshot, lane.shards, asked, max(1, min(lane.live, k + 16)))
            return asks, tuple(standing.recipe for standing in snapshot.structures_of(lane.shards))

    def by(self, kind: type[Nearest]) -> Searcher:
        """The same, which finds rows in another way; see `ways`."""
        other = copy(self)
        other.nearest = self.nearest.turned(kind)
        return other

    def _routes(self, asked: Sequence[Modality], wanted: Sequence[Modality]) -> Mapping[Modality, Route]:
        """The way to each target that can be reached.

        Raises:
            BridgeMissing: none can be, for want of a bridge.
            QueryError: none can be.
        """
        key = (tuple(asked), tuple(wanted))
        if key in self._direct:
            return self._direct[key]
        found = {modality: route(self.model, asked, modality, self._bridges) for modality in wanted}
        routes = {modality: way for modality, way in found.items() if way is not None}
        if len(routes) == len(wanted) and not any(way.crossings for way in routes.values()):
            self._direct[key] = routes  # what crosses no bridge stays so, whatever is fitted later
        if not routes:
            way = f"{' and '.join(asked) or 'a vector'} → {', '.join(wanted)}"
            if any(joins(self.model, asked, modality) for modality in wanted):
                raise BridgeMissing(
                    f"{way} needs a bridge between the spaces of {self.model.name}; "
                    f"`mmsearch bridge fit --index {self._store.folder.absolute()}` makes it, once for all indexes of "
                    "this model"
                )
            raise QueryError(f"{self.model.name} has no space for {way}")
        return routes

    def _is_cut_off(self, view: View, query: Query, target: Modality, routes: Mapping[Modality, Route]) -> bool:
        """Whether only a bridge is missing on the way to a target of which the index has something."""
        if target in routes or not joins(self.model, query.modalities, target):
            return False
        snapshot, spaces = view.snapshot(), (head.space for head in self.model.heads)
        return any(shard.live for s in spaces for shard in snapshot.of("vectors", s.name, s.version, target))

    def _embed(self, queries: Sequence[Query], routes: Mapping[Modality, Route]) -> list[Embedded]:
        """The questions, by the encoders that the routes begin with."""
        if not any(query.parts for query in queries):
            return embed(queries, self.model, {})
        needed: dict[Modality, set[str]] = defaultdict(set)
        encoders_of = {head.space: head.encoders for head in self.model.heads}
        encoders_of |= {fitted.space: fitted.encoders for fitted in self.model.fitted}
        for way in routes.values():
            for modality in {modality for query in queries for modality in query.parts}:
                crossing = way.crossings.get(modality)
                needed[modality].add(encoders_of[crossing.source if crossing else way.space][modality])
        encoders = {modality: frozenset(names) for modality, names in needed.items()}
        return embed(queries, self.model, encoders, self._remembered)

    def _candidates(
        self,
        view: View,
        queries: Sequence[Embedded],
        routes: Mapping[Modality, Route],
        k: int,
        where: str | None,
    ) -> list[Candidates]:
        """The k best items for each question over all targets.

        All questions have parts of the same modalities.
        """
        snapshot = view.snapshot()
        self._forget(snapshot)
        if where is not None:
            self._survivors.check(where, view)

        asked = _asked(queries[0])
        parts: list[list[Candidates]] = [[] for _ in queries]
        for modality, way in routes.items():
            lane = self._lanes.of(snapshot, way.space, modality)
            vectors = self._along(snapshot, queries, way)
            allowed = None if where is None else self._survivors.rows(where, view, lane.shards)
            centres = vectors @ lane.mean
            for part, found, mean in zip(
                parts, self._items(view, lane, vectors, k, asked, allowed), centres, strict=True
            ):
                part.append(found.scored(found.cosines - mean))
        return [(part[0] if len(part) == 1 else merge(part)).head(k) for part in parts]

    def _along(self, snapshot: Snapshot, queries: Sequence[Embedded], way: Route) -> FloatArray:
        """The questions `(q, d)` in the space of a route, unit norm."""
        centre = partial(self._lanes.centre, snapshot)
        return np.array([query.along(way, centre) for query in queries])

    def _items(
        self,
        view: View,
        lane: Lane,
        vectors: FloatArray,
        k: int,
        asked: str,
        allowed: Mapping[int, NDArray[np.int64]] | None,
    ) -> list[Candidates]:
        """The k best items by their best segment. Asks for more segments until there are k items, or all segments."""
        snapshot, fetch = view.snapshot(), min(lane.live, k + 16)
        best = self.nearest.top(snapshot, lane.shards, vectors, max(fetch, 1), asked=asked, allowed=allowed)
        results = [self._group(view, lane, found) for found in best]
        for number, found in enumerate(best):
            wide = fetch
            while len(results[number]) < k and wide < lane.live and len(found.offsets) >= wide:
                wide = min(lane.live, 4 * wide)
                one = vectors[number : number + 1]
                (found,) = self.nearest.top(snapshot, lane.shards, one, wide, asked=asked, allowed=allowed)  # noqa: PLW2901
                results[number] = self._group(view, lane, found)
        return [candidates.head(k) for candidates in results]

    def _group(self, view: View, lane: Lane, found: exact.Found) -> Candidates:
        """Segments become items; each item keeps its first, that is its best, segment."""
        here = set(found.shards.tolist())
        if len(here) == 1:
            ids = self._tables.ids(view, view.snapshot().by_id[here.pop()], found.offsets)
        else:
            ids = np.empty((len(found.offsets), 2), np.int64)
            for shard in here:
                places = (found.shards == shard).nonzero()[0]
                ids[places] = self._tables.ids(view, view.snapshot().by_id[shard], found.offsets[places])
        segments, items, cosines = ids[:, 0], ids[:, 1], found.cosines
        if segments.min(initial=0) < 0 or len(set(items.tolist())) < len(items):
            live = np.flatnonzero(segments >= 0)
            _, first = np.unique(items[live], return_index=True)
            kept = live[np.sort(first)]
            segments, items, cosines = segments[kept], items[kept], cosines[kept]
        return Candidates(items, segments, np.array([lane.modality] * len(items), object), cosines, cosines)

    def _reranked(
        self, view: View, query: Embedded, found: Candidates, routes: Mapping[Modality, Route], steps: Sequence[str]
    ) -> Candidates:
        if not steps:
            return found
        context = Context(view, view.snapshot(), self.model, {modality: way.space for modality, way in routes.items()})
        return rerank.apply(rerank.make(steps, context), query, found)

    def _forget(self, snapshot: Snapshot) -> None:
        """Drop the tables of shards that are gone; an older view that still asks reads them again."""
        if snapshot.fits != self.fits:
            raise FitsChanged
        if self._latest is not snapshot:
            self._latest = snapshot
            self.nearest.forget(snapshot)
            self._tables.forget(snapshot)


def _asked(query: Embedded) -> str:
    """The modality that asks; empty if there is no telling."""
    return str(*query.modalities) if len(query.modalities) == 1 else ""


def _of_one_space(routes: Mapping[Modality, Route]) -> None:
    """A vector is of one space, and spaces often have the same dimension: in another one it would find anything."""
    names: dict[str, list[str]] = defaultdict(list)
    for modality, way in routes.items():
        names[way.space.name].append(str(modality))
    if len(names) > 1:
        listed = " or ".join(f"{', '.join(modalities)} ({name})" for name, modalities in names.items())
        raise QueryError(f"a vector is of one space: name targets of the space that it is of, {listed}")
