"""The query path: embed, route, find candidates, rerank, and show. Everything that searches goes through here."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import QueryError
from mmsearch.search import exact, rerank
from mmsearch.search.candidates import Candidates, merge
from mmsearch.search.query import Embedded, Query, embed
from mmsearch.search.rerank.base import Context
from mmsearch.search.results import hits
from mmsearch.search.route import route, targets
from mmsearch.search.survivors import Survivors
from mmsearch.types import Hits, Modality

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.store.store import Store
    from mmsearch.types import FloatArray, Space

PRIOR = 100  # rows of mean zero that a modality's mean is mixed with, so that a tiny index is not centred on itself
LARGEST_K = 100_000
TOGETHER = 256  # questions embedded at once in a batch; bounds the memory that their media take
TABLE_SHARE = 0.02  # from this share of a shard's rows on, reading all its ids at once is faster than asking for some
TABLE_AFTER = 8  # questions to a shard; a process that asks more often is a service, and reads its ids once


class Searcher:
    """Searches one index with one model."""

    def __init__(self, store: Store, model: Model) -> None:
        self._store, self._model = store, model
        self._survivors = Survivors(store)
        self._tables: dict[int, NDArray[np.int64]] = {}
        self._asked: Counter[int] = Counter()

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
        snapshot = self._store.snapshot()
        embedded = embed([query], self._model)
        (found,), spaces = self._candidates(snapshot, embedded, wanted, max(k, rerank.POOL) if steps else k, where)
        rerankers = rerank.make(steps, Context(self._store, snapshot, self._model, spaces))
        ranked = rerank.apply(rerankers, embedded[0], found)
        shown = {
            **query.describe(),
            "target": [str(modality) for modality in wanted],
            "k": k,
            "where": where,
            "rerank": list(steps),
        }
        return Hits(hits(self._store, ranked.take(np.arange(min(k, len(ranked)))), embedded[0], spaces), shown)

    def rank(
        self, queries: Sequence[Query], target: str, depth: int, chain: str | Sequence[str] | None = None
    ) -> list[list[str]]:
        """Ids of the `depth` best items of one modality, for many questions at once. Same path as `search`.

        Raises:
            QueryError: as `search`.
        """
        (modality,) = targets(target)
        steps = rerank.names(self._model.rerank if chain is None else chain)
        snapshot = self._store.snapshot()
        ranked: list[NDArray[np.int64]] = []
        for start in range(0, len(queries), TOGETHER):
            embedded = embed(queries[start : start + TOGETHER], self._model)
            found, spaces = self._candidates(
                snapshot, embedded, (modality,), max(depth, rerank.POOL) if steps else depth, None
            )
            rerankers = rerank.make(steps, Context(self._store, snapshot, self._model, spaces))
            for question, candidates in zip(embedded, found, strict=True):
                ranked.append(rerank.apply(rerankers, question, candidates).items[:depth])
        keys = self._store.keys(np.unique(np.concatenate(ranked)).tolist() if ranked else [])
        return [[keys[item] for item in items.tolist() if item in keys] for items in ranked]

    def _candidates(
        self, snapshot: Snapshot, queries: Sequence[Embedded], wanted: Sequence[Modality], k: int, where: str | None
    ) -> tuple[list[Candidates], dict[Modality, Space]]:
        """The k best items for each question over all targets, and the space in which each target was searched.

        All questions have parts of the same modalities.
        """
        if where is not None:
            self._survivors.check(where)
        parts: list[list[Candidates]] = [[] for _ in queries]
        spaces: dict[Modality, Space] = {}
        for modality in wanted:
            space = route(self._model, queries[0], modality) if queries else None
            if space is None:
                continue
            spaces[modality] = space
            shards = snapshot.of("vectors", space.name, space.version, modality)
            vectors = np.stack([self._vector(query, space) for query in queries])
            centres = vectors @ _mean(shards, space.dim)
            allowed = None if where is None else self._survivors.rows(where, snapshot, shards)
            for number, found in enumerate(self._items(shards, vectors, k, allowed, modality)):
                parts[number].append(found.take(np.arange(len(found)), found.cosines - centres[number]))
        if queries and not spaces:
            asked = " and ".join(queries[0].modalities) or "a vector"
            raise QueryError(f"{self._model.name} has no space for {asked} → {', '.join(wanted)}")
        merged = [merge(part) for part in parts]
        return [one.take(np.arange(min(k, len(one)))) for one in merged], spaces

    @staticmethod
    def _vector(query: Embedded, space: Space) -> FloatArray:
        vector = query.in_space(space.name, space.version)
        assert vector is not None, "route() only gives spaces in which all parts of the query live"
        return vector

    def _items(
        self,
        shards: Sequence[Shard],
        vectors: FloatArray,
        k: int,
        allowed: Mapping[int, NDArray[np.int64]] | None,
        modality: Modality,
    ) -> list[Candidates]:
        """The k best items by their best segment. Asks for more segments until there are k items, or all segments."""
        results: dict[int, Candidates] = {}
        left = np.arange(len(vectors))
        rows = sum(shard.live for shard in shards)
        fetch = min(rows, k + 16)
        while len(left):
            rest = []
            for number, found in zip(
                left.tolist(), exact.top(shards, vectors[left], max(fetch, 1), allowed), strict=True
            ):
                candidates = self._group(shards, found, modality)
                results[number] = candidates.take(np.arange(min(k, len(candidates))))
                if len(candidates) < k and fetch < rows and len(found.offsets) >= fetch:
                    rest.append(number)
            left = np.array(rest, np.int64)
            fetch = min(rows, 4 * fetch)
        return [results[number] for number in range(len(vectors))]

    def _group(self, shards: Sequence[Shard], found: exact.Found, modality: Modality) -> Candidates:
        """Segments become items; each item keeps its first, that is its best, segment."""
        ids = np.full((len(found.offsets), 2), -1, np.int64)
        for shard in shards:
            places = np.flatnonzero(found.shards == shard.id)
            if len(places):
                ids[places] = self._ids(shard, found.offsets[places])
        live = np.flatnonzero(ids[:, 0] >= 0)
        _, first = np.unique(ids[live, 1], return_index=True)
        kept = live[np.sort(first)]
        cosines = found.cosines[kept]
        return Candidates(ids[kept, 1], ids[kept, 0], np.array([modality] * len(kept), object), cosines, cosines)

    def _ids(self, shard: Shard, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Segment and item ids `(n, 2)` of rows; -1 for rows that died meanwhile.

        A few are asked for; when many are wanted, or some again and again, all ids of the shard are read and kept (16
        bytes a row). Rows are only ever added, so what was read stays true of the rows that are live.
        """
        table = self._tables.get(shard.id, np.empty((0, 2), np.int64))
        self._asked[shard.id] += 1
        if len(table) == 0 and len(offsets) < TABLE_SHARE * shard.rows and self._asked[shard.id] <= TABLE_AFTER:
            found = self._store.locate(shard.id, offsets.tolist())
            return np.array([found.get(offset, (-1, -1)) for offset in offsets.tolist()], np.int64).reshape(-1, 2)
        if len(table) < shard.rows:
            table = np.concatenate([table, self._store.ids(shard.id, len(table), shard.rows)])
            self._tables[shard.id] = table
        return table[offsets]


def _mean(shards: Sequence[Shard], dim: int) -> FloatArray:
    """Mean vector `(dim,)` of the live rows, shrunk to zero where they are few.

    A question's inner product with it is the mean score of a modality: subtracted, it makes scores of different
    modalities comparable (the modality gap, Liang et al., NeurIPS 2022) and changes no order within one.
    """
    total = np.zeros(dim)
    for shard in shards:
        total += shard.total
    return (total / (PRIOR + sum(shard.live for shard in shards))).astype(np.float32)
