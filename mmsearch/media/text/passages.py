"""Cutting a text into passages that fit an encoder: at paragraphs, then sentences, then words.

::

    text ─► paragraphs ─► sentences, each counted once ─► packed until the next one does not fit ─► [start, end)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from typing import Final

from mmsearch.types import TextSpec

# A blank line.
_PARAGRAPH: Final = re.compile(r"\n[^\S\n]*\n\s*")
# Where a sentence ends: stops and what closes behind them, before white space (CJK stops need none); or the end of a
# line when the next one begins a list item, a heading, a quotation or a table row of Markdown. The look-behind and the
# possessive quantifiers keep a megabyte of full stops linear.
_SENTENCE: Final = re.compile(
    r"""
      (?<![.!?…]) [.!?…]++ ['"”’»)\]*_]*+ \s++
    | [。！？]++ [”’」』）]*+
    | \n (?= [^\S\n]* (?: [-*+>|\#]+ | \d{1,3}[.)] ) [^\S\n] )
    """,
    re.VERBOSE,
)
_WORD: Final = re.compile(r"\S+")

# A token of real text has about four characters. Far beyond that the count says nothing about the length: tokenizers
# make one unknown token of a whole line of base64.
_CHARACTERS_PER_TOKEN: Final = 16


class _Level(IntEnum):
    PARAGRAPH = 0
    SENTENCE = 1
    WORD = 2
    PART = 3


def passages(text: str, spec: TextSpec) -> Iterator[tuple[int, int]]:
    """Spans [start, end) of passages of at most `spec.max_tokens` tokens, in order, without white space at their ends.

    Whole paragraphs are packed together while they fit. One that does not begins a new passage if the current one is at
    least half full, and is cut between sentences otherwise. A sentence is cut, between words, only if it is longer than
    a passage; so is a word, between characters. Nothing but white space is left out.

    Lazy, and each sentence is counted once. That a joined text has no more tokens than its parts together is assumed;
    it holds for tokenizers that split at white space first.
    """
    packer = _Packer(text, spec)
    for start, end in _between(text, 0, len(text), _PARAGRAPH):
        yield from packer.add(start, end, _Level.PARAGRAPH)
    yield from packer.flush()


class _Packer:
    """The passage that is being filled: characters [start, end) with `used` of `room` tokens."""

    def __init__(self, text: str, spec: TextSpec) -> None:
        marks = spec.count_tokens("")  # what the tokenizer adds around every text, needed once per passage
        self._text, self._count = text, spec.count_tokens
        self._count_word = lru_cache(1 << 16)(spec.count_tokens)
        self._marks, self._room = marks, max(1, spec.max_tokens - marks)
        self._longest = self._room * _CHARACTERS_PER_TOKEN
        self._start = self._end = self._used = 0

    def add(self, start: int, end: int, level: _Level) -> Iterator[tuple[int, int]]:
        """Put characters [start, end) into the passage; yields each passage that this completes."""
        parts: list[tuple[int, int, int]] = []
        if level is _Level.PARAGRAPH:
            parts = [(s, e, self._tokens(s, e, level)) for s, e in _between(self._text, start, end, _SENTENCE)]
        yield from self._place(start, end, sum(p[2] for p in parts) or self._tokens(start, end, level), level, parts)

    def _place(
        self, start: int, end: int, tokens: int, level: _Level, parts: list[tuple[int, int, int]]
    ) -> Iterator[tuple[int, int]]:
        fits_alone = tokens <= self._room and end - start <= self._longest
        half_full = self._used * 2 >= self._room
        if not self._has_room(end, tokens) and (half_full or (fits_alone and level is not _Level.PARAGRAPH)):
            yield from self.flush()
        if not self._used and (fits_alone or end - start == 1):
            self._start, self._end, self._used = start, end, tokens
        elif self._used and self._has_room(end, tokens):
            self._end, self._used = end, self._used + tokens
        elif level is _Level.PARAGRAPH:
            for s, e, counted in parts:
                yield from self._place(s, e, counted, _Level.SENTENCE, [])
        elif level is _Level.SENTENCE:
            for found in _WORD.finditer(self._text, start, end):
                yield from self.add(*found.span(), _Level.WORD)
        else:
            middle = (start + end) // 2
            yield from self.add(start, middle, _Level.PART)
            yield from self.add(middle, end, _Level.PART)

    def flush(self) -> Iterator[tuple[int, int]]:
        """End the passage."""
        if self._used:
            yield self._start, self._end
        self._used = 0

    def _has_room(self, end: int, tokens: int) -> bool:
        return self._used + tokens <= self._room and end - self._start <= self._longest

    def _tokens(self, start: int, end: int, level: _Level) -> int:
        """At least 1; what is too long for any passage is not counted."""
        if end - start > self._longest:
            return self._room + 1
        count = self._count_word if level is _Level.WORD else self._count
        return max(1, count(self._text[start:end]) - self._marks)


def _between(text: str, start: int, end: int, border: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """What lies between the borders, without white space at its ends; a stop belongs to the sentence before it."""
    begin = start
    for found in border.finditer(text, start, end):
        yield from _trimmed(text, begin, found.end())
        begin = found.end()
    yield from _trimmed(text, begin, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    bare = piece.strip()
    if bare:
        start += len(piece) - len(piece.lstrip())
        yield start, start + len(bare)
