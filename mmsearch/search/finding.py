"""Finding the items that are nearest to questions, in one version of an index, and what their cosines are worth."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.search.calibrate.calibration import Calibrations
from mmsearch.search.calibrate.of_item import Standings
from mmsearch.search.calibrate.scale import Scale, Scales
from mmsearch.search.calibrate.yardstick import FIRST_ROWS
from mmsearch.search.candidates import Candidates, merge
from mmsearch.search.lanes import Lanes
from mmsearch.search.lexical.hybrid import Target
from mmsearch.search.moments import stretches
from mmsearch.search.one_thread import one_thread
from mmsearch.search.ranking import Ranking
from mmsearch.search.survivors import Survivors
from mmsearch.search.tables import Tables
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.search import exact
    from mmsearch.search.calibrate.calibration import Calibration
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.lanes import Lane
    from mmsearch.search.nearest import Nearest
    from mmsearch.search.route import Route
    from mmsearch.store.snapshot import Snapshot
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray


@dataclass(frozen=True, slots=True)
class Direction:
    """One modality of the answers, and the questions that are asked about it together.

    Attributes:
        lane: where the answers are.
        vectors: the questions `(q, d)` in the space of the lane, unit norm.
        allowed: sorted offsets by shard id, the only rows that may be found; None for all.
        calibration: what their cosines are worth; None where it is not known.
    """

    lane: Lane
    vectors: FloatArray
    allowed: Mapping[int, NDArray[np.int64]] | None
    calibration: Calibration | None


class Finder:
    """Finds items with one model.

    Attributes:
        nearest: how rows are found.
        tables: which item each row belongs to.
        lanes: where the answers of each modality are.
        standings: what questions are worth in single items.
    """

    def __init__(self, model: Model, nearest: Nearest) -> None:
        self.nearest = nearest
        self.tables = Tables()
        self.lanes = Lanes(self.tables)
        self.standings = Standings()
        self._survivors = Survivors()
        self._calibrations = Calibrations(model, self.lanes)

    def at_once(
        self, view: View, queries: Sequence[Embedded], routes: Mapping[Modality, Route], depth: int
    ) -> Ranking | None:
        """The same as by `candidates`, as arrays from end to end; None where some items have several rows."""
        snapshot, ((modality, way),) = view.snapshot(), routes.items()
        lane = self.lanes.of(snapshot, way.space, modality)
        numbers = self.lanes.items(view, lane)
        if numbers is None:
            return None
        vectors, ranking = self.along(snapshot, queries, way), Ranking.empty(len(queries), depth)
        if not lane.live:
            return ranking
        places, cosines = self.nearest.block(snapshot, lane.shards, vectors, depth, asked=_asked(queries[0]))
        width, none = places.shape[1], places < 0
        cosines[none] = np.nan
        ranking.items[:, :width] = np.where(none, -1, numbers[places])
        ranking.cosines[:, :width] = cosines
        ranking.scores[:, :width] = cosines - (vectors @ lane.mean)[:, None]
        return ranking

    def directions(
        self,
        view: View,
        queries: Sequence[Embedded],
        routes: Mapping[Modality, Route],
        where: str | None = None,
        *,
        judged: bool = True,
    ) -> dict[Modality, Direction]:
        """The directions of questions that have parts of the same modalities; with `judged`, what cosines are worth.

        Raises:
            FilterError: the filter cannot be used.
        """
        snapshot, found = view.snapshot(), {}
        for modality, way in routes.items():
            lane = self.lanes.of(snapshot, way.space, modality)
            allowed = None if where is None else self._survivors.rows(where, view, lane.shards)
            calibration = self._calibrations.of(view, queries[0].modalities, modality, way) if judged else None
            found[modality] = Direction(lane, self.along(snapshot, queries, way), allowed, calibration)
        return found

    def candidates(
        self,
        view: View,
        queries: Sequence[Embedded],
        directions: Mapping[Modality, Direction],
        k: int,
        scales: Sequence[Scales] | None = None,
    ) -> tuple[list[Candidates], list[Scales]]:
        """For each question the k best items of each target, and its scales, which know by then what was found.

        Without `scales` scores are centred cosines.
        """
        snapshot, asked = view.snapshot(), _asked(queries[0])
        parts: list[list[Candidates]] = [[] for _ in queries]
        agreed: list[dict[Modality, float]] = [{} for _ in queries]
        for modality, one in directions.items():
            best = self._nearest(snapshot, one, one.vectors, fetch(one.lane, k), asked)
            known = None if scales is None else one.calibration
            if known is not None and known.has_classes:
                plain = [number for number, query in enumerate(queries) if query.plain]
                rows = [_rows(snapshot, best[number], FIRST_ROWS) for number in plain]
                with one_thread() if len(plain) == 1 else nullcontext():
                    agreements = known.agreements(one.vectors[plain], rows)
                for number, agreement in zip(plain, agreements, strict=True):
                    agreed[number][modality] = agreement
            judges = [Scales({modality: scale}) for scale in _plain(one)] if scales is None else scales
            for part, judge, found in zip(parts, judges, self._items(view, one, best, k, asked), strict=True):
                part.append(found.scored(judge.scores(modality, found.cosines)))
        lists = [part[0] if len(part) == 1 else merge(part) for part in parts]
        return lists, [scale.agreeing(one) for scale, one in zip(scales or (), agreed, strict=False)]

    def scales(self, queries: Sequence[Embedded], directions: Mapping[Modality, Direction]) -> list[Scales]:
        """For each question, what cosines are worth."""
        columns = {}
        for modality, one in directions.items():
            plain = _plain(one)
            judged = plain if one.calibration is None else one.calibration.scales(one.vectors)
            columns[modality] = [b if query.plain else a for query, a, b in zip(queries, plain, judged, strict=True)]
        return [Scales({modality: column[row] for modality, column in columns.items()}) for row in range(len(queries))]

    def along(self, snapshot: Snapshot, queries: Sequence[Embedded], way: Route) -> FloatArray:
        """The questions `(q, d)` in the space of a route, unit norm."""
        centre = partial(self.lanes.centre, snapshot)
        return np.array([query.along(way, centre) for query in queries])

    def _nearest(
        self, snapshot: Snapshot, direction: Direction, vectors: FloatArray, k: int, asked: str
    ) -> list[exact.Found]:
        shards, allowed = direction.lane.shards, direction.allowed
        return self.nearest.top(snapshot, shards, vectors, k, asked=asked, allowed=allowed)

    def _items(
        self, view: View, direction: Direction, best: Sequence[exact.Found], k: int, asked: str
    ) -> list[Candidates]:
        """The k best items by their best segment. Asks for more segments until there are k items, or all segments."""
        snapshot, lane = view.snapshot(), direction.lane
        results = [self._group(view, lane, found) for found in best]
        for number, found in enumerate(best):
            wide = fetch(lane, k)
            while len(results[number]) < k and wide < lane.live and len(found.offsets) >= wide:
                wide = min(lane.live, 4 * wide)
                (found,) = self._nearest(snapshot, direction, direction.vectors[number : number + 1], wide, asked)  # noqa: PLW2901
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


def reachable(directions: Mapping[Modality, Direction], number: int, scales: Scales) -> dict[Modality, Target]:
    """Where the answers of each modality to one of the questions are, for what words find."""
    return {
        modality: Target(one.lane, one.vectors[number], one.allowed, partial(scales.scores, modality))
        for modality, one in directions.items()
    }


def spans(
    view: View, directions: Mapping[Modality, Direction], number: int, best: Candidates
) -> dict[int, tuple[float, float]]:
    """The stretches of sounds that are shown as answers to one of the questions; see `moments.stretches`."""
    sounds = directions.get(Modality.AUDIO)
    return {} if sounds is None else stretches(view, sounds.lane, sounds.vectors[number], best)


def _plain(direction: Direction) -> list[Scale]:
    """What cosines of each question are worth where no more is known of them."""
    return [Scale(centre, direction.lane.live) for centre in (direction.vectors @ direction.lane.mean).tolist()]


def _asked(query: Embedded) -> str:
    """The modality that asks; empty if there is no telling."""
    return str(*query.modalities) if len(query.modalities) == 1 else ""


def fetch(lane: Lane, k: int) -> int:
    """How many segments are asked for at first, for k items."""
    return max(1, min(lane.live, max(k + 16, FIRST_ROWS)))


def _rows(snapshot: Snapshot, found: exact.Found, most: int) -> NDArray[Any]:
    """The first rows that were found `(n, dim)`."""
    shards, offsets = found.shards[:most], found.offsets[:most]
    if not len(shards) or (shards == shards[0]).all():  # which is usual, and quick
        return snapshot.by_id[shards[0]].scattered[offsets] if len(shards) else np.empty((0, 0))
    places = zip(shards.tolist(), offsets.tolist(), strict=True)
    return np.array([snapshot.by_id[shard].scattered[offset] for shard, offset in places])
