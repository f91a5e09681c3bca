"""Finding the items that are nearest to questions, in one version of an index, and what their cosines are worth."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search.calibrate.calibration import Calibrations
from mmsearch.search.calibrate.scale import Scale, Scales
from mmsearch.search.candidates import Candidates, merge
from mmsearch.search.lanes import Lanes
from mmsearch.search.lexical.hybrid import Target
from mmsearch.search.moments import stretches
from mmsearch.search.ranking import Ranking
from mmsearch.search.survivors import Survivors
from mmsearch.search.tables import Tables
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.search import exact
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.lanes import Lane
    from mmsearch.search.nearest import Nearest
    from mmsearch.search.route import Route
    from mmsearch.store.snapshot import Snapshot
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray


class Finder:
    """Finds items with one model.

    Attributes:
        nearest: how rows are found.
        tables: which item each row belongs to.
        lanes: where the answers of each modality are.
    """

    def __init__(self, model: Model, nearest: Nearest) -> None:
        self.nearest = nearest
        self.tables = Tables()
        self.lanes = Lanes(self.tables)
        self._survivors = Survivors()
        self._calibrations = Calibrations(model, self.lanes)

    def at_once(
        self, view: View, queries: Sequence[Embedded], routes: Mapping[Modality, Route], depth: int
    ) -> Ranking | None:
        """The same as by `candidates`, as arrays from end to end; None where that cannot be.

        It can where all rows are compared and each is an item of its own.
        """
        snapshot, ((modality, way),) = view.snapshot(), routes.items()
        lane = self.lanes.of(snapshot, way.space, modality)
        numbers = self.lanes.items(view, lane)
        if numbers is None:
            return None
        vectors = self.along(snapshot, queries, way)
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

    def candidates(
        self,
        view: View,
        queries: Sequence[Embedded],
        routes: Mapping[Modality, Route],
        k: int,
        where: str | None,
        scales: Sequence[Scales] | None = None,
    ) -> list[Candidates]:
        """The k best items for each question over all targets.

        All questions have parts of the same modalities. Without `scales` scores are centred cosines.
        """
        snapshot = view.snapshot()
        if where is not None:
            self._survivors.check(where, view)

        asked = _asked(queries[0])
        parts: list[list[Candidates]] = [[] for _ in queries]
        for modality, way in routes.items():
            lane = self.lanes.of(snapshot, way.space, modality)
            vectors = self.along(snapshot, queries, way)
            allowed = None if where is None else self._survivors.rows(where, view, lane.shards)
            centres = vectors @ lane.mean
            for number, found in enumerate(self._items(view, lane, vectors, k, asked, allowed)):
                scores = found.cosines - centres[number]
                if scales is not None:
                    scores = scales[number].scores(modality, found.cosines)
                parts[number].append(found.scored(scores))
        return [(part[0] if len(part) == 1 else merge(part)).head(k) for part in parts]

    def scales(self, view: View, queries: Sequence[Embedded], routes: Mapping[Modality, Route]) -> list[Scales]:
        """For each question, what cosines are worth; all have parts of the same modalities."""
        snapshot, columns = view.snapshot(), {}
        for modality, way in routes.items():
            lane, vectors = self.lanes.of(snapshot, way.space, modality), self.along(snapshot, queries, way)
            plain = [Scale(centre, lane.live) for centre in (vectors @ lane.mean).tolist()]
            known = self._calibrations.of(view, queries[0].modalities, modality, way)
            judged = plain if known is None else known.scales(vectors)
            columns[modality] = [b if query.plain else a for query, a, b in zip(queries, plain, judged, strict=True)]
        return [Scales({modality: column[row] for modality, column in columns.items()}) for row in range(len(queries))]

    def reachable(
        self, view: View, routes: Mapping[Modality, Route], where: str | None, query: Embedded, scales: Scales
    ) -> dict[Modality, Target]:
        """Where the answers of each modality are, for what words find."""
        snapshot, found = view.snapshot(), {}
        for modality, way in routes.items():
            lane = self.lanes.of(snapshot, way.space, modality)
            allowed = None if where is None else self._survivors.rows(where, view, lane.shards)
            vector = self.along(snapshot, [query], way)[0]
            found[modality] = Target(lane, vector, allowed, partial(scales.scores, modality))
        return found

    def spans(
        self, view: View, query: Embedded, best: Candidates, routes: Mapping[Modality, Route]
    ) -> dict[int, tuple[float, float]]:
        """The stretches of sounds that are shown; see `moments.stretches`."""
        way = routes.get(Modality.AUDIO)
        if way is None or Modality.AUDIO not in best.modalities:
            return {}
        snapshot = view.snapshot()
        (question,) = self.along(snapshot, [query], way)
        return stretches(view, self.lanes.of(snapshot, way.space, Modality.AUDIO), question, best)

    def along(self, snapshot: Snapshot, queries: Sequence[Embedded], way: Route) -> FloatArray:
        """The questions `(q, d)` in the space of a route, unit norm."""
        centre = partial(self.lanes.centre, snapshot)
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
            ids = self.tables.ids(view, view.snapshot().by_id[here.pop()], found.offsets)
        else:
            ids = np.empty((len(found.offsets), 2), np.int64)
            for shard in here:
                places = (found.shards == shard).nonzero()[0]
                ids[places] = self.tables.ids(view, view.snapshot().by_id[shard], found.offsets[places])
        segments, items, cosines = ids[:, 0], ids[:, 1], found.cosines
        if segments.min(initial=0) < 0 or len(set(items.tolist())) < len(items):
            live = np.flatnonzero(segments >= 0)
            _, first = np.unique(items[live], return_index=True)
            kept = live[np.sort(first)]
            segments, items, cosines = segments[kept], items[kept], cosines[kept]
        return Candidates(items, segments, np.array([lane.modality] * len(items), object), cosines, cosines)


def _asked(query: Embedded) -> str:
    """The modality that asks; empty if there is no telling."""
    return str(*query.modalities) if len(query.modalities) == 1 else ""
