"""Whether and how words take part in a search."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mmsearch.errors import QueryError, did_you_mean
from mmsearch.search import fuse
from mmsearch.search.lexical.bm25 import WIDTH, matches
from mmsearch.search.lexical.language import Question, parse
from mmsearch.search.lexical.lists import Reach, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mmsearch.search.candidates import Candidates
    from mmsearch.search.lanes import Lane
    from mmsearch.search.lexical.lists import Allowed, Listed
    from mmsearch.search.query import Query
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray, Modality


class Lexical(StrEnum):
    """What words count: nothing, beside vectors, or alone."""

    OFF = "off"
    ON = "on"
    ONLY = "only"

    @classmethod
    def named(cls, name: str) -> Lexical:
        """The one of that name.

        Raises:
            QueryError: there is none.
        """
        if name not in set(cls):
            near = did_you_mean(str(name), cls, cutoff=0.5)
            raise QueryError(f"lexical is off, on or only, not {name!r}{near}")
        return cls(name)


def question(query: Query, *, strict: bool) -> Question | None:
    """What the texts of a question look for; None if there is no word. See `language.parse`.

    Raises:
        QueryError: a text cannot be read.
    """
    texts = [part.words or part.content for part in query.parts if part.kind == "text" and part.weight > 0]
    found = [one for text in texts if (one := parse(text, strict=strict)) is not None]
    words = dict.fromkeys(term for one in found for term in one.words)
    phrases = dict.fromkeys(term for one in found for term in one.phrases)
    return Question(tuple(words), tuple(phrases)) if found else None


@dataclass(frozen=True, slots=True)
class Target:
    """Where answers of one modality are.

    Attributes:
        lane: their rows.
        vector: the question `(d,)` in their space.
        allowed: sorted offsets by shard id, the only rows that may be found; None for all.
        scores: what the order goes by `(n,)`, from cosines of question and segments.
    """

    lane: Lane
    vector: FloatArray
    allowed: Allowed | None
    scores: Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True)
class Words:
    """What words of a question do in a search.

    Attributes:
        mode: what they count.
        question: what is looked for; None if words count nothing, or the question has none.
    """

    mode: Lexical
    question: Question | None

    @property
    def is_alone(self) -> bool:
        """Whether nothing but words is looked for."""
        return self.mode is Lexical.ONLY

    @classmethod
    def of(cls, query: Query, lexical: str | None) -> Words:
        """Those of a question.

        What is half a phrase or a prefix is an error where it was said what words count, and overlooked otherwise.

        Args:
            query: whose texts are looked for, but for those that answers should not be like: these exclude nothing.
            lexical: off, on or only; None for `DEFAULT`, and off for a sum: words of one part would outdo the others.

        Raises:
            QueryError: there is no such mode, or a text cannot be read; or words count alone, and there are none.
        """
        usual = DEFAULT if len(query.parts) == 1 else Lexical.OFF
        mode = usual if lexical is None else Lexical.named(lexical)
        if mode is Lexical.OFF:
            return cls(mode, None)
        found = question(query, strict=lexical is not None)
        if found is None and mode is Lexical.ONLY:
            raise QueryError("words alone cannot be looked for: the question has none; leave out lexical='only'")
        return cls(mode, found)

    def found(self, view: View, targets: Callable[[], Mapping[Modality, Target]], k: int) -> Heard | None:
        """What words find, k items of each modality at least if they count alone; None if they find nothing."""
        if self.question is None:
            return None
        there = targets()
        lanes = [target.lane for target in there.values()]
        allowed = [target.allowed for target in there.values()]
        ours = {shard.id for lane in lanes for shard in lane.shards}
        others = any(one.live for one in view.snapshot().shards if one.group.kind == "vectors" and one.id not in ours)
        reach = Reach(view, lanes, allowed) if others or any(some is not None for some in allowed) else None
        width, least = (max(WIDTH, k), 0.0) if self.is_alone else (WIDTH, fuse.LEAST)
        some = matches(view, view.snapshot(), self.question, allowed=reach, width=width, least=least)
        if not some:
            return None
        lists = {
            modality: listed(view, target.lane, target.allowed, some, target.vector)
            for modality, target in there.items()
        }
        lists = {modality: one for modality, one in lists.items() if one.matches}
        scores = {modality: there[modality].scores(one.cosines) for modality, one in lists.items()}
        return Heard(lists, scores) if lists else None


@dataclass(frozen=True, slots=True)
class Heard:
    """What words found.

    Attributes:
        lists: by modality, none of them empty.
        scores: of the nearest segments of these, `(n,)`, on the scale that candidates have without rerankers.
    """

    lists: Mapping[Modality, Listed]
    scores: Mapping[Modality, FloatArray]

    def alone(self) -> Candidates:
        """By themselves, by the scores of their words."""
        return fuse.alone(self.lists)

    def beside(self, found: Candidates) -> Candidates:
        """With what vectors found."""
        return fuse.fuse(found, self.lists, self.scores)


DEFAULT = Lexical.ON
