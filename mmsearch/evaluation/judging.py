"""Ranked lists against the truth: where the relevant items stand.

Items are numbers here, and lists are the rows of one array, so that a million answers are judged in a moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Qrels:
    """The truth of q queries: r relevant items in all, query after query, best grades first within each.

    Attributes:
        relevant: `(q,)` how many items are relevant to each, at least 1.
        items: `(r,)` their numbers, none twice in a query.
        grades: `(r,)` of them, at least 1.
    """

    relevant: Ints
    items: Ints
    grades: Ints

    @classmethod
    def of(cls, queries: Sequence[Mapping[Any, int]], numbers: Mapping[Any, int] | None = None) -> Qrels:
        """From the grade of each relevant item, query by query.

        Args:
            queries: for each the grades by item.
            numbers: of the items; None if these are numbers already.

        Raises:
            ValueError: a query has no relevant item: no measure is defined for it; or a grade is below 1.
        """
        relevant = np.fromiter(map(len, queries), np.int64, len(queries))
        if not relevant.all():
            raise ValueError("a query without relevant items cannot be judged")
        total = int(relevant.sum())
        named = chain.from_iterable(queries)
        items = np.fromiter(named if numbers is None else map(numbers.__getitem__, named), np.int64, total)
        grades = np.fromiter(chain.from_iterable(query.values() for query in queries), np.int64, total)
        if grades.min(initial=1) < 1:
            raise ValueError("what is relevant has a grade of at least 1")
        if grades.max(initial=1) > 1:
            order = np.lexsort((-grades, np.repeat(np.arange(len(relevant)), relevant)))
            items, grades = items[order], grades[order]
        return cls(relevant, items, grades)

    @property
    def owner(self) -> Ints:
        """`(r,)` the query that each relevant item belongs to."""
        return np.repeat(np.arange(len(self.relevant)), self.relevant)

    @property
    def place(self) -> Ints:
        """`(r,)` the place of each relevant item in the best possible list for its query, 1 for the first."""
        starts = np.cumsum(self.relevant) - self.relevant
        return np.arange(len(self.items)) - np.repeat(starts, self.relevant) + 1

    def part(self, start: int, end: int) -> Qrels:
        """The queries from `start` to before `end`."""
        first, last = self.relevant[:start].sum(), self.relevant[:end].sum()
        return Qrels(self.relevant[start:end], self.items[first:last], self.grades[first:last])


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """All judged queries of one direction as arrays; q queries, f found relevant items.

    Attributes:
        qrels: what could have been found.
        first: `(q,)` rank of a query's first relevant item, infinite where none was found.
        ranks: `(f,)` ranks of the found relevant items from 1, query after query, rising within each.
        owner: `(f,)` the query that each belongs to.
        grades: `(f,)` of them.
    """

    qrels: Qrels
    first: Floats
    ranks: Ints
    owner: Ints
    grades: Ints

    @property
    def relevant(self) -> Ints:
        """`(q,)` how many relevant items each query has, found or not."""
        return self.qrels.relevant

    @property
    def place(self) -> Ints:
        """`(f,)` 1 for a query's first found item, 2 for its second, and so on."""
        found = np.bincount(self.owner, minlength=len(self))
        return np.arange(len(self.ranks)) - (np.cumsum(found) - found)[self.owner] + 1

    def __len__(self) -> int:
        return len(self.first)


def judge(lists: Ints, qrels: Qrels) -> JudgedRun:
    """Find the relevant items in ranked lists.

    Args:
        lists: `(q, k)` numbers of items, best first, none twice in a row; -1 behind the last one of a shorter list.
        qrels: of the q queries.
    """
    most = int(max(lists.max(initial=-1), qrels.items.max(initial=-1)))
    is_right = np.zeros(most + 2, bool)  # for one query at a time; the last cell is that of -1
    ends = np.cumsum(qrels.relevant).tolist()
    found = []
    for row, start, end in zip(lists, [0, *ends], ends, strict=False):
        right = qrels.items[start:end]
        is_right[right] = True
        found.append(is_right[row].nonzero()[0])
        is_right[right] = False
    owner = np.repeat(np.arange(len(found)), [len(places) for places in found])
    places = _joined(found)
    return _laid_out(qrels, places + 1, owner, _grades(qrels, owner, lists[owner, places]))


def _grades(qrels: Qrels, owner: Ints, items: Ints) -> Ints:
    """Of relevant items `(f,)` and the queries that they belong to."""
    if qrels.grades.max(initial=1) == 1:
        return np.ones(len(items), np.int64)
    span = int(qrels.items.max()) + 1
    known = qrels.owner * span + qrels.items
    order = np.argsort(known)
    return qrels.grades[order[np.searchsorted(known, owner * span + items, sorter=order)]]


def join(parts: Sequence[JudgedRun], qrels: Qrels) -> JudgedRun:
    """Runs one after the other, of the queries of `qrels`."""
    starts = np.cumsum([0] + [len(part) for part in parts]).tolist()
    owners = [part.owner + start for part, start in zip(parts, starts, strict=False)]
    ranks, grades = [part.ranks for part in parts], [part.grades for part in parts]
    return _laid_out(qrels, *map(_joined, (ranks, owners, grades)))


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _laid_out(qrels: Qrels, ranks: Ints, owner: Ints, grades: Ints) -> JudgedRun:
    first = np.full(len(qrels.relevant), np.inf)
    begins = np.flatnonzero(np.diff(owner, prepend=-1))
    first[owner[begins]] = ranks[begins]
    return JudgedRun(qrels, first, ranks, owner, grades)
