"""Items by the words that their texts, names and metadata share with a question, ranked by BM25.

::

    words ─► counted ─► the rarest choose rows ─► all that tell something score these ─► rows become items

The score is that of FTS5: BM25 with k1 = 1.2 and b = 0.75 (Robertson and Zaragoza, The Probabilistic Relevance
Framework, 2009), which is a sum over words. So each word is asked for by itself, and it is known which were found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsearch.search.lexical.frequencies import NOWHERE, Frequencies
from mmsearch.store.fulltext import ITEMS, SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mmsearch.search.lexical.frequencies import Counted
    from mmsearch.search.lexical.language import Question
    from mmsearch.store.reading import Reading
    from mmsearch.store.snapshot import Snapshot

    Reach = Callable[[Sequence[int]], Iterable[int]]

# What a word counts in metadata and in a name, if it counts 1 in a passage or a caption.
METADATA, NAME = 0.8, 0.6
FEW = 1_000  # rows, of which any number is looked at
FREQUENT = 0.05  # share of rows from which on a word tells nothing worth its time
MOST = 20_000  # rows, likewise
BUDGET = 4_000  # rows that words choose from, about: each takes a microsecond
WIDTH = 150  # rows of each table that are chosen
OWN = 64  # segments of an item at most that are scored because its name was found

_SCORE = {SEGMENTS: f"bm25({SEGMENTS})", ITEMS: f"bm25({ITEMS}, {NAME}, {METADATA})"}
_LISTED = "(SELECT value FROM json_each(?))"
_OWN = (
    "SELECT s.id FROM json_each(?) j CROSS JOIN segments s ON s.id IN "
    f"(SELECT id FROM segments WHERE item_id = j.value AND excerpt IS NOT NULL LIMIT {OWN})"
)


@dataclass(frozen=True, slots=True)
class Match:
    """An item in which words of the question were found.

    Attributes:
        item: number in the catalog.
        score: BM25; higher is better.
        segment: id of the segment whose text matches best; None if only name or metadata do.
        tells: sum of the inverse document frequencies of the words that were found, in natural logarithms.
        share: of what all words of the question tell: 1 if all were found, those left aside that are everywhere.
        words: that were found, those first that tell most.
    """

    item: int
    score: float
    segment: int | None
    tells: float
    share: float
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """What to look for in an index.

    Attributes:
        phrases: that must be found.
        telling: words that tell something, the rarest first.
        total: what all of these tell, and as much as one of them on average for each that is found nowhere.
    """

    phrases: tuple[Counted, ...]
    telling: tuple[Counted, ...]
    total: float

    @classmethod
    def of(cls, store: Reading, frequencies: Frequencies, question: Question, *, thorough: bool) -> Words:
        """Those of a question; words that say nothing count where there are no others."""
        saying = [term for term in question.words if not term.is_stop]
        words = frequencies.counted(store, saying or question.words)
        limit = max(FEW, min(MOST, FREQUENT * frequencies.total))
        some = sorted((one for one in words if one.rows), key=lambda one: one.rows)
        telling = tuple(one for one in some if one.rows <= limit)
        if thorough and not telling:
            telling = tuple(some[:1])
        phrases = frequencies.counted(store, question.phrases, whole=True)
        found = [one.weight for one in (*phrases, *telling)]
        missing = sum(not one.rows for one in words)
        usual = max(NOWHERE, sum(found) / len(found)) if found else NOWHERE
        return cls(tuple(phrases), telling, sum(found) + missing * usual)

    def leading(self, least: float) -> tuple[Counted, ...]:
        """Those of which an item has one at least, if it has a share of at least `least` of what all tell."""
        if self.phrases:
            return self.phrases
        left = sum(one.weight for one in self.telling)
        if left < least * self.total:
            return ()
        rows = count = 0
        for count, one in enumerate(self.telling, 1):  # noqa: B007
            left, rows = left - one.weight, rows + one.rows
            if least and left < least * self.total or not least and rows > BUDGET:
                break
        return self.telling[:count]


def matches(
    store: Reading,
    snapshot: Snapshot,
    question: Question,
    *,
    allowed: Reach | None = None,
    width: int = WIDTH,
    least: float = 0.0,
) -> list[Match]:
    """Items with words of the question, best first.

    Args:
        store: sees the snapshot.
        snapshot: of the index.
        question: see `language`.
        allowed: given numbers of items, tells which of them may be found; None for all.
        width: how many rows of each table are scored by all words.
        least: the share of the question that an item must have. Where any will do, words are looked for however
            frequent they are, if there are no others.
    """
    words = Words.of(store, Frequencies.of(store, snapshot), question, thorough=not least)
    leading = words.leading(least)
    if not leading or not all(one.rows for one in words.phrases):
        return []
    limited = allowed is not None or len(words.phrases) > 1
    rows = _chosen(store, leading, max(width, BUDGET) if limited else width)
    owners = store.items_of(rows[SEGMENTS])
    if limited:
        items = {*owners.values(), *rows[ITEMS]}.intersection(*(_having(store, one) for one in words.phrases))
        items = items if allowed is None else set(allowed(sorted(items)))
        rows[SEGMENTS] = [segment for segment in rows[SEGMENTS] if owners.get(segment) in items][:width]
        rows[ITEMS] = [item for item in rows[ITEMS] if item in items][:width]
    own = [segment for (segment,) in store.query(_OWN, (json.dumps(rows[ITEMS]),))] if rows[ITEMS] else []
    owners |= store.items_of(own)
    rows = {SEGMENTS: [*{*rows[SEGMENTS], *own}], ITEMS: [*{*rows[ITEMS], *owners.values()}]}
    scored = []
    bearable = (1.0 - least) * words.total if least else words.total
    for one in (*words.phrases, *words.telling):
        scored.append((one, _scores(store, one, rows)))
        if least:
            rows = _bearable(rows, owners, scored, bearable)
            if not rows[ITEMS]:
                return []
    made = _joined(scored, owners, rows, words.total)
    return [match for match in made if match.share >= least]


def _bearable(
    rows: Mapping[str, list[int]],
    owners: Mapping[int, int],
    scored: Sequence[tuple[Counted, Mapping[str, Mapping[int, float]]]],
    most: float,
) -> dict[str, list[int]]:
    """The rows of items that have lacked words of a weight of at most `most` so far."""
    lacking = dict.fromkeys(rows[ITEMS], 0.0)
    for one, of in scored:
        has = {*of[ITEMS], *(owners[segment] for segment in of[SEGMENTS])}
        for item in lacking:
            lacking[item] += 0.0 if item in has else one.weight
    items = {item for item, weight in lacking.items() if weight <= most}
    return {SEGMENTS: [one for one in rows[SEGMENTS] if owners.get(one) in items], ITEMS: [*items]}


def _chosen(store: Reading, terms: Sequence[Counted], width: int) -> dict[str, list[int]]:
    """The rows of each table that have some of the terms, best first."""
    found: dict[str, list[int]] = {}
    for table, score in _SCORE.items():
        expression = " OR ".join(one.term.match for one in terms if one.by_table[table])
        select = f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY {score}, rowid LIMIT {width}"
        found[table] = [row for (row,) in store.query(select, (expression,))] if expression else []
    return found


def _having(store: Reading, one: Counted) -> set[int]:
    """The items that have a phrase."""
    select = (
        f"SELECT s.item_id FROM {SEGMENTS} w JOIN segments s ON s.id = w.rowid WHERE {SEGMENTS} MATCH ?1 "
        f"UNION SELECT rowid FROM {ITEMS} WHERE {ITEMS} MATCH ?1"
    )
    return {item for (item,) in store.query(select, (one.term.match,))}


def _scores(store: Reading, one: Counted, among: Mapping[str, list[int]]) -> dict[str, dict[int, float]]:
    """The score of each of some rows that has a term, by table."""
    found: dict[str, dict[int, float]] = {}
    for table, score in _SCORE.items():
        some = among[table] if one.by_table[table] else []
        # With a `+` SQLite runs through the rows of the word once, and not from the beginning for each number.
        select = f"SELECT rowid, -{score} FROM {table} WHERE {table} MATCH ? AND +rowid IN {_LISTED}"
        found[table] = dict(store.query(select, (one.term.match, json.dumps(some)))) if some else {}
    return found


def _joined(
    scored: Sequence[tuple[Counted, dict[str, dict[int, float]]]],
    owners: Mapping[int, int],
    rows: Mapping[str, list[int]],
    total: float,
) -> list[Match]:
    """Rows become items: what the name and the metadata of one score, and its best segment, are added."""

    def sum_of(table: str, row: int) -> float:
        return sum(by_table[table].get(row, 0.0) for _, by_table in scored)

    nothing: tuple[float, int | None] = 0.0, None
    best: dict[int, tuple[float, int | None]] = {}
    for segment in rows[SEGMENTS]:
        item, sum_ = owners.get(segment), sum_of(SEGMENTS, segment)
        if item is not None and sum_ > best.get(item, nothing)[0]:
            best[item] = sum_, segment
    made = []
    for item in {*best, *rows[ITEMS]}:
        score, text = best.get(item, nothing)
        found = [one for one, of in scored if text in of[SEGMENTS] or item in of[ITEMS]]
        if found:
            tells = sum(one.weight for one in found)
            words = tuple(one.term.shown for one in found)
            share = min(1.0, tells / total)
            made.append(Match(item, score + sum_of(ITEMS, item), text, tells, share, words))
    return sorted(made, key=lambda match: (-match.score, match.item))
