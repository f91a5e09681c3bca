"""Ask an index everything that a dataset asks, and measure the answers.

The index answers through the same path and with the same rerankers as `search`: what is measured is what users get.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mmsearch.errors import BridgeMissing, DatasetError
from mmsearch.evaluation.measures import Judged, judge, measure
from mmsearch.evaluation.result import DirectionResult, Evaluation
from mmsearch.evaluation.truth import Listed, Truth
from mmsearch.search.query import Query
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.types import Record

DEPTH = 1_000
_BATCH = 256  # queries ranked at once: ranked lists are judged and let go, never all held


class Ranks(Protocol):
    """The index, as far as evaluation sees it."""

    @property
    def model_name(self) -> str:
        """The model that it was built with."""
        ...

    def items(self) -> Iterable[Listed]:
        """All live items."""
        ...

    def rank(
        self, queries: Sequence[Query], target: Modality, depth: int, rerank: Sequence[str] | None
    ) -> list[list[str]]:
        """For each query the ids of the best `depth` items, best first. `rerank`: None for the model's own choice."""
        ...


def evaluate(
    index: Ranks,
    dataset: Dataset,
    *,
    depth: int = DEPTH,
    rerank: Sequence[str] | None = None,
    match: Mapping[str, str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """Measure every direction whose targets the index holds.

    Args:
        index: holds the dataset's media, and perhaps more: those are distractors.
        dataset: asks and judges.
        depth: where ranked lists are cut.
        rerank: names of rerankers; None for the model's own choice, empty for none.
        match: item ids by record id, from `match_by_path`; None when the records themselves were added, with their ids.
        progress: told direction, queries done and queries in all, after every batch.

    Raises:
        DatasetError: the index holds nothing that the dataset judges.
    """
    truth = Truth(dataset, {item.id: frozenset(item.modalities) for item in index.items()}, match)
    records = {record.id: record for record in dataset.records if record.id is not None}
    directions, unreached = {}, list[str]()
    for judgements in dataset.judgements:
        qrels = truth.narrow(judgements)
        asked = [_Asked(_query(records[id], judgements.query), truth.item(id), qrels[id]) for id in qrels]
        judged: list[Judged] = []
        try:
            for batch in _judge(index, asked, judgements.target, depth, rerank):
                judged.extend(batch)
                if progress:
                    progress(judgements.direction, len(judged), len(asked))
        except BridgeMissing as error:
            unreached.append(f"{judgements.direction} left out: {error}")
        if judged:
            directions[judgements.direction] = DirectionResult(len(judged), measure(judged))
    if unreached and not directions:
        raise DatasetError(f"{dataset.name}: {'; '.join(unreached)}")
    if not directions:
        raise DatasetError(f"{dataset.name}: the index holds none of the pictures, sounds and texts that it judges")
    warnings = (*dataset.warnings, *truth.warnings(), *unreached)
    return Evaluation(directions, warnings, depth, index.model_name, len(truth.listed))


class _Asked(NamedTuple):
    query: Query
    own: str | None  # the item that the query is itself; never its own answer
    relevant: frozenset[str]


def _judge(
    index: Ranks, asked: Sequence[_Asked], target: Modality, depth: int, rerank: Sequence[str] | None
) -> Iterator[list[Judged]]:
    for start in range(0, len(asked), _BATCH):
        batch = asked[start : start + _BATCH]
        # One more than `depth`, for the query's own item.
        ranked = index.rank([one.query for one in batch], target, depth + 1, rerank)
        yield [
            judge([id for id in ids if id != one.own][:depth], one.relevant)
            for one, ids in zip(batch, ranked, strict=True)
        ]


def _query(record: Record, modality: Modality) -> Query:
    """The part of a record that is of one modality, as a question."""
    match modality:
        case Modality.TEXT:
            return Query(text=record.text)
        case Modality.IMAGE:
            return Query(image=record.image)
        case Modality.AUDIO:
            return Query(audio=record.audio)
