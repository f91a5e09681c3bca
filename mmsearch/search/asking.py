"""What a question needs before anything is compared with it: its items, its ways to the answers, its vectors."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from mmsearch.errors import BridgeMissing, QueryError
from mmsearch.search.embed import Remembered, embed
from mmsearch.search.items import numbers, settle
from mmsearch.search.query import Query
from mmsearch.search.route import Route, joins, route

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mmsearch.encoders.base import Model
    from mmsearch.search.embedded import Embedded, EmbeddedPart
    from mmsearch.search.query import Part
    from mmsearch.search.route import Bridges
    from mmsearch.store.store import Store
    from mmsearch.store.view import View
    from mmsearch.types import Modality


class Asking:
    """Makes questions ready for one index and one model.

    Args:
        store: of the index.
        model: of the index.
        bridges: between spaces of the model.
        stored: items of the index, by their numbers, as questions.
    """

    def __init__(
        self,
        store: Store,
        model: Model,
        bridges: Bridges,
        stored: Callable[[Sequence[int], Modality], Sequence[Embedded]],
    ) -> None:
        self._store, self._model, self._bridges, self._stored = store, model, bridges, stored
        self._remembered = Remembered()
        self._direct: dict[tuple[tuple[Modality, ...], tuple[Modality, ...]], Mapping[Modality, Route]] = {}

    def settled(self, query: Query) -> tuple[Query, list[int]]:
        """The question with ids and modalities of the items that take part, and their numbers.

        Parts of weight 0 take no part, unless there are no others: `Query.check` says so.
        """
        query = query.weighty
        if not query.items:
            return query, []
        with self._store.view() as view:
            return settle(view, query)

    def all_settled(self, queries: Sequence[Query] | Sequence[Embedded]) -> Sequence[Query] | Sequence[Embedded]:
        """The same for many; those that are embedded stay as they are."""
        return [self.settled(query)[0] if isinstance(query, Query) else query for query in queries]  # type: ignore[return-value]

    def routes(self, asked: Sequence[Modality], wanted: Sequence[Modality]) -> Mapping[Modality, Route]:
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

    def is_cut_off(self, view: View, query: Query, target: Modality, routes: Mapping[Modality, Route]) -> bool:
        """Whether only a bridge is missing on the way to a target of which the index has something."""
        if target in routes or not joins(self._model, query.modalities, target):
            return False
        snapshot, spaces = view.snapshot(), (head.space for head in self._model.heads)
        return any(shard.live for s in spaces for shard in snapshot.of("vectors", s.name, s.version, target))

    def embed(self, queries: Sequence[Query], routes: Mapping[Modality, Route]) -> list[Embedded]:
        """The questions, by the encoders that the routes begin with."""
        if not any(query.modalities for query in queries):
            return embed(queries, self._model, {})
        needed: dict[Modality, set[str]] = defaultdict(set)
        encoders_of = {head.space: head.encoders for head in self._model.heads}
        encoders_of |= {fitted.space: fitted.encoders for fitted in self._model.fitted}
        for way in routes.values():
            for modality in {modality for query in queries for modality in query.modalities}:
                crossing = way.crossings.get(modality)
                needed[modality].add(encoders_of[crossing.source if crossing else way.space][modality])
        encoders = {modality: frozenset(names) for modality, names in needed.items()}
        return embed(queries, self._model, encoders, self._remembered, self._stored_parts)

    def _stored_parts(self, parts: Sequence[Part]) -> list[EmbeddedPart]:
        """Parts that are items, of weight 1: their stored rows ask."""
        with self._store.view() as view:
            items = numbers(view, [part.content for part in parts])
        found: dict[int, EmbeddedPart] = {}
        for modality in {part.modality for part in parts if part.modality is not None}:
            places = [place for place, part in enumerate(parts) if part.modality is modality]
            asking = self._stored([items[place] for place in places], modality)
            found |= {place: one.parts[0] for place, one in zip(places, asking, strict=True)}
        return [found[place] for place in range(len(parts))]
