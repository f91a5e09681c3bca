"""Ask an index everything that a dataset asks, and measure the answers.

The index answers through the same path and with the same rerankers as `search --lexical off`: what is
measured is what users get from vectors. Words of texts and file names do not count, nor is anything cut.
Lists are judged and let go, batch by batch: memory does not grow with queries times items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mmsearch.errors import BridgeMissing, DatasetError
from mmsearch.evaluation.judging import Ints, JudgedRun, join, judge
from mmsearch.evaluation.measures import measure
from mmsearch.evaluation.questions import Names, Questions, Searches
from mmsearch.evaluation.result import DirectionResult, Evaluation
from mmsearch.evaluation.runs import TOP, Run
from mmsearch.evaluation.truth import Asked, Listed, Truth
from mmsearch.types import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.evaluation.datasets import Dataset, Judgements
    from mmsearch.types import FloatArray

DEPTH = 1_000

Told = Callable[[str, int, int], None]


class Asking(Protocol):
    """The index, as far as evaluation sees it."""

    @property
    def model_name(self) -> str:
        """The model that it was built with."""
        ...

    @property
    def searcher(self) -> Searches:
        """Its query path."""
        ...

    def items(self) -> Iterable[Listed]:
        """All live items, with rising numbers."""
        ...


def evaluate(
    index: Asking,
    dataset: Dataset,
    *,
    depth: int = DEPTH,
    rerank: Sequence[str] | None = None,
    match: Mapping[str, str] | None = None,
    stored: bool = False,
    keep: int = TOP,
    seed: int = 0,
    progress: Told | None = None,
) -> Evaluation:
    """Measure every direction whose targets the index holds.

    Args:
        index: holds the dataset's media, and perhaps more: those are distractors.
        dataset: asks and judges.
        depth: where ranked lists are cut.
        rerank: names of rerankers; None for the model's own choice, empty for none.
        match: item ids by record id, from `truth.match`; None when the records themselves were added, with their ids.
        stored: records that are in the index ask with their stored vectors; otherwise, as users' questions, with their
            texts, pictures and sounds, which takes longer. The figures are the same with models that treat questions
            and what is searched alike.
        keep: how many answers of each query the runs keep; measures know of all.
        seed: of the bootstrap.
        progress: told direction, queries done and queries in all, after every batch.

    Raises:
        DatasetError: the index holds nothing that the dataset judges.
    """
    truth = Truth(dataset, index.items(), match)
    names = Names(truth)
    directions, unreached = {}, list[str]()
    for judgements in dataset.judgements:
        if not truth.narrow(judgements):
            continue
        try:
            run = _run(
                index, truth, judgements, names, depth=depth, rerank=rerank, stored=stored, keep=keep, told=progress
            )
        except BridgeMissing as error:
            unreached.append(f"{judgements.direction} left out: {error}")
            continue
        figures = measure(run.judged, groups=run.groups, seed=seed)
        directions[judgements.direction] = DirectionResult(len(run), figures, run)
    if unreached and not directions:
        raise DatasetError(f"{dataset.name}: {'; '.join(unreached)}")
    if not directions:
        raise DatasetError(f"{dataset.name}: the index holds none of the pictures, sounds and texts that it judges")
    warnings = (*dataset.warnings, *truth.warnings(), *unreached)
    return Evaluation(directions, warnings, depth, index.model_name, len(truth.listed))


def _run(
    index: Asking,
    truth: Truth,
    judgements: Judgements,
    names: Names,
    *,
    depth: int,
    rerank: Sequence[str] | None,
    stored: bool,
    keep: int,
    told: Told | None,
) -> Run:
    asked = truth.narrow(judgements)
    questions = Questions(index.searcher, truth, asked, judgements.query, stored=stored)
    judged: list[JudgedRun] = []
    tops: list[tuple[NDArray[np.object_], FloatArray]] = []
    found: list[FloatArray] = []
    for some, queries in questions.batches():
        # One more than `depth`, for the query's own item.
        ranking = index.searcher.rank(queries, judgements.target, depth + 1, rerank)
        lists, (scores,) = questions.answers(some, ranking.items, ranking.scores)
        names.settle(lists, scores)
        part = judge(lists, questions.qrels.part(some.start, some.stop))
        judged.append(part)
        found.append(scores[part.owner, part.ranks - 1])
        tops.append((names.of(lists[:, :keep]), scores[:, :keep].copy()))
        if told:
            told(judgements.direction, some.stop, len(questions))
    return Run(
        judgements.query,
        judgements.target,
        tuple(one.id for one in asked),
        tuple(one.relevant for one in asked),
        join(judged, questions.qrels),
        np.concatenate([items for items, _ in tops]),
        np.concatenate([scores for _, scores in tops]),
        np.concatenate(found),
        groups(judgements.query, asked),
        truth.left_out(judgements),
    )


def groups(modality: Modality, asked: Sequence[Asked]) -> Ints:
    """Texts with the same answers are captions of one picture or sound; every other query is by itself `(q,)`."""
    if modality is not Modality.TEXT:
        return np.arange(len(asked))
    known: dict[tuple[str, ...], int] = {}
    return np.array([known.setdefault(tuple(one.relevant), len(known)) for one in asked], np.int64)
