"""One direction put to the test: half of its questions choose a chain, the other half must confirm it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.evaluation.bootstrap import Interval, intervals, mean
from mmsearch.evaluation.judging import Floats, Ints, Qrels, judge
from mmsearch.evaluation.questions import without
from mmsearch.evaluation.significance import randomisation
from mmsearch.search.rerank import POOL

if TYPE_CHECKING:
    from mmsearch.encoders.base import Model
    from mmsearch.search.searcher import Searcher
    from mmsearch.tuning.directions import Direction, Told
    from mmsearch.types import Modality

FEWEST = 40  # independent questions; fewer leave nothing to confirm with
SIGNIFICANT = 0.05
HUBNESS = ("nnn:0.25", "nnn:0.5", "nnn:0.75", "nnn:1", "qbnorm:10", "qbnorm:20", "qbnorm:50")
CUT = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a direction.

    Attributes:
        direction: such as `text->image`.
        before: the chain that it had, as text.
        chosen: the chain that was best for the first half; the same as `before` where nothing was better.
        merits: mean reciprocal rank of the first half, by chain.
        figures: of the second half, `mrr` and `hit@10`, before and after.
        gains: of the same, with their 95 % bootstrap intervals over groups (Efron, 1979).
        p: that the gain in reciprocal rank is luck: two-sided paired randomisation test over groups (Smucker, Allan,
            Carterette, CIKM 2007); 1 where nothing was better.
        queries: how many chose, and how many confirmed.
        milliseconds: of a search that is encoded already, before and after.
    """

    direction: str
    before: str
    chosen: str
    merits: Mapping[str, float]
    figures: Mapping[str, tuple[float, float]]
    gains: Mapping[str, tuple[float, Interval]]
    p: float
    queries: tuple[int, int]
    milliseconds: tuple[float, float]

    @property
    def gained(self) -> bool:
        """Whether the chosen chain is better, not by luck (p < .05), and by no figure clearly worse."""
        better = self.chosen != self.before and self.p < SIGNIFICANT and self.gains["mrr"][0] > 0
        return better and all(interval.high >= 0 for _, interval in self.gains.values())

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "direction": self.direction,
            "before": self.before,
            "chosen": self.chosen,
            "gained": self.gained,
            "p": self.p,
            "figures": {name: list(both) for name, both in self.figures.items()},
            "gains": {name: [value, *interval] for name, (value, interval) in self.gains.items()},
            "queries": list(self.queries),
            "milliseconds": [round(one, 3) for one in self.milliseconds],
            "chosen_by_mrr": dict(self.merits),
        }


def chains(model: Model, asked: Modality, target: Modality, *, fitted: bool, before: str) -> list[str]:
    """The chains that are tried in a direction, simple ones first.

    Args:
        model: of the index.
        asked: modality of the questions.
        target: modality of the answers.
        fitted: whether the answers lie in a space that was fitted to pairs, where tags have no say.
        before: the chain that the direction has.
    """
    tagger = model.tagger
    tagged = tagger is not None and not fitted and tagger.weights(asked, target) is not None
    bases = ("", "tags") if tagged else ("",)
    found = [*bases, *(f"{base},{step}".strip(",") for base in bases for step in HUBNESS)]
    return found if before in found else [before, *found]


def tried(
    searcher: Searcher, direction: Direction, before: str, wanted: Sequence[str], *, seed: int = 0, told: Told | None
) -> Finding | None:
    """What was found out about a direction; None if it has too few independent questions.

    Args:
        searcher: of the index.
        direction: its questions.
        before: the chain that it has.
        wanted: the chains to try, `before` among them; of equally good ones the first is taken.
        seed: of all that is drawn.
        told: what is being done, how much of it is done, and of how much.
    """
    first, second = halves(direction.groups, seed)
    if len(np.unique(direction.groups)) < FEWEST:
        return None
    merits = {}
    for number, chain in enumerate(wanted):
        if told is not None:
            told(f"trying chains for {direction.name}", number, len(wanted))
        merits[chain] = float(np.mean(_reciprocal(firsts(searcher, direction, first, chain)[0])))
    chosen = max((before, *wanted), key=lambda chain: merits[chain])
    before_ranks, before_seconds = firsts(searcher, direction, second, before)
    after_ranks, after_seconds = (before_ranks, before_seconds)
    if chosen != before:
        after_ranks, after_seconds = firsts(searcher, direction, second, chosen)
    columns = {"mrr": (_reciprocal(before_ranks), _reciprocal(after_ranks))}
    columns[f"hit@{CUT}"] = ((before_ranks <= CUT).astype(np.float64), (after_ranks <= CUT).astype(np.float64))
    differences = np.stack([after - was for was, after in columns.values()], axis=1)
    groups = direction.groups[second]
    spans = intervals([(column, mean) for column in differences.T], groups=groups, seed=seed)
    p = randomisation(differences[:, :1], groups=groups, seed=seed)[0] if chosen != before else 1.0
    return Finding(
        direction.name,
        before,
        chosen,
        merits,
        {name: (float(was.mean()), float(after.mean())) for name, (was, after) in columns.items()},
        {name: (float(column.mean()), span) for name, column, span in zip(columns, differences.T, spans, strict=True)},
        float(p),
        (len(first), len(second)),
        (1e3 * before_seconds, 1e3 * after_seconds),
    )


def halves(groups: Ints, seed: int) -> tuple[Ints, Ints]:
    """Places of the questions of one half of the groups, and of the other."""
    named, group = np.unique(groups, return_inverse=True)
    is_first = np.zeros(len(named), bool)
    is_first[np.random.default_rng(seed).permutation(len(named))[: len(named) // 2]] = True
    return np.flatnonzero(is_first[group]), np.flatnonzero(~is_first[group])


def firsts(searcher: Searcher, direction: Direction, some: Ints, chain: str) -> tuple[Floats, float]:
    """Ranks `(n,)` of the first right answers to some questions, infinite beyond the pool; seconds a question."""
    start = time.perf_counter()
    ranking = searcher.rank([direction.questions[place] for place in some.tolist()], direction.target, POOL + 1, chain)
    seconds = (time.perf_counter() - start) / len(some)
    lists, _ = without(direction.own[some], ranking.items, ranking.scores)
    return judge(lists, _part(direction.qrels, some)).first, seconds


def _part(qrels: Qrels, some: Ints) -> Qrels:
    kept = np.isin(qrels.owner, some)
    return Qrels(qrels.relevant[some], qrels.items[kept], qrels.grades[kept])


def _reciprocal(ranks: Floats) -> Floats:
    return 1 / ranks
