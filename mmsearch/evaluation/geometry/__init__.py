"""The geometry of a space: why an index answers as it does.

The figures that a ranking does not show: how far apart the modalities lie, whether a few items answer everything, how
clearly right answers stand out, and what comes of it when all modalities are asked at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.evaluation.geometry.gap import Gap, gaps
from mmsearch.evaluation.geometry.hubness import Hubness, hubness
from mmsearch.evaluation.geometry.merged import Merged, merged
from mmsearch.evaluation.geometry.pairs import cosines, split
from mmsearch.evaluation.geometry.plane import Plane, plane
from mmsearch.evaluation.geometry.scores import Scores, scores
from mmsearch.search.query import Query
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch.engine import Index
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.result import Evaluation
    from mmsearch.evaluation.runs import Run
    from mmsearch.search.embedded import Embedded
    from mmsearch.store.view import View
    from mmsearch.types import Record

__all__ = ["Gap", "Geometry", "Hubness", "Merged", "Plane", "Scores", "measure"]

QUESTIONS = 1_000  # of each direction whose scores are looked at
ITEMS = 200  # that each of them is compared with
ANSWERS = 20  # right ones of each at most: a class may have thousands
MERGED = 100  # questions of each modality that ask for everything


@dataclass(frozen=True, slots=True)
class Geometry:
    """What was found, each described where it is defined.

    Attributes:
        gaps: between every two modalities of a space.
        planes: a picture of each space.
        hubness: by direction.
        scores: by direction.
        merged: for each modality that asks, if the index holds several.
    """

    gaps: tuple[Gap, ...]
    planes: tuple[Plane, ...]
    hubness: Mapping[str, Hubness]
    scores: Mapping[str, Scores]
    merged: tuple[Merged, ...]

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON values, without what is there to be drawn."""
        return {
            "gaps": [gap.to_json() for gap in self.gaps],
            "planes": [plane.to_json() for plane in self.planes],
            "hubness": {direction: found.to_json() for direction, found in self.hubness.items()},
            "scores": {direction: found.to_json() for direction, found in self.scores.items()},
            "merged": [one.to_json() for one in self.merged],
        }


def measure(
    index: Index,
    dataset: Dataset,
    evaluation: Evaluation,
    *,
    match: Mapping[str, str] | None = None,
    rerank: Sequence[str] | None = None,
    seed: int = 0,
) -> Geometry:
    """Look at the space of an index with the questions of a dataset.

    Memory is bounded, whatever the size of the index: means and hubness are exact, everything else is from samples, and
    the same seed gives the same samples.

    Args:
        index: that was evaluated.
        dataset: that it was evaluated with.
        evaluation: the result.
        match: item ids by record id, as `evaluate` was given it.
        rerank: names of rerankers, as `evaluate` was given it.
        seed: of all samples.

    Raises:
        StoreError: the index cannot be read.
    """
    runs = {direction: result.run for direction, result in evaluation.directions.items()}
    spaces = index.model.spaces
    with index.hold() as view:
        look = _Look(index, view, dataset, match, rerank, seed)
        planes = [plane(view, space, look.items, seed) for space in spaces]
        return Geometry(
            gaps(view.snapshot(), spaces),
            tuple(one for one in planes if one is not None),
            {direction: hubness(run.items, look.items[run.target]) for direction, run in runs.items()},
            {direction: found for direction, run in runs.items() if (found := look.scores(run)) is not None},
            tuple(look.merged(list(runs.values()))),
        )


class _Look:
    """One index and one dataset, from which samples are drawn."""

    def __init__(
        self,
        index: Index,
        view: View,
        dataset: Dataset,
        match: Mapping[str, str] | None,
        rerank: Sequence[str] | None,
        seed: int,
    ) -> None:
        self._searcher, self._view = index.searcher, view
        self._match, self._rerank, self._seed = match, rerank, seed
        self._records = {record.id: record for record in dataset.records if record.id is not None}
        found: dict[Modality, list[str]] = {modality: [] for modality in Modality}
        self._numbers: dict[str, int] = {}
        # By id: in which order they were added may depend on how fast each was decoded.
        for item in sorted(index.items(), key=lambda item: item.id):
            self._numbers[item.id] = item.number
            for modality in item.modalities:
                found[modality].append(item.id)
        self.items = {modality: ids for modality, ids in found.items() if ids}

    def scores(self, run: Run) -> Scores | None:
        """Of right and of other pairs of one direction."""
        random = np.random.default_rng(self._seed)
        asked = np.sort(random.choice(len(run), min(QUESTIONS, len(run)), replace=False)).tolist()
        relevant = [list(run.relevant[number]) for number in asked]
        shown = [ids if len(ids) <= ANSWERS else random.choice(ids, ANSWERS, replace=False) for ids in relevant]
        there = self.items[run.target]
        others = [there[place] for place in random.choice(len(there), min(ITEMS, len(there)), replace=False)]
        ids = list(dict.fromkeys([*others, *(str(id) for some in shown for id in some)]))
        own = [self._own(run, number) for number in asked]
        space, vectors = self._searcher.vectors(self._questions(run, asked, own), run.target)
        shards = self._view.snapshot().of("vectors", space.name, space.version, run.target)
        table = cosines(self._view, shards, vectors, ids)
        return scores(*split(table, ids, relevant, own, frozenset(others)))

    def merged(self, runs: Sequence[Run]) -> list[Merged]:
        """What each modality is answered with."""
        held = {modality: len(ids) for modality, ids in self.items.items()}
        by_query = {run.query: run for run in runs} if len(held) > 1 else {}
        found = []
        for modality, run in by_query.items():
            asked = np.random.default_rng(self._seed).choice(len(run), min(MERGED, len(run)), replace=False)
            questions = [(self._query(run, number), self._own(run, number)) for number in np.sort(asked).tolist()]
            found.append(merged(self._searcher, modality, questions, held, self._rerank))
        return [one for one in found if one is not None]

    def _questions(self, run: Run, asked: Sequence[int], own: Sequence[str | None]) -> list[Query] | list[Embedded]:
        """What is in the index, as pictures and sounds always are, asks with its stored vectors: that takes no time."""
        stored = [self._numbers[id] for id in own if id is not None]
        if len(stored) == len(own):
            return self._searcher.stored(stored, run.query)
        return [self._query(run, number) for number in asked]

    def _query(self, run: Run, number: int) -> Query:
        record: Record = self._records[run.asked[number]]
        return Query.record(run.query, getattr(record, run.query))

    def _own(self, run: Run, number: int) -> str | None:
        id = run.asked[number] if self._match is None else self._match.get(run.asked[number])
        return id if id in self._numbers else None
