"""What a text asks full-text search for.

::

    text   := ((word | prefix | phrase) anything else)*
    word   := letters and digits, with single - _ . ' : @ + between them: `2023-114` is one
    prefix := word "*"
    phrase := '"' … '"'                 opens at the beginning of a word only: `a 12" record` has none

Any of the words counts, and the more the better; a phrase must be there. No part of the text reaches SQLite as
anything but a string of words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmsearch.errors import QueryError

# Words that say nothing by themselves: of English, and the articles and prepositions of its neighbours.
_STOP = """
    a about above after all an and any are as at be been below between both but by can could did do does down during
    each few for from had has have he her here him his how i if in into is it its just me more most my no nor not of off
    on once only or other our out over own same she should so some such than that the their them then there these they
    this those through to too under until up very was we were what when where which while who whom why will with would
    you your au aux das de del della dem den der des die du ein eine einem einen einer el en es et i il im la las le les
    lo los mit och ou para per por sur um un una und une uno von y zu
"""
STOP = frozenset(_STOP.split())
LONGEST = 100  # words that are looked for; a text that is longer is no question

_TERM = re.compile(
    r"""(?P<phrase>(?<![^\W_])"(?P<inside>(?:[^"]|"")*)")"""
    r"""|(?P<open>(?<![^\W_])")"""
    r"""|(?P<word>[^\W_]+(?:[-_.'’:@+][^\W_]+)*)(?P<star>\*?)"""
    r"""|(?P<lone>\*)"""
)
_LETTER = re.compile(r"[^\W_]")
_PIECE = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Term:
    """A word, a phrase or a prefix, as it was written, in small letters."""

    text: str
    prefix: bool = False

    @property
    def match(self) -> str:
        """The expression of FTS5 that finds it."""
        return f'"{self.text}"{" *" if self.prefix else ""}'

    @property
    def shown(self) -> str:
        """For people."""
        return f"{self.text}*" if self.prefix else self.text

    @property
    def is_stop(self) -> bool:
        """Whether it says nothing by itself."""
        return self.text in STOP and not self.prefix

    @property
    def pieces(self) -> tuple[Term, ...]:
        """The words that it is made of, if it is made of several."""
        found = _PIECE.findall(self.text)
        return tuple(Term(piece, self.prefix and piece is found[-1]) for piece in found) if len(found) > 1 else ()


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: each once, in the order of the text.

    Attributes:
        words: words and prefixes, of which any may be found.
        phrases: that must be found.
    """

    words: tuple[Term, ...]
    phrases: tuple[Term, ...] = ()


def parse(text: str, *, strict: bool = True) -> Question | None:
    """What a text asks for; None if there is no word in it.

    Args:
        text: anything.
        strict: whether what is half a phrase or a prefix is an error; else it is overlooked.

    Raises:
        QueryError: a quotation mark is not closed, or a phrase or a prefix is empty; the message shows the place.
    """
    words: dict[Term, None] = {}
    phrases: dict[Term, None] = {}
    for match in _TERM.finditer(text):
        wrong = _wrong(match)
        if wrong and strict:
            line = re.sub(r"\s", " ", text)
            at = match.start()
            raise QueryError(f"words: {wrong}, at character {at + 1}\n  {line}\n  {' ' * at}^")
        if match["word"]:
            words[Term(match["word"].lower(), bool(match["star"]))] = None
        elif match["phrase"] and not wrong:
            phrases[Term(" ".join(_PIECE.findall(match["inside"])).lower())] = None
    if not words and not phrases:
        return None
    return Question(tuple(words)[:LONGEST], tuple(phrases)[:LONGEST])


def _wrong(match: re.Match[str]) -> str:
    if match["open"]:
        return "this quotation mark is not closed"
    if match["lone"]:
        return "a `*` stands at the end of a word, and there is none before it"
    if match["phrase"] and not _LETTER.search(match["inside"]):
        return "there is no word between these quotation marks"
    return ""
