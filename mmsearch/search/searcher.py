"""The query path: embed, route, find candidates, rerank, and show. Everything that searches goes through here."""

from __future__ import annotations

from collections import defaultdict
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import BridgeMissing, MmsearchError, QueryError
from mmsearch.search import defaults, rerank
from mmsearch.search.asking import Asking
from mmsearch.search.calibrate.cut import cut, is_word
from mmsearch.search.calibrate.scale import Scales
from mmsearch.search.candidates import Candidates
from mmsearch.search.embedded import Embedded
from mmsearch.search.finding import Finder, fetch, reachable, spans
from mmsearch.search.items import numbers
from mmsearch.search.lexical.hybrid import Heard, Lexical, Words
from mmsearch.search.moments import Within, in_time, moments
from mmsearch.search.nearest import Nearest
from mmsearch.search.one_thread import one_thread
from mmsearch.search.query import Query
from mmsearch.search.ranking import Ranking, stack
from mmsearch.search.rerank.base import Context
from mmsearch.search.results import Shown, hits
from mmsearch.search.route import Route, targets
from mmsearch.search.stored import stored
from mmsearch.search.wanted import Wanted, check
from mmsearch.types import Hits, Modality, Moments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mmsearch.ann.gpu import Card
    from mmsearch.encoders.base import Model
    from mmsearch.search.route import Bridges
    from mmsearch.store.snapshot import Snapshot
    from mmsearch.store.store import Store
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray, Space

TOGETHER = 256  # questions embedded at once in a batch; bounds the memory that their media take
RANKED = 1_024  # of those that are embedded already; bounds the memory that their lists take


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that a model can be asked.

    Attributes:
        query: with the modalities of the items that take part.
        own: the numbers of these items.
        words: of its texts.
    """

    query: Query
    own: tuple[int, ...]
    words: Words


@dataclass(frozen=True, slots=True)
class Case:
    """A question, and what was found for it.

    Attributes:
        asked: the question.
        embedded: the same as the model sees it.
        found: by vectors, or by words alone.
        heard: what words found; None if nothing.
        scales: what cosines are worth to it.
    """

    asked: Asked
    embedded: Embedded
    found: Candidates
    heard: Heard | None
    scales: Scales


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
        device: str | None = None,
    ) -> None:
        self._store, self.model, self._device = store, model, device
        self.fits = tuple(sorted((fitted.space.name, fitted.space.version) for fitted in model.fitted))
        self._asking = Asking(store, model, bridges, self.stored)
        self._finder = Finder(model, nearest or Nearest(cards))
        self._latest: Snapshot | None = None

    @property
    def nearest(self) -> Nearest:
        """How rows are found."""
        return self._finder.nearest

    def search(self, query: Query, wanted: Wanted) -> Hits:
        """What is wanted for one question.

        Raises:
            QueryError: the question or the filter makes no sense.
            BridgeMissing: what is wanted is out of reach.
        """
        (found,) = self._answers([query], wanted)
        return found

    def search_many(self, queries: Sequence[Query], wanted: Wanted) -> list[Hits | MmsearchError]:
        """The same for many questions, which are embedded and compared together.

        A question that cannot be asked has its error in its place, as `search` would raise it: it is found by asking
        halves.
        """
        try:
            return [*self._answers(queries, wanted)]
        except (QueryError, BridgeMissing) as error:
            if len(queries) == 1:
                return [error]
        half = len(queries) // 2
        return [*self.search_many(queries[:half], wanted), *self.search_many(queries[half:], wanted)]

    def _answers(self, queries: Sequence[Query], wanted: Wanted) -> list[Hits]:
        alike: dict[tuple[Any, ...], list[tuple[int, Asked]]] = defaultdict(list)
        for place, query in enumerate(queries):
            settled, own = self._asking.settled(query)
            settled.check(self.model)
            words = Words.of(settled, wanted.lexical)
            asked = Asked(settled, tuple(own), words)
            alike[settled.modalities, settled.has_vector, words.question is None, len(own)].append((place, asked))
        answers: dict[int, Hits] = {}
        for some in alike.values():
            places, together = zip(*some, strict=True)
            answers |= zip(places, self._answered(together, wanted), strict=True)
        return [answers[place] for place in range(len(queries))]

    def _answered(self, together: Sequence[Asked], wanted: Wanted) -> list[Hits]:
        """Of questions that are alike: of the same modalities, with as many items, with words or without."""
        query, words = together[0].query, together[0].words
        routes = self._asking.routes(query.modalities, wanted.targets)
        if query.has_vector and len(routes) > 1:
            _of_one_space(routes)
        embedded = self._asking.embed([asked.query for asked in together], routes)
        with self._store.view() as view:
            alone = words.mode is Lexical.ONLY  # as they were asked for: what stands first has the words
            steps = () if alone and wanted.steps is None else wanted.steps
            chains = self._chains(view, query.modalities, routes, steps)
            self._forget(view.snapshot())
            directions = self._finder.directions(view, embedded, routes, wanted.where)
            scales = self._finder.scales(embedded, directions)
            heard = [
                asked.words.found(view, partial(reachable, directions, number, scale), wanted.k)
                for number, (asked, scale) in enumerate(zip(together, scales, strict=True))
            ]
            second = any(chains) or any(heard)  # looks at so many; else the best of each modality is judged, for any k
            width = (max(wanted.k, rerank.POOL) if second else wanted.k) + len(together[0].own)
            if alone:
                found = [Candidates.none() if one is None else one.alone() for one in heard]
            else:
                found, scales = self._finder.candidates(view, embedded, directions, width, scales)
                found = [some.head(width) for some in found] if second else found
            cases = map(Case, together, embedded, found, heard, scales)
            answers = [self._answer(view, case, routes, chains, wanted) for case in cases]
            answered = [
                Shown(question, best, spans(view, directions, number, best))
                for number, (question, (best, _)) in enumerate(zip(embedded, answers, strict=True))
            ]
            made = hits(view, answered, routes, explain=wanted.explain)
            return [Hits(some, shown) for some, (_, shown) in zip(made, answers, strict=True)]

    def _answer(
        self,
        view: View,
        case: Case,
        routes: Mapping[Modality, Route],
        chains: defaults.Chains,
        wanted: Wanted,
    ) -> tuple[Candidates, dict[str, Any]]:
        """Of what was found what is shown, and what was asked in JSON values."""
        query, words, own = case.asked.query, case.asked.words, case.asked.own
        reranked = partial(self._reranked, view, case.embedded, routes=routes, explains=wanted.explain)
        found = case.found.without(own)
        if case.heard is None or words.is_alone:
            ranked = reranked(found, chains=chains)
        else:
            judging, arranging = defaults.parted(chains)
            beside = case.heard.beside(reranked(found, chains=judging)).without(own)
            ranked = reranked(beside, chains=arranging)
        alone = is_word(query, self.model.inputs.text)
        ranked, unmatched = cut(ranked, case.scales, words, wanted, is_word=alone)
        best = ranked.head(wanted.k)
        shown = {
            **query.describe(),
            "target": [str(modality) for modality in wanted.targets],
            "k": wanted.k,
            "where": wanted.where,
            "lexical": str(words.mode),
            "rerank": defaults.described(chains),
        }
        if unmatched is not None:
            shown["unmatched"] = round(unmatched, 4)
        failed = self.nearest.failed
        if failed and (slow := [failed[one.id] for one in view.snapshot().structures if one.id in failed]):
            shown["slow"] = slow
        cut_off = [one for one in wanted.targets if self._asking.is_cut_off(view, query, one, routes)]
        if cut_off:
            shown["unreached"] = [str(modality) for modality in cut_off]
        if wanted.least and (best.confidences is None or np.isnan(best.confidences).any()):
            shown["uncalibrated"] = True
        return best, shown

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
            chain: None stands for the rerankers of the direction.

        Raises:
            QueryError: as `search`.
        """
        (modality,) = targets(target)
        steps = None if chain is None else rerank.names(chain)
        queries = self._asking.all_settled(queries)
        if len({query.modalities for query in queries}) > 1:
            raise QueryError("questions that are ranked together have parts of the same modalities")
        routes = self._asking.routes(queries[0].modalities, (modality,)) if queries else {}
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
            items_of = partial(self._finder.tables.items, view)
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
        steps: tuple[str, ...] | None,
    ) -> Ranking:
        self._forget(view.snapshot())
        chains = self._chains(view, queries[0].modalities, routes, steps)
        if not any(chains) and (ranking := self._finder.at_once(view, queries, routes, depth)) is not None:
            return ranking
        width = max(depth, rerank.POOL) if any(chains) else depth
        directions = self._finder.directions(view, queries, routes, judged=False)
        found, _ = self._finder.candidates(view, queries, directions, width)
        return Ranking.of(
            [self._reranked(view, query, some, routes, chains) for query, some in zip(queries, found, strict=True)],
            depth,
        )

    def vectors(self, queries: Sequence[Query] | Sequence[Embedded], target: str) -> tuple[Space, FloatArray]:
        """What items of one modality are compared with: the space, and the questions in it `(q, d)`, of unit norm.

        Args:
            queries: at least one, all with parts of the same modalities.
            target: the modality.

        Raises:
            QueryError: as `search`.
        """
        (modality,) = targets(target)
        queries = self._asking.all_settled(queries)
        way = self._asking.routes(queries[0].modalities, (modality,))[modality]
        asking = self.embedded(queries, (modality,))
        with self._store.view() as view:
            return way.space, self._finder.along(view.snapshot(), asking, way)

    def within(
        self, query: Query, item: str, *, modality: str | None = None, most: int = 10, least: float | None = None
    ) -> Moments:
        """The moments of one item that fit a question best.

        Args:
            query: the question.
            item: its id.
            modality: of the medium that is looked at: its sound, or else its text, if it is not given.
            most: how many moments.
            least: the confidence that each must reach, where it is known.

        Raises:
            QueryError: the question, `most` or `least` makes no sense, there is no such item, or it has no such medium.
        """
        check(most, least)
        query, _ = self._asking.settled(query)
        query.check(self.model)
        with self._store.view() as view:
            (number,) = numbers(view, [item])
            target = in_time(view, number, item, modality)
        way = self._asking.routes(query.modalities, (target,))[target]
        (embedded,) = self._asking.embed([query], {target: way})
        with self._store.view() as view:
            snapshot = view.snapshot()
            self._forget(snapshot)
            lane = self._finder.lanes.of(snapshot, way.space, target)
            (question,) = self._finder.along(snapshot, [embedded], way)
            standing = partial(self._finder.standings.of, view, embedded, way, lane, question)
            asked = Within(question, {**query.describe(), "within": item}, standing)
            return moments(view, lane, asked, number, most, least)

    def embedded(self, queries: Sequence[Query] | Sequence[Embedded], wanted: Sequence[Modality]) -> list[Embedded]:
        """Questions as the model sees them, ready to be asked about all of these modalities that can be reached.

        Args:
            queries: at least one, all with parts of the same modalities.
            wanted: modalities.

        Raises:
            QueryError: as `search`.
        """
        queries = self._asking.all_settled(queries)
        routes = self._asking.routes(queries[0].modalities, wanted)
        found = [query for query in queries if isinstance(query, Embedded)]
        plain = [query for query in queries if isinstance(query, Query)]
        for query in plain:
            query.check(self.model)
        for start in range(0, len(plain), TOGETHER):
            found += self._asking.embed(plain[start : start + TOGETHER], routes)
        return found

    def asked(self, asked: Modality, target: Modality, k: int) -> tuple[bool, tuple[str, ...]]:
        """Whether questions of one modality ask structures for k items of another, and the recipes of all there are.

        Raises:
            BridgeMissing: there is no way yet.
            QueryError: nor can there be.
        """
        way = self._asking.routes((asked,), (target,))[target]
        with self._store.view() as view:
            snapshot = view.snapshot()
            lane = self._finder.lanes.of(snapshot, way.space, target)
            asks = self.nearest.asks(snapshot, lane.shards, asked, fetch(lane, k))
            return asks, tuple(standing.recipe for standing in snapshot.structures_of(lane.shards))

    def chain(self, asked: Modality, target: Modality) -> tuple[str, ...]:
        """The rerankers that questions of one modality about another have where nobody says; see `defaults`.

        Raises:
            BridgeMissing: there is no way yet.
            QueryError: nor can there be.
        """
        way = self._asking.routes((asked,), (target,))[target]
        with self._store.view() as view:
            return defaults.chain(view.snapshot(), self.model, (asked,), target, way.space)

    def by(self, kind: type[Nearest]) -> Searcher:
        """The same, which finds rows in another way; see `ways`."""
        other = copy(self)
        other._finder = copy(self._finder)
        other._finder.nearest = self.nearest.turned(kind)
        return other

    def _chains(
        self,
        view: View,
        asked: Sequence[Modality],
        routes: Mapping[Modality, Route],
        steps: tuple[str, ...] | None,
    ) -> defaults.Chains:
        """The steps that were asked for, or those that each direction has."""
        if steps is not None:
            return {steps: tuple(routes)}
        return defaults.chains(view.snapshot(), self.model, asked, routes)

    def _reranked(
        self,
        view: View,
        query: Embedded,
        found: Candidates,
        routes: Mapping[Modality, Route],
        chains: defaults.Chains,
        *,
        explains: bool = False,
    ) -> Candidates:
        if not any(chains):
            return found
        context = Context(view, view.snapshot(), self.model, routes, explains=explains, device=self._device)
        with one_thread():
            return defaults.apply(chains, context, query, found)

    def _forget(self, snapshot: Snapshot) -> None:
        """Drop the tables of shards that are gone; an older view that still asks reads them again."""
        if snapshot.fits != self.fits:
            raise FitsChanged
        if self._latest is not snapshot:
            self._latest = snapshot
            self.nearest.forget(snapshot)
            self._finder.tables.forget(snapshot)


def _of_one_space(routes: Mapping[Modality, Route]) -> None:
    """A vector is of one space, and spaces often have the same dimension: in another one it would find anything."""
    names: dict[str, list[str]] = defaultdict(list)
    for modality, way in routes.items():
        names[way.space.name].append(str(modality))
    if len(names) > 1:
        listed = " or ".join(f"{', '.join(modalities)} ({name})" for name, modalities in names.items())
        raise QueryError(f"a vector is of one space: name targets of the space that it is of, {listed}")
