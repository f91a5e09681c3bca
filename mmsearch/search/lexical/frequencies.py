"""How many segments and items have a word, at one version of an index."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from mmsearch.store.fulltext import ITEMS, SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mmsearch.search.lexical.language import Term
    from mmsearch.store.reading import Reading
    from mmsearch.store.snapshot import Snapshot

REMEMBERED = 50_000  # words of one version

_COUNT = (
    f"SELECT (SELECT count(*) FROM {SEGMENTS} WHERE {SEGMENTS} MATCH ?1), "
    f"(SELECT count(*) FROM {ITEMS} WHERE {ITEMS} MATCH ?1)"
)
_TOTAL = f"SELECT (SELECT count(*) FROM {SEGMENTS}_docsize) + (SELECT count(*) FROM {ITEMS}_docsize)"

NOWHERE = math.log(10)  # what a word that is found nowhere tells at least


@dataclass(frozen=True, slots=True)
class Counted:
    """A term and how often it occurs.

    Attributes:
        term: what was looked for.
        by_table: number of rows that have it, of each table.
        rows: of both.
        weight: what it tells: its inverse document frequency `ln(1 + (N - n + 0.5) / (n + 0.5))`, in natural
            logarithms, which is that of BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009)
            kept positive.
    """

    term: Term
    by_table: Mapping[str, int]
    rows: int
    weight: float


_known: WeakKeyDictionary[Snapshot, Frequencies] = WeakKeyDictionary()


class Frequencies:
    """Counts rows of both tables once for each word: SQLite takes 30 ns a row for it.

    Attributes:
        total: rows of both.
    """

    def __init__(self, store: Reading) -> None:
        self.total = int(store.query(_TOTAL)[0][0])
        self._counts: dict[Term, Counted] = {}

    @classmethod
    def of(cls, store: Reading, snapshot: Snapshot) -> Frequencies:
        """Those of a snapshot that the store sees."""
        found = _known.get(snapshot)
        if found is None:
            found = _known[snapshot] = cls(store)
        return found

    def counted(self, store: Reading, terms: Iterable[Term], *, whole: bool = False) -> list[Counted]:
        """Terms with how often they occur; one of several words that occurs nowhere is taken apart, unless `whole`."""
        found: dict[Term, Counted] = {}
        for term in terms:
            one = self._count(store, term)
            some = [one] if one.rows or whole or not term.pieces else [self._count(store, part) for part in term.pieces]
            found |= {part.term: part for part in some}
        return list(found.values())

    def _count(self, store: Reading, term: Term) -> Counted:
        found = self._counts.get(term)
        if found is None:
            if len(self._counts) >= REMEMBERED:
                self._counts.clear()
            segments, items = store.query(_COUNT, (term.match,))[0]
            rows = segments + items
            weight = math.log1p((self.total - rows + 0.5) / (rows + 0.5)) if rows else NOWHERE
            found = self._counts[term] = Counted(term, {SEGMENTS: segments, ITEMS: items}, rows, weight)
        return found
