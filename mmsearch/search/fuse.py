"""One list of two: what vectors found and what words found, by reciprocal ranks, within each modality.

An item counts `1 / (60 + rank)` in each list that it is in (Cormack, Clarke and Büttcher, SIGIR 2009), in that of the
words times how far these are to be trusted: three times as far as vectors, or less if more than a tenth of the index
has such words. Only items count that have (nearly) all of the question. A name or a number that is found to the letter
decides; that a sentence shares some words with a text says less than its vector: see `benchmarks/results/lexical.md`.

Within a modality items change places, and the scores stay where they are: the best one goes to the item that is first
now. So lists of several modalities are merged as they were, and items that have no text are not buried. Only the first
item of a modality is put before all others, if it has words that fewer than one in a hundred have, or nothing else.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search.candidates import Candidates, Past, merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.search.lexical.bm25 import Match
    from mmsearch.search.lexical.lists import Listed
    from mmsearch.types import FloatArray, Metadata, Modality

K = 60
TRUST = 3.0  # what a place among the words counts, if one among the vectors counts 1
LEAST = 0.9  # share of what the question's words tell that an item must have
DECIMALS = 3  # of scores that are told; what differs by less is equal
TELLING = math.log(10)  # what words tell that one in ten has
DECIDING = math.log(100)  # and those that make an item the first of all
STEP = "words"  # how the step is called in a hit's history


def reciprocal(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """`1 / (60 + rank)` for ranks from 1."""
    return np.asarray(1.0 / (K + ranks))


def ranks(matches: Sequence[Match]) -> NDArray[np.int64]:
    """Ranks `(n,)` of matches, best first: those whose scores are equal share the first of their places."""
    return _ranks([match.score for match in matches])


def _ranks(scores: Iterable[float]) -> NDArray[np.int64]:
    falling = -np.array([round(score, DECIMALS) for score in scores])
    return np.asarray(np.searchsorted(falling, falling) + 1)


def gains(matches: Sequence[Match]) -> NDArray[np.float64]:
    """What matches `(n,)`, best first, add to their items."""
    trust = TRUST * np.array([min(1.0, one.tells / TELLING) for one in matches])
    return trust * reciprocal(ranks(matches))


def note(match: Match, rank: int) -> Metadata:
    """What words a match went by, and its rank among them."""
    score, share = round(match.score, DECIMALS), round(match.share, DECIMALS)
    tells = round(match.tells, DECIMALS)
    return {"words": list(match.words), "rank": rank, "bm25": score, "share": share, "tells": tells}


def fuse(found: Candidates, lists: Mapping[Modality, Listed], scores: Mapping[Modality, FloatArray]) -> Candidates:
    """Candidates and the items of lists, which need not be among them.

    Args:
        found: of all modalities, best first.
        lists: what words found, by modality.
        scores: of these `(n,)`, on the scale that candidates have without rerankers.
    """
    found = found.remember(STEP)
    parts = []
    for modality in dict.fromkeys([*found.modalities, *lists]):
        part = found.take(np.flatnonzero(found.modalities == modality))
        if modality in lists:
            part = _fused(part, modality, lists[modality], scores[modality])
        parts.append(part)
    return merge(_first(parts, sum(len(one.matches) for one in lists.values()))) if parts else found


def _first(parts: Sequence[Candidates], matches: int) -> list[Candidates]:
    """The parts, where what was found by words that are rare, or alone has them, comes before all of every modality."""
    top = max(part.scores[0] for part in parts if len(part))
    lifted = []
    for part in parts:
        note = part.history[-1].notes[0] if len(part) and part.history[-1].notes is not None else None
        if note is not None and (note["tells"] >= DECIDING or matches == 1):
            scores = part.scores.copy()
            scores[0] = np.nextafter(top, np.float32(np.inf))
            lifted.append(part.scored(scores))
        else:
            lifted.append(part)
    return lifted


def alone(lists: Mapping[Modality, Listed]) -> Candidates:
    """The items of lists without any others, by BM25 times the share of the question that each has.

    BM25 is a sum over words, so that a text which has one of two words often can have more than the file whose name
    they are. It is the coordination factor of Lucene's classic similarity, here by what words tell.
    """
    parts = []
    for modality, words in lists.items():
        scores = np.array([match.score * match.share for match in words.matches], np.float32)
        order = np.argsort(-scores, kind="stable")
        part = _candidates(modality, words, order, scores[order]).remember(STEP)
        ordered = [words.matches[number] for number in order.tolist()]
        parts.append(part.noted(list(map(note, ordered, _ranks(scores[order].tolist()).tolist()))))
    return merge(parts)


def _fused(found: Candidates, modality: Modality, words: Listed, scores: FloatArray) -> Candidates:
    place_of = {item: place for place, item in enumerate(found.items.tolist())}
    for place, folded in enumerate(found.same if found.same is not None else ()):
        place_of |= dict.fromkeys(folded or (), place)  # stands for them
    new = [number for number, match in enumerate(words.matches) if match.item not in place_of]
    place_of |= {words.matches[number].item: place for place, number in enumerate(new, len(found))}
    lowest = found.scores.min() if len(found) else np.float32(np.inf)
    added = _candidates(modality, words, new, np.minimum(scores[new], lowest))
    added.history = tuple(_unseen(past, len(new)) for past in found.history)
    both = found.join(added)
    values = np.zeros(len(both))
    values[: len(found)] = reciprocal(np.arange(1, len(found) + 1))
    notes: list[Metadata | None] = [None] * len(both)
    told = map(note, words.matches, ranks(words.matches).tolist())
    for number, (match, gain, said) in enumerate(zip(words.matches, gains(words.matches).tolist(), told, strict=True)):
        place = place_of[match.item]
        notes[place] = said
        is_own = match.item == both.items[place]  # and not folded into the item there
        if is_own and match.segment == words.segments[number] and gain > values[place]:  # what has the words is shown
            both.segments[place], both.cosines[place] = words.segments[number], words.cosines[number]
        values[place] += gain
    order = np.argsort(-values, kind="stable")
    return both.noted(notes).take(order, np.sort(both.scores)[::-1])


def _candidates(
    modality: Modality, words: Listed, some: Sequence[int] | NDArray[np.int64], scores: FloatArray
) -> Candidates:
    numbers = np.asarray(some, np.int64)
    return Candidates(
        np.array([words.matches[number].item for number in numbers], np.int64),
        words.segments[numbers],
        np.array([modality] * len(numbers), object),
        words.cosines[numbers],
        scores,
    )


def _unseen(past: Past, count: int) -> Past:
    """The history of items that a step did not see."""
    return Past(past.name, np.zeros(count, np.int64), np.full(count, np.nan, np.float32))
