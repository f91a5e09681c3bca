"""What each way to search costs and is worth, side by side, on the index as it is.

::

    exact                every row is compared
    approximate          the index's structures, as they were tuned; candidates are scored again
    quantised            the same without scoring again: the order of the codes
    hubness-corrected    exact, then the reranker `nnn`
    reranked             exact, then the rerankers of the direction, tuned ones or the model's own
    merged, raw          all modalities in one list, by cosine
    merged, calibrated   the same, by cosine less the mean cosine of each modality, as `search` does

Figures are of the first ten answers, as a user sees them; recall is the share of exact search's ten that is found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import BridgeMissing, QueryError
from mmsearch.evaluation.evaluate import groups
from mmsearch.evaluation.judging import Ints, JudgedRun, join, judge
from mmsearch.evaluation.measures import NAMED, Estimate, measure
from mmsearch.evaluation.questions import Names, Questions
from mmsearch.evaluation.truth import Truth
from mmsearch.search.ways import Exact, Quantised
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Judgements
    from mmsearch.evaluation.trial import Trial
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.ranking import Ranking
    from mmsearch.search.searcher import Searcher

K = 10
SHOWN = tuple(NAMED[name] for name in ("hit@1", "hit@5", "hit@10", "recall@10", "ndcg@10", "mrr"))
TIMED = 30  # questions whose time is taken, one by one
HUBNESS = ("nnn",)
NAMES = (
    "exact", "approximate", "quantised", "hubness-corrected", "reranked", "merged, raw", "merged, calibrated",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to search in one direction.

    Attributes:
        name: of the way.
        measures: by name, over the first ten answers; empty where it cannot be had.
        recall: the mean share of exact search's ten answers among these; None where the order is meant to differ.
        seconds: median of one question that is encoded already; None if it was not taken.
        note: what was used, or why it cannot be had.
    """

    name: str
    measures: Mapping[str, Estimate]
    recall: float | None = None
    seconds: float | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "name": self.name,
            **{name: estimate.value for name, estimate in self.measures.items()},
            "intervals": {name: list(estimate.interval) for name, estimate in self.measures.items()},
            "recall_of_exact@10": self.recall,
            "seconds": self.seconds,
            "note": self.note,
        }


# Questions, and how many answers of each -> their lists.
_Search = Callable[[Sequence["Embedded"], int], "Ranking"]


@dataclass(frozen=True, slots=True)
class _Way:
    name: str
    search: _Search
    is_approximation: bool = False
    note: str = ""


def variants(
    trial: Trial, *, stored: bool = False, seed: int = 0, told: Callable[[str, int, int], None] | None = None
) -> dict[str, tuple[Variant, ...]]:
    """Measure every way, by direction.

    Args:
        trial: an open index and its questions.
        stored: as in `evaluate`.
        seed: of the bootstrap.
        told: direction, queries done and queries in all.
    """
    found = {}
    with trial.index.hold():
        truth = Truth(trial.dataset, trial.index.items(), trial.match)
        for judgements in trial.dataset.judgements:
            if truth.narrow(judgements):
                direction = _Direction(trial.index.searcher, truth, judgements, stored)
                try:
                    found[judgements.direction] = direction.measure(seed, told)
                except BridgeMissing:  # told by the evaluation
                    continue
    return found


class _Direction:
    def __init__(self, searcher: Searcher, truth: Truth, judgements: Judgements, stored: bool) -> None:
        self._searcher, self._exact, self._quantised = searcher, searcher.by(Exact), searcher.by(Quantised)
        self._asked, self._target = judgements.query, judgements.target
        self._name, self._truth = judgements.direction, truth
        asked = truth.narrow(judgements)
        self._groups = groups(judgements.query, asked)
        self._questions = Questions(searcher, truth, asked, judgements.query, stored=stored)
        self._names = Names(truth)
        self._present = [m for m in Modality if any(m in item.modalities for item in truth.listed.values())]

    def measure(self, seed: int, told: Callable[[str, int, int], None] | None) -> tuple[Variant, ...]:
        ways, missing = self._ways()
        judged: dict[str, list[JudgedRun]] = {way.name: [] for way in ways}
        shares: dict[str, list[float]] = {way.name: [] for way in ways}
        sample: list[Embedded] = []
        for some, queries in self._questions.batches():
            embedded = self._searcher.embedded(queries, self._present)
            sample += embedded[: TIMED - len(sample)]
            part = self._questions.qrels.part(some.start, some.stop)
            truth: Ints | None = None
            for way in ways:
                ranking = way.search(embedded, K + 1)
                lists, (scores,) = self._questions.answers(some, ranking.items, ranking.scores)
                self._names.settle(lists, scores)
                truth = lists if truth is None else truth
                judged[way.name].append(judge(lists, part))
                shares[way.name] += _shares(lists, truth)
            if told:
                told(f"{self._name}, {len(ways)} ways", some.stop, len(self._questions))
        made = {way.name: self._variant(way, judged[way.name], shares[way.name], sample, seed) for way in ways}
        return tuple(made.get(name) or Variant(name, {}, note=missing[name]) for name in NAMES)

    def _variant(
        self, way: _Way, judged: Sequence[JudgedRun], shares: Sequence[float], sample: Sequence[Embedded], seed: int
    ) -> Variant:
        run = join(judged, self._questions.qrels)
        figures = measure(run, groups=self._groups, measures=SHOWN, seed=seed)
        recall = float(np.mean(shares)) if way.is_approximation else None
        return Variant(way.name, figures, recall, _seconds(way.search, sample), way.note)

    def _ways(self) -> tuple[list[_Way], dict[str, str]]:
        """The ways that there are, exact search first; and why there is none of the others."""
        ways, missing = [_Way("exact", self._ranked(self._exact, ()))], dict[str, str]()
        asks, recipes = self._searcher.asked(self._asked, self._target, K + 1)
        if asks:
            note = ", ".join(recipes)
            ways.append(_Way("approximate", self._ranked(self._searcher, ()), True, note))
            ways.append(_Way("quantised", self._ranked(self._quantised, ()), True, note))
        else:
            why = "exact search is the better way here" if recipes else "the index has no structure for it"
            missing |= dict.fromkeys(("approximate", "quantised"), f"{why}; see `mmsearch optimize`")
        ways.append(_Way("hubness-corrected", self._ranked(self._exact, HUBNESS), note=",".join(HUBNESS)))
        chain = self._searcher.chain(self._asked, self._target)
        if chain:
            ways.append(_Way("reranked", self._ranked(self._exact, chain), note=",".join(chain)))
        else:
            missing["reranked"] = f"{self._searcher.model.name} has no rerankers of its own, and none were tuned"
        reached = list(self._reached())
        if len(reached) > 1:
            into = f"one list of {', '.join(reached)}"
            ways.append(_Way("merged, raw", partial(self._merged, reached, "cosines"), note=into))
            ways.append(_Way("merged, calibrated", partial(self._merged, reached, "scores"), note=into))
        else:
            missing |= dict.fromkeys(("merged, raw", "merged, calibrated"), "there is one modality to find")
        return ways, missing

    def _ranked(self, searcher: Searcher, chain: Sequence[str]) -> _Search:
        return lambda queries, depth: searcher.rank(queries, self._target, depth, chain)

    def _reached(self) -> Iterator[Modality]:
        for modality in self._present:
            try:
                self._searcher.asked(self._asked, modality, K)
            except (BridgeMissing, QueryError):
                continue
            yield modality

    def _merged(self, modalities: Sequence[Modality], by: str, queries: Sequence[Embedded], depth: int) -> Ranking:
        """One list of all modalities; an item of several media stands where the best of them does."""
        parts = [self._exact.rank(queries, modality, depth, ()) for modality in modalities]
        items, values = (np.concatenate([getattr(part, name) for part in parts], axis=1) for name in ("items", by))
        order = np.argsort(-values, axis=1, kind="stable")  # NaN, where there is no answer, comes last
        items = np.take_along_axis(items, order, axis=1)
        merged = parts[0].empty(len(queries), depth)
        for row, found in zip(merged.items, items, strict=True):
            _, first = np.unique(found, return_index=True)
            distinct = [item for item in found[np.sort(first)].tolist() if item >= 0][:depth]
            row[: len(distinct)] = distinct
        return merged


def _shares(lists: Ints, truth: Ints) -> list[float]:
    """For each query the share of the true items that is among its answers."""
    there = truth >= 0
    found = ((lists[:, None, :] == truth[:, :, None]) & there[:, :, None]).any(axis=2)
    return list((found.sum(axis=1) / np.maximum(1, there.sum(axis=1))).tolist())


def _seconds(search: _Search, sample: Sequence[Embedded]) -> float:
    search(sample[:1], K)  # what is loaded or made once
    times = []
    for one in sample:
        start = time.perf_counter()
        search([one], K)
        times.append(time.perf_counter() - start)
    return median(times)
