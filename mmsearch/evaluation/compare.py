"""Two evaluations of the same questions: what differs, whether that could be chance, and what got worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mmsearch.errors import DatasetError
from mmsearch.evaluation.bootstrap import Interval, intervals, mean
from mmsearch.evaluation.judging import Floats, Ints
from mmsearch.evaluation.scores import SHARES, Scores
from mmsearch.evaluation.significance import holm, randomisation

WORST = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of one direction, of two systems a and b over the same queries.

    Attributes:
        direction: such as `text->image`.
        measure: its name.
        a: mean of the first.
        b: mean of the second.
        difference: b - a.
        interval: of it, paired bootstrap over queries, 95 %.
        p: of the paired randomisation test, two-sided.
        adjusted: the same after Holm's correction for all tests of the comparison.
    """

    direction: str
    measure: str
    a: float
    b: float
    difference: float
    interval: Interval
    p: float
    adjusted: float


@dataclass(frozen=True, slots=True)
class Fallen:
    """A query that b answers worse than a.

    Attributes:
        query: id of the record that asks.
        text: what it asks with, or the name of its file.
        a: rank of the first relevant item, None where none was found.
        b: the same.
        difference: of average precision.
    """

    query: str
    text: str
    a: int | None
    b: int | None
    difference: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two systems a and b over the same queries.

    Attributes:
        names: of the two.
        queries: how many there are in both, by direction.
        differences: by direction and measure.
        fallen: by direction, the queries that lost most average precision, the worst first.
        warnings: what could not be compared, counted.
    """

    names: tuple[str, str]
    queries: Mapping[str, int]
    differences: tuple[Difference, ...]
    fallen: Mapping[str, tuple[Fallen, ...]]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Pair:
    """The queries of one direction that two systems have in common."""

    asked: tuple[str, ...]
    groups: Ints
    a: Scores
    b: Scores

    def differences(self) -> Floats:
        """`(q, c)`."""
        return np.stack([self.b.columns[m.name] - self.a.columns[m.name] for m in SHARES], axis=1)


def compare(
    a: Mapping[str, Scores],
    b: Mapping[str, Scores],
    names: tuple[str, str],
    *,
    texts: Mapping[str | None, str] | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare query by query.

    Measures whose differences are proportional, such as hit@1, recall@1 and precision of queries with one right answer,
    are the same test, and the correction counts it once.

    Args:
        a: figures of single queries, by direction.
        b: the same of another system.
        names: of the two.
        texts: what queries ask with, by their ids, to name them with.
        seed: of the bootstrap and the test.

    Raises:
        DatasetError: they have no query in common.
    """
    pairs, warnings = {}, []
    for direction in dict.fromkeys((*a, *b)):
        pair = _pair(a.get(direction), b.get(direction), texts or {})
        common = len(pair.asked) if pair else 0
        alone = sum(len(one[direction].asked) - common for one in (a, b) if direction in one)
        if alone:
            warnings.append(f"{direction}: queries that only one of the two was asked are left out: {alone:,}")
        if pair:
            pairs[direction] = pair
    if not pairs:
        raise DatasetError(f"{names[0]} and {names[1]} were not asked the same: they have no query in common")
    rows = [row for direction, pair in pairs.items() for row in _rows(direction, pair, seed)]
    adjusted = _adjusted([(row.p, key) for row, key in rows])
    return Comparison(
        names,
        {direction: len(pair.asked) for direction, pair in pairs.items()},
        tuple(replace(row, adjusted=p) for (row, _), p in zip(rows, adjusted, strict=True)),
        {direction: tuple(_fallen(pair, texts or {})) for direction, pair in pairs.items()},
        tuple(warnings),
    )


def _pair(a: Scores | None, b: Scores | None, texts: Mapping[str | None, str]) -> _Pair | None:
    """The queries that both were asked: those of one id that say the same, for ids are numbers within a dataset."""
    if a is None or b is None:
        return None
    at = {id: number for number, id in enumerate(b.asked)}
    said = [[one.texts[n] if one.texts else texts.get(id) for n, id in enumerate(one.asked)] for one in (a, b)]
    there = [n for n, id in enumerate(a.asked) if id in at and _alike(said[0][n], said[1][at[id]])]
    if not there:
        return None
    asked = tuple(a.asked[number] for number in there)
    return _Pair(asked, a.groups[there], _some(a, there), _some(b, [at[id] for id in asked]))


def _alike(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _some(scores: Scores, numbers: Sequence[int]) -> Scores:
    columns = {name: column[numbers] for name, column in scores.columns.items()}
    return Scores(tuple(scores.asked[n] for n in numbers), scores.groups[numbers], scores.ranks[numbers], columns)


def _rows(direction: str, pair: _Pair, seed: int) -> list[tuple[Difference, tuple[str, bytes]]]:
    """A difference for each measure, not yet adjusted, and what is the same for proportional ones."""
    differences = pair.differences()
    p = randomisation(differences, groups=pair.groups, seed=seed)
    bounds = intervals([(column, mean) for column in differences.T], groups=pair.groups, seed=seed)
    largest = np.abs(differences).max(axis=0)
    shapes = np.round(differences / np.where(largest > 0, largest, 1.0), 9) + 0.0
    rows = []
    for n, measure in enumerate(SHARES):
        a, b = (float(one.columns[measure.name].mean()) for one in (pair.a, pair.b))
        row = Difference(direction, measure.name, a, b, b - a, bounds[n], float(p[n]), 1.0)
        rows.append((row, (direction, shapes[:, n].tobytes())))
    return rows


def _adjusted(tests: Sequence[tuple[float, tuple[str, bytes]]]) -> list[float]:
    distinct = {key: p for p, key in tests}
    adjusted = dict(zip(distinct, holm(list(distinct.values())), strict=True))
    return [adjusted[key] for _, key in tests]


def _fallen(pair: _Pair, texts: Mapping[str | None, str]) -> list[Fallen]:
    lost = pair.b.columns["map"] - pair.a.columns["map"]
    order = [number for number in np.argsort(lost, kind="stable")[:WORST].tolist() if lost[number] < 0]
    return [
        Fallen(id, texts.get(id, id), _rank(pair.a, n), _rank(pair.b, n), float(lost[n]))
        for n in order
        for id in (pair.asked[n],)
    ]


def _rank(scores: Scores, number: int) -> int | None:
    rank = scores.ranks[number]
    return int(rank) if np.isfinite(rank) else None
