"""From candidates to hits: everything that is shown is looked up here, once, for what is shown only."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.search.fuse import STEP as WORDS
from mmsearch.types import Hit, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mmsearch.search.candidates import Candidates, Past
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.route import Route
    from mmsearch.store.reading import Reading, Row
    from mmsearch.types import FloatArray, Metadata, Modality


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of the answer to a question.

    Attributes:
        query: the question.
        candidates: best first.
        spans: by segment, the stretch that its neighbours make with it.
    """

    query: Embedded
    candidates: Candidates
    spans: Mapping[int, tuple[float, float]]


def hits(
    store: Reading, answers: Sequence[Shown], routes: Mapping[Modality, Route], *, explain: bool = False
) -> list[list[Hit]]:
    """Hits for the answers to questions; items that are gone are left out.

    Args:
        store: one version of the index.
        answers: of each question.
        routes: by modality, how they were found.
        explain: with their stages.
    """
    segments = [answer.candidates.segments.tolist() for answer in answers]
    known = store.hydrate(list({segment for some in segments for segment in some}))
    rows = [[(place, known[segment]) for place, segment in enumerate(some) if segment in known] for some in segments]
    # all at once: a third of the time
    metadata = iter(json.loads(f"[{','.join([row.metadata for some in rows for _, row in some])}]"))
    return [_hits(store, one, some, metadata, routes, explain) for one, some in zip(answers, rows, strict=True)]


def _hits(
    store: Reading,
    answer: Shown,
    rows: Sequence[tuple[int, Row]],
    metadata: Iterator[Metadata],
    routes: Mapping[Modality, Route],
    explain: bool,
) -> list[Hit]:
    """Those of one answer; `metadata` goes on where the answer before ended."""
    candidates, spans = answer.candidates, answer.spans
    modalities, scores, cosines = (
        part.tolist() for part in (candidates.modalities, candidates.scores, candidates.cosines)
    )
    ways = {modality: _way(answer.query, modality, routes[modality]) for modality in set(modalities)}
    confidences = [None] * len(candidates) if candidates.confidences is None else _known(candidates.confidences)
    same = _same(store, candidates)
    return [
        Hit(
            rank,
            row.key,
            path_of(store, row),
            modalities[place],
            scores[place],
            cosines[place],
            confidences[place],
            row.start,
            row.end,
            row.page,
            row.time,
            row.excerpt,
            _properties(row),
            of_user,
            ways[modalities[place]] + _moves(candidates, place),
            same.get(place, ()),
            _stages(candidates, place, ways[modalities[place]]) if explain else (),
            spans.get(row.segment_id),
        )
        for rank, ((place, row), of_user) in enumerate(zip(rows, metadata, strict=False), 1)
    ]


def _known(confidences: FloatArray) -> list[float | None]:
    return [None if one != one else one for one in confidences.tolist()]  # NaN


def _way(query: Embedded, target: Modality, route: Route) -> tuple[str, ...]:
    carried = (f"{part} carried over from {way.source.name}" for part, way in route.crossings.items())
    return (f"{'+'.join(query.modalities) or 'vector'}→{target} in {route.space.name}", *carried)


def _moves(candidates: Candidates, place: int) -> tuple[str, ...]:
    return tuple(move for past in candidates.history if (move := _move(past, place)) is not None)


def _move(past: Past, place: int) -> str | None:
    """What a step did; None if it had nothing to do with the hit."""
    note = _note(past, place)
    rank = past.places[place]
    before = f"rank {rank} before {past.name}" if rank else "found by words alone"
    if "unread" in note:
        return f"{before}, which kept it there: {note['unread']}"
    if "words" in note:
        return f"{before}, rank {note['rank']} by words: {', '.join(note['words'])}"
    return before if rank and past.name != WORDS else None


def _note(past: Past, place: int) -> Metadata:
    return past.notes[place] or {} if past.notes is not None else {}


def _stages(candidates: Candidates, place: int, way: tuple[str, ...]) -> tuple[Stage, ...]:
    """How the candidate at a place stood after the search, and after each step that had to do with it."""
    history = [past for past in candidates.history if past.places[place] or _note(past, place)]
    ranks = [*(int(past.places[place]) for past in history), place + 1]
    scores = [*(float(past.scores[place]) if past.places[place] else None for past in history)]
    scores.append(float(candidates.scores[place]))
    used = [_note(past, place) for past in history]
    found = Stage("found", ranks[0], scores[0], {"route": list(way), "cosine": float(candidates.cosines[place])})
    return found, *map(Stage, (past.name for past in history), ranks[1:], scores[1:], used)


def _same(store: Reading, candidates: Candidates) -> dict[int, tuple[str, ...]]:
    """By place, the ids of the items that are folded into a candidate."""
    if candidates.same is None:
        return {}
    folded = {place: items for place, items in enumerate(candidates.same) if items}
    keys = store.keys([item for items in folded.values() for item in items])
    return {place: tuple(keys[item] for item in items if item in keys) for place, items in folded.items()}


def path_of(store: Reading, row: Row) -> Path | None:
    """Where the file of a segment's item is; None if it has none."""
    if row.root_id is None or row.path is None:
        return None
    return Path(os.fsdecode(os.path.join(store.root_path(row.root_id), row.path)))  # noqa: PTH118  (bytes)


def _properties(row: Row) -> Metadata:
    if row.size is None:
        return row.properties
    modified = _modified(row.mtime_ns)
    return {"size": row.size, **({} if modified is None else {"modified": modified}), **row.properties}


def _modified(mtime_ns: int | None) -> str | None:
    if mtime_ns is None or not 0 <= mtime_ns < 2**63 - 1:
        return None  # before 1970, or beyond what a date can say
    return datetime.fromtimestamp(mtime_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
