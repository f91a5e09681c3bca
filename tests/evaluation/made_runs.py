"""Evaluations made of lists, without an index."""

import numpy as np

from mmsearch.evaluation.datasets import Dataset, Judgements
from mmsearch.evaluation.judging import Qrels, judge
from mmsearch.evaluation.measures import measure
from mmsearch.evaluation.result import DirectionResult, Evaluation
from mmsearch.evaluation.runs import Run
from mmsearch.types import Modality, Record

TEXT, IMAGE = Modality.TEXT, Modality.IMAGE


def made_run(lists, truths, asked=None, scores=None, groups=None):
    """A run text->image of lists of item ids, best first; truths are grades by id."""
    names = list(dict.fromkeys([*(id for ids in lists for id in ids), *(id for truth in truths for id in truth)]))
    width = max(map(len, lists), default=0)
    numbers = np.full((len(lists), width), -1)
    items = np.full((len(lists), width), "", object)
    for n, ids in enumerate(lists):
        numbers[n, : len(ids)] = [names.index(id) for id in ids]
        items[n, : len(ids)] = ids
    if scores is None:
        scores = np.linspace(1, 0, max(1, width))[None, :width].repeat(len(lists), axis=0)
    scores = np.where(numbers >= 0, scores, np.nan).astype(np.float32)
    judged = judge(numbers, Qrels.of([{names.index(id): grade for id, grade in truth.items()} for truth in truths]))
    return Run(
        TEXT,
        IMAGE,
        tuple(asked or (f"q{n}" for n in range(len(lists)))),
        tuple(truths),
        judged,
        items,
        scores,
        scores[judged.owner, judged.ranks - 1],
        np.arange(len(lists)) if groups is None else np.asarray(groups),
    )


def made_evaluation(*arguments, **more):
    """The same, measured."""
    run = made_run(*arguments, **more)
    return Evaluation({run.direction: DirectionResult(len(run), measure(run.judged), run)}, (), 100, "made", 9)


def asked_dataset(evaluation, name="made"):
    """A dataset of texts that ask what an evaluation has asked."""
    (result,) = evaluation.directions.values()
    run = result.run
    records = tuple(Record(id=id, text=f"text of {id}") for id in run.asked)
    qrels = {id: frozenset(truth) for id, truth in zip(run.asked, run.relevant, strict=True)}
    return Dataset(name, records, (Judgements(TEXT, IMAGE, qrels),))
