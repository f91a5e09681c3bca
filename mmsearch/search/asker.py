"""How a structure is asked while it is tuned: as a search asks it, or exactly over the rows that it covers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.ann import tune
from mmsearch.search import stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmsearch.ann.on_gpu import OnGpu
    from mmsearch.ann.structure import Structure
    from mmsearch.search.nearest import Nearest
    from mmsearch.store.covers import Cover
    from mmsearch.store.snapshot import Snapshot
    from mmsearch.store.structures import Standing
    from mmsearch.types import FloatArray


def asker(snapshot: Snapshot, standing: Standing, structure: Structure | OnGpu, nearest: Nearest) -> tune.Ask:
    """Asks one structure as a search does; see `tune.Ask`."""
    way = nearest.way(snapshot, standing, structure)
    covered = stretch.covered(standing.covers, snapshot.by_id)
    label = _labels(standing.covers)

    def ask(questions: FloatArray, effort: int, fetch: int) -> NDArray[np.int64]:
        found = way.find(questions, tune.K, effort, fetch) if effort else stretch.top(covered, questions, tune.K)
        labels = np.full((len(questions), tune.K), -1, np.int64)
        for row, one in zip(labels, found, strict=True):
            places = zip(one.shards.tolist(), one.offsets.tolist(), strict=True)
            row[: len(one.offsets)] = [label[shard][offset] for shard, offset in places]
        return labels

    return ask


def _labels(covers: Sequence[Cover]) -> dict[int, Sequence[int] | NDArray[np.int64]]:
    """By shard, the label of each row; a `range` where no row has moved, which takes no memory."""
    found: dict[int, Sequence[int] | NDArray[np.int64]] = {}
    for id_ in {cover.shard_id for cover in covers}:
        here = [cover for cover in covers if cover.shard_id == id_]
        if len(here) == 1 and not here[0].moved:
            found[id_] = range(here[0].first, here[0].first + here[0].rows)
            continue
        found[id_] = labels = np.full(max(cover.end for cover in here), -1, np.int64)
        for cover in here:
            labels[cover.start : cover.end] = cover.first + cover.numbers(np.arange(cover.start, cover.end))
    return found
