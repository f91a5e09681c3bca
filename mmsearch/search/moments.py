"""Where in time: the stretch of a sound that a hit is about, and the moments of one recording (temporal grounding)."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmsearch.errors import QueryError
from mmsearch.search.curve import Curve
from mmsearch.search.results import path_of
from mmsearch.types import Modality, Moment, Moments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from mmsearch.search.calibrate.of_item import Standing
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.lanes import Lane
    from mmsearch.store.reading import Reading
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray, Metadata

NEIGHBOURS = 24  # windows to either side of the best one that a hit's stretch is looked for in: two minutes of 5 s each
# Segments `s`. CROSS JOIN and the sign before `shard_id` keep SQLite from reading all rows of a shard instead.
_OF_ITEM = "(SELECT ? AS id) i CROSS JOIN segments s ON s.item_id = i.id"
_NEAR = (  # those in a JSON list; no chain of OR, of which SQLite takes 1,000 terms
    "json_each(?) j CROSS JOIN segments b ON b.id = j.value CROSS JOIN segments s "
    f"ON s.item_id = b.item_id AND s.id BETWEEN b.id - {NEIGHBOURS} AND b.id + {NEIGHBOURS}"
)
ORDERED = (Modality.AUDIO, Modality.TEXT)  # what has an order in time, or from its beginning to its end


class Row(NamedTuple):
    """A segment and where its vector is; `start` and `end` are seconds, of a text characters or those of a subtitle."""

    item: int
    segment: int
    start: float
    end: float
    shard: int
    offset: int


def stretches(store: Reading, lane: Lane, question: FloatArray, found: Candidates) -> dict[int, tuple[float, float]]:
    """For the best segments of sounds that have several: from where to where their neighbours fit as well, by segment.

    Args:
        store: one version of the index.
        lane: of the sounds, where they were found.
        question: `(d,)`, in the space of the lane.
        found: sounds among them are looked at.
    """
    best = found.segments[found.modalities == Modality.AUDIO].tolist()
    if not best:
        return {}
    by_item: dict[int, list[Row]] = defaultdict(list)
    for row in _rows(store, lane, _NEAR, json.dumps(best)):
        by_item[row.item].append(row)
    own_segments = set(best)
    reached: dict[int, tuple[float, float]] = {}
    for some in by_item.values():
        (own,) = (row for row in some if row.segment in own_segments)
        if len(some) == 1:
            continue
        curve = _curve(some, _scores(lane, question, _vectors(lane, some)))
        if (span := curve.around(own.start, own.end)) is not None:
            reached[own.segment] = span.start, span.end
    return reached


def in_time(store: Reading, item: int, name: str, modality: str | None) -> Modality:
    """Which medium of an item is looked at: the one that is wanted, or its sound, or else its text.

    Raises:
        QueryError: it has none that goes on in time, or not the one that is wanted.
    """
    has = {found for (found,) in store.query("SELECT DISTINCT modality FROM segments WHERE item_id = ?", (item,))}
    wanted = None if modality is None else Modality.named(modality)
    if wanted not in (None, *ORDERED):
        raise QueryError(f"moments are of sounds and texts: an {wanted} has no time to look for them in")
    for one in ORDERED if wanted is None else (one for one in ORDERED if one == wanted):
        if one in has:
            return one
    raise QueryError(
        f"{name} has no {modality or 'sound and no text'} to look for moments in, only {', '.join(sorted(has))}"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Within:
    """A question about one item.

    Attributes:
        vector: itself `(d,)`, in the space of the answers.
        described: in JSON values.
        standing: what it is worth among vectors `(n, d)` of an item.
    """

    vector: FloatArray
    described: Metadata
    standing: Callable[[FloatArray], Standing | None]


def moments(view: View, lane: Lane, asked: Within, item: int, most: int, least: float | None = None) -> Moments:
    """The stretches of one item that fit a question best, and how well each piece fits.

    Args:
        view: one version of the index.
        lane: of the modality that is looked at.
        asked: the question.
        item: its number; it has segments in the lane.
        most: how many stretches.
        least: the confidence that each must reach, where it is known.

    Raises:
        QueryError: the item is gone, or its medium has no positions.
    """
    rows = _rows(view, lane, _OF_ITEM, item)
    if not rows:
        raise QueryError(_without_rows(view, lane, item))
    vectors = _vectors(lane, rows)
    scores = _scores(lane, asked.vector, vectors)
    curve, standing = _curve(rows, scores), asked.standing(vectors)
    starts, ends = np.array([row.start for row in rows]), np.array([row.end for row in rows])
    found = []
    for span in curve.spans(most):
        inside = np.flatnonzero((starts < span.end) & (ends > span.start))
        found.append((span, int(inside[np.argmax(scores[inside])])))
    known = view.hydrate([rows[best].segment for _, best in found] or [rows[0].segment])
    level = float(asked.vector @ lane.mean)
    made = []
    for rank, (span, best) in enumerate(found, 1):
        row, of_row = rows[best], known[rows[best].segment]
        window = row.start, row.end
        sure = None if standing is None else standing.confidence(float(scores[best]))
        made.append(Moment(rank, *span, float(scores[best]) + level, window, of_row.excerpt, of_row.page, sure))
    of_item = next(iter(known.values()))
    pieces = np.stack([curve.starts, curve.ends, curve.scores], axis=1)
    shown, told = _shown(made, 1.0 if standing is None else standing.fits, least)
    return Moments(shown, {**asked.described, **told}, of_item.key, path_of(view, of_item), lane.modality, pieces)


def _shown(found: list[Moment], fits: float, least: float | None) -> tuple[list[Moment], Metadata]:
    """Those that are to be shown, and what is told of the confidence that they lack."""
    known = [one.confidence for one in found if one.confidence is not None]
    if len(known) < len(found):
        return found, {} if least is None else {"uncalibrated": True}
    top = max(known, default=1.0)
    told = {"unmatched": round(top, 4)} if top < (fits if least is None else least) else {}
    return [one for one in found if (one.confidence or 0) >= (least or 0)], told


def _without_rows(store: Reading, lane: Lane, item: int) -> str:
    """Why an item has no moments in a lane."""
    found = store.query("SELECT key FROM items WHERE id = ?", (item,))
    if not found:
        return "the item to look for moments in is gone: it was removed, or replaced, meanwhile"
    return (
        f"{found[0][0]} has no moments: it is not known from where to where its {lane.modality} goes, because it was "
        "added as vectors"
    )


def _rows(store: Reading, lane: Lane, which: str, of: int | str) -> list[Row]:
    """Segments of a lane, in their order; `which` has one parameter, `of`: see `_NEAR`."""
    shards = ", ".join(str(shard.id) for shard in lane.shards)
    found = store.query(
        'SELECT s.item_id, s.id, coalesce(s.time_start, s.start), coalesce(s.time_end, s."end"), r.shard_id, '
        f'r."offset" FROM {which} CROSS JOIN rows r ON r.segment_id = s.id WHERE s.modality = ? '
        f"AND +r.shard_id IN ({shards}) AND s.start IS NOT NULL ORDER BY s.item_id, 3",
        (of, str(lane.modality)),
    )
    lengths = {shard.id: shard.rows for shard in lane.shards}
    return [row for row in map(Row._make, found) if row.offset < lengths[row.shard]]


def _curve(rows: Sequence[Row], scores: NDArray[np.float32]) -> Curve:
    starts, ends = np.array([(row.start, row.end) for row in rows], np.float64).T
    return Curve.of(starts, ends, scores)


def _vectors(lane: Lane, rows: Sequence[Row]) -> FloatArray:
    """Of segments `(n, dim)` float32."""
    found = np.empty((len(rows), len(lane.mean)), np.float32)
    shards = np.array([row.shard for row in rows], np.int64)
    offsets = np.array([row.offset for row in rows], np.int64)
    for shard in lane.shards:
        places = np.flatnonzero(shards == shard.id)
        if len(places):
            found[places] = shard.matrix[offsets[places]]
    return found


def _scores(lane: Lane, question: FloatArray, vectors: FloatArray) -> NDArray[np.float32]:
    """Cosines `(n,)` less that of the mean of the lane."""
    return vectors @ question - np.float32(question @ lane.mean)
