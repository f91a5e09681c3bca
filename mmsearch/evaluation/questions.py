"""What a dataset asks, as an index is asked; and the answers by the numbers of its items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mmsearch.evaluation.judging import Qrels
from mmsearch.search.query import Query
from mmsearch.types import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.evaluation.judging import Ints
    from mmsearch.evaluation.truth import Asked, Truth
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.ranking import Ranking
    from mmsearch.types import FloatArray, Record

_BATCH = 256  # queries asked at once
_STORED = 1_024  # of those that need not be encoded


class Searches(Protocol):
    """The query path, as far as evaluation sees it."""

    def rank(
        self,
        queries: Sequence[Query] | Sequence[Embedded],
        target: str,
        depth: int,
        chain: str | Sequence[str] | None = None,
    ) -> Ranking:
        """For each query the best `depth` items, best first. `chain`: None for the model's own rerankers."""
        ...

    def stored(self, items: Sequence[int], modality: Modality) -> list[Embedded]:
        """Items of the index as questions, by their stored rows."""
        ...


class Questions:
    """The queries of one direction.

    Args:
        searcher: of the index.
        truth: records and items.
        asked: the queries, at least one.
        modality: of what asks.
        stored: records that are in the index ask with their stored rows.
    """

    def __init__(
        self, searcher: Searches, truth: Truth, asked: Sequence[Asked], modality: Modality, *, stored: bool
    ) -> None:
        self._searcher, self._asked, self._modality = searcher, asked, modality
        self._records: dict[str | None, Record] = {record.id: record for record in truth.dataset.records}
        self._own = np.array([truth.numbers.get(one.own, -2) for one in asked], np.int64)
        self._stored = stored and bool((self._own >= 0).all())
        self.qrels = Qrels.of([one.relevant for one in asked], truth.numbers)

    def __len__(self) -> int:
        return len(self._asked)

    def batches(self) -> Iterator[tuple[slice, Sequence[Query] | Sequence[Embedded]]]:
        """The queries some at a time, and which these are."""
        size = _STORED if self._stored else _BATCH
        for start in range(0, len(self), size):
            some = slice(start, min(start + size, len(self)))
            if self._stored:
                yield some, self._searcher.stored(self._own[some].tolist(), self._modality)
            else:
                yield some, [_query(self._records[one.id], self._modality) for one in self._asked[some]]

    def answers(self, some: slice, items: Ints, *values: FloatArray) -> tuple[Ints, tuple[FloatArray, ...]]:
        """Lists `(b, k)` of the batch `some` without each query's own item, or else without their last one.

        Args:
            some: which queries.
            items: `(b, k + 1)` numbers.
            values: each `(b, k + 1)`, that go with them.
        """
        return without(self._own[some], items, *values)


def without(own: Ints, items: Ints, *values: FloatArray) -> tuple[Ints, tuple[FloatArray, ...]]:
    """Lists `(b, k)` without each query's own item, or else without their last one.

    Args:
        own: `(b,)` its number; another one than any item's where there is none.
        items: `(b, k + 1)` numbers.
        values: each `(b, k + 1)`, that go with them.
    """
    out = items == own[:, None]
    if not out.any():
        return items[:, :-1], tuple(one[:, :-1] for one in values)
    out[:, -1] |= ~out.any(axis=1)
    shape = len(items), items.shape[1] - 1
    return items[~out].reshape(shape), tuple(one[~out].reshape(shape) for one in values)


class Names:
    """The ids of items by their numbers."""

    def __init__(self, truth: Truth) -> None:
        numbers = np.fromiter(truth.numbers.values(), np.int64, len(truth.numbers))
        self._places = np.full(int(numbers.max(initial=0)) + 2, -1, np.int32)  # by number; the last one is that of -1
        self._places[numbers] = np.arange(len(numbers))
        self._ids = np.array([*truth.listed, ""], object)

    def settle(self, lists: Ints, scores: FloatArray) -> None:
        """Put items of equal scores in the order of their ids: that of adding is another one in every index.

        Which of them are cut off at the end of a list is decided by the order of adding all the same.

        Args:
            lists: `(q, k)` numbers, best first; changed in place.
            scores: `(q, k)` of them.
        """
        queries = np.flatnonzero((scores[:, 1:] == scores[:, :-1]).any(axis=1))
        places = self._places[np.minimum(lists[queries], len(self._places) - 1)]
        order = np.lexsort((self._order[places], -scores[queries]), axis=-1)
        lists[queries] = np.take_along_axis(lists[queries], order, axis=1)

    @cached_property
    def _order(self) -> Ints:
        """Where the id at each place stands among all ids, sorted."""
        order = np.empty(len(self._ids), np.int64)
        order[np.argsort(self._ids, kind="stable")] = np.arange(len(self._ids))
        return order

    def of(self, numbers: Ints) -> NDArray[np.object_]:
        """Of any shape; empty strings for -1, and for items that came later than those that are listed."""
        return np.asarray(self._ids[self._places[np.minimum(numbers, len(self._places) - 1)]], object)


def _query(record: Record, modality: Modality) -> Query:
    """The part of a record that is of one modality, as a question."""
    return Query.record(modality, getattr(record, modality))
