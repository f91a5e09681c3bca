"""The query path: embed, route, find candidates, rerank, and show. Everything that searches goes through here."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from mmsearch.errors import BridgeMissing, QueryError
from mmsearch.search import exact, rerank
from mmsearch.search.candidates import Candidates, merge
from mmsearch.search.nearest import Nearest
from mmsearch.search.query import Embedded, Query, Remembered, embed
from mmsearch.search.rerank.base import Context
from mmsearch.search.results import hits
from mmsearch.search.route import Route, joins, route, targets
from mmsearch.search.survivors import Survivors
from mmsearch.types import Hits, Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.ann.gpu import Card
    from mmsearch.encoders.base import Model
    from mmsearch.search.route import Bridges
    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.store.store import Store
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray, Space

PRIOR = 100  # rows of mean zero that a modality's mean is mixed with, so that a tiny index is not centred on itself
LARGEST_K = 100_000
TOGETHER = 256  # questions embedded at once in a batch; bounds the memory that their media take
TABLE_SHARE = 0.02  # from this share of a shard's rows on, reading all its ids at once is faster than asking for some
NO_IDS = np.empty((0, 2), np.int64)
TABLE_AFTER = 8  # questions to a shard; a process that asks more often is a service, and reads its ids once


@dataclass(frozen=True, slots=True)
class _Lane:
    """Where answers of one modality are, at one version of the index.

    Attributes:
        modality: of the answers.
        shards: that hold them.
        live: how many rows can be found.
        mean: of these rows `(dim,)`, see `_mean`.
    """

    modality: Modality
    shards: tuple[Shard, ...]
    live: int
    mean: FloatArray


class Searcher:
    """Searches one index with one model."""

    def __init__(
        self,
        store: Store,
        model: Model,
        bridges: Bridges = lambda source, target: None,
        cards: Callable[[], Sequence[Card]] = tuple,
    ) -> None:
        self._store, self._model, self._bridges = store, model, bridges
        self._remembered = Remembered()
        self._survivors = Survivors()
        self._tables: dict[int, NDArray[np.int64]] = {}
        self._asked: Counter[int] = Counter()
        self._direct: dict[tuple[tuple[Modality, ...], tuple[Modality, ...]], Mapping[Modality, Route]] = {}
        self._lanes: WeakKeyDictionary[Snapshot, dict[tuple[str, Modality], _Lane]] = WeakKeyDictionary()
        self._latest: Snapshot | None = None
        self.nearest = Nearest(cards)

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
        steps = rerank.names(self._model.rerank if chain is None else chain)
        query.check(self._model)
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
        self, queries: Sequence[Query], target: str, depth: int, chain: str | Sequence[str] | None = None
    ) -> list[list[str]]:
        """Ids of the `depth` best items of one modality, for many questions at once. Same path as `search`.

        Raises:
            QueryError: as `search`.
        """
        (modality,) = targets(target)
        steps = rerank.names(self._model.rerank if chain is None else chain)
        for query in queries:
            query.check(self._model)
        if len({query.modalities for query in queries}) > 1:
            raise QueryError("questions that are ranked together have parts of the same modalities")
        routes = self._routes(queries[0].modalities, (modality,)) if queries else {}
        ranked: list[NDArray[np.int64]] = []
        with self._store.view() as view:
            for start in range(0, len(queries), TOGETHER):
                embedded = self._embed(queries[start : start + TOGETHER], routes)
                found = self._candidates(view, embedded, routes, max(depth, rerank.POOL) if steps else depth, None)
                for question, candidates in zip(embedded, found, strict=True):
                    ranked.append(self._reranked(view, question, candidates, routes, steps).items[:depth])
            keys = view.keys(np.unique(np.concatenate(ranked)).tolist() if ranked else [])
        return [[keys[item] for item in items.tolist() if item in keys] for items in ranked]

    def _routes(self, asked: Sequence[Modality], wanted: Sequence[Modality]) -> Mapping[Modality, Route]:
        """The way to each target that can be reached.

        Raises:
            BridgeMissing: none can be, for want of a bridge.
            QueryError: none can be.
        """
        key = (tuple(asked), tuple(wanted))
        if key in self._direct:
            return self._direct[key]
        found = {modality: route(self._model, asked, modality, self._bridges) for modality in wanted}
        routes = {modality: way for modality, way in found.items() if way is not None}
        if len(routes) == len(wanted) and not any(way.crossings for way in routes.values()):
            self._direct[key] = routes  # what crosses no bridge stays so, whatever is fitted later
        if not routes:
            way = f"{' and '.join(asked) or 'a vector'} → {', '.join(wanted)}"
            if any(joins(self._model, asked, modality) for modality in wanted):
                raise BridgeMissing(
                    f"{way} needs a bridge between the spaces of {self._model.name}; "
                    f"`mmsearch bridge fit --index {self._store.folder.absolute()}` makes it, once for all indexes of "
                    "this model"
                )
            raise QueryError(f"{self._model.name} has no space for {way}")
        return routes

    def _is_cut_off(self, view: View, query: Query, target: Modality, routes: Mapping[Modality, Route]) -> bool:
        """Whether only a bridge is missing on the way to a target of which the index has something."""
        if target in routes or not joins(self._model, query.modalities, target):
            return False
        snapshot, spaces = view.snapshot(), (head.space for head in self._model.heads)
        return any(shard.live for s in spaces for shard in snapshot.of("vectors", s.name, s.version, target))

    def _embed(self, queries: Sequence[Query], routes: Mapping[Modality, Route]) -> list[Embedded]:
        """The questions, by the encoders that the routes begin with."""
        if not any(query.parts for query in queries):
            return embed(queries, self._model, {})
        needed: dict[Modality, set[str]] = defaultdict(set)
        heads = {head.space: head for head in self._model.heads}
        for way in routes.values():
            for modality in {modality for query in queries for modality in query.parts}:
                crossing = way.crossings.get(modality)
                needed[modality].add(heads[crossing.source if crossing else way.space].encoders[modality])
        encoders = {modality: frozenset(names) for modality, names in needed.items()}
        return embed(queries, self._model, encoders, self._remembered)

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

        def centre(space: Space, modality: Modality) -> FloatArray | None:
            lane = self._lane(snapshot, space, modality)
            return _mean(lane.shards, space.dim, prior=0) if lane.live >= PRIOR else None

        asked = str(*queries[0].modalities) if len(queries[0].modalities) == 1 else ""
        parts: list[list[Candidates]] = [[] for _ in queries]
        for modality, way in routes.items():
            lane = self._lane(snapshot, way.space, modality)
            vectors = np.array([query.along(way, centre) for query in queries])
            allowed = None if where is None else self._survivors.rows(where, view, lane.shards)
            centres = vectors @ lane.mean
            for part, found, mean in zip(
                parts, self._items(view, lane, vectors, k, asked, allowed), centres, strict=True
            ):
                part.append(found.scored(found.cosines - mean))
        return [(part[0] if len(part) == 1 else merge(part)).head(k) for part in parts]

    def _items(
        self,
        view: View,
        lane: _Lane,
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

    def _group(self, view: View, lane: _Lane, found: exact.Found) -> Candidates:
        """Segments become items; each item keeps its first, that is its best, segment."""
        here = set(found.shards.tolist())
        if len(here) == 1:
            ids = self._ids(view, view.snapshot().by_id[here.pop()], found.offsets)
        else:
            ids = np.empty((len(found.offsets), 2), np.int64)
            for shard in here:
                places = (found.shards == shard).nonzero()[0]
                ids[places] = self._ids(view, view.snapshot().by_id[shard], found.offsets[places])
        segments, items, cosines = ids[:, 0], ids[:, 1], found.cosines
        if segments.min(initial=0) < 0 or len(set(items.tolist())) < len(items):
            live = np.flatnonzero(segments >= 0)
            _, first = np.unique(items[live], return_index=True)
            kept = live[np.sort(first)]
            segments, items, cosines = segments[kept], items[kept], cosines[kept]
        return Candidates(items, segments, np.array([lane.modality] * len(items), object), cosines, cosines)

    def _ids(self, view: View, shard: Shard, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Segment and item ids `(n, 2)` of rows; -1 for rows that the catalog does not know.

        A few are asked for; when many are wanted, or some again and again, all ids of the shard are read and kept (16
        bytes a row). Rows are only ever added, so what was read stays true of the rows that are live. One that had
        died when they were read, and lives in this view, which is older, is asked for.
        """
        table = self._tables.get(shard.id, NO_IDS)
        if len(table) == 0 and len(offsets) < TABLE_SHARE * shard.rows:
            self._asked[shard.id] += 1
            if self._asked[shard.id] <= TABLE_AFTER:
                return _located(view, shard, offsets)
        if len(table) < shard.rows:
            table = np.concatenate([table, view.ids(shard.id, len(table), shard.rows)])
            self._tables[shard.id] = table
        found: NDArray[np.int64] = table.take(offsets, axis=0)
        if found.min(initial=0) < 0:
            unknown = np.flatnonzero(found[:, 0] < 0)
            found[unknown] = _located(view, shard, offsets[unknown])
        return found

    def _reranked(
        self, view: View, query: Embedded, found: Candidates, routes: Mapping[Modality, Route], steps: Sequence[str]
    ) -> Candidates:
        if not steps:
            return found
        context = Context(view, view.snapshot(), self._model, {modality: way.space for modality, way in routes.items()})
        return rerank.apply(rerank.make(steps, context), query, found)

    def _lane(self, snapshot: Snapshot, space: Space, modality: Modality) -> _Lane:
        lanes = self._lanes.setdefault(snapshot, {})
        found = lanes.get((space.name, modality))
        if found is None:
            shards = snapshot.of("vectors", space.name, space.version, modality)
            live = sum(shard.live for shard in shards)
            found = lanes[space.name, modality] = _Lane(modality, shards, live, _mean(shards, space.dim))
        return found

    def _forget(self, snapshot: Snapshot) -> None:
        """Drop the tables of shards that are gone; an older view that still asks reads them again."""
        if self._latest is not snapshot:
            self._latest = snapshot
            self.nearest.forget(snapshot)
            for shard_id in [id_ for id_ in list(self._tables) if id_ not in snapshot.by_id]:
                self._tables.pop(shard_id, None)
                self._asked.pop(shard_id, None)


def _located(view: View, shard: Shard, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    found = view.locate(shard.id, offsets.tolist())
    return np.array([found.get(offset, (-1, -1)) for offset in offsets.tolist()], np.int64).reshape(-1, 2)


def _of_one_space(routes: Mapping[Modality, Route]) -> None:
    """A vector is of one space, and spaces often have the same dimension: in another one it would find anything."""
    names: dict[str, list[str]] = defaultdict(list)
    for modality, way in routes.items():
        names[way.space.name].append(str(modality))
    if len(names) > 1:
        listed = " or ".join(f"{', '.join(modalities)} ({name})" for name, modalities in names.items())
        raise QueryError(f"a vector is of one space: name targets of the space that it is of, {listed}")


def _mean(shards: Sequence[Shard], dim: int, prior: int = PRIOR) -> FloatArray:
    """Mean vector `(dim,)` of the live rows, shrunk to zero where they are few.

    A question's inner product with it is the mean score of a modality: subtracted, it makes scores of different
    modalities comparable (the modality gap, Liang et al., NeurIPS 2022) and changes no order within one.
    """
    total = np.zeros(dim)
    for shard in shards:
        total += shard.total
    return (total / (prior + sum(shard.live for shard in shards))).astype(np.float32)
