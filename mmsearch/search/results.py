"""From candidates to hits: everything that is shown is looked up here, once, for what is shown only."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsearch.types import Hit, Modality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mmsearch.search.candidates import Candidates
    from mmsearch.search.query import Embedded
    from mmsearch.search.route import Route
    from mmsearch.store.reading import Reading, Row
    from mmsearch.types import Metadata


def hits(store: Reading, candidates: Candidates, query: Embedded, routes: Mapping[Modality, Route]) -> list[Hit]:
    """Hits for candidates; items that were removed meanwhile are left out."""
    rows = store.hydrate(candidates.segments.tolist())
    asked = "+".join(query.modalities) or "vector"
    found: list[Hit] = []
    for place, segment in enumerate(candidates.segments.tolist()):
        row = rows.get(segment)
        if row is None:
            continue
        modality = candidates.modalities[place]
        found.append(
            Hit(
                rank=len(found) + 1,
                id=row.key,
                path=_path(store, row),
                modality=modality,
                score=float(candidates.scores[place]),
                cosine=float(candidates.cosines[place]),
                start=row.start,
                end=row.end,
                page=row.page,
                time=row.time,
                excerpt=row.excerpt,
                properties=_properties(row),
                metadata=json.loads(row.metadata),
                why=(
                    f"{asked}→{modality} in {routes[modality].space.name}",
                    *(
                        f"{part} carried over from {way.source.name}"
                        for part, way in routes[modality].crossings.items()
                    ),
                    *(f"rank {places[place]} before {name}" for name, places in candidates.history),
                ),
            )
        )
    return found


def _path(store: Reading, row: Row) -> Path | None:
    if row.root_id is None or row.path is None:
        return None
    return Path(os.fsdecode(os.path.join(store.root_path(row.root_id), row.path)))  # noqa: PTH118  (bytes)


def _properties(row: Row) -> Metadata:
    of_file: dict[str, Any] = {"size": row.size, "modified": _modified(row.mtime_ns)}
    return {name: value for name, value in of_file.items() if value is not None} | row.properties


def _modified(mtime_ns: int | None) -> str | None:
    if mtime_ns is None or not 0 <= mtime_ns < 2**63 - 1:
        return None  # before 1970, or beyond what a date can say
    return datetime.fromtimestamp(mtime_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
