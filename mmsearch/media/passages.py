"""Cutting a text into passages that fit an encoder: at paragraphs, then sentences, then words.

::

    text ─► paragraphs ─► sentences, each counted once ─► packed until the next one does not fit ─► [start, end)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from mmsearch.types import TextSpec

# A blank line. Written so that a run of white space is read once, however long.
_PARAGRAPH: Final = re.compile(r"\n[^\S\n]*\n\s*")
# Where a sentence ends: a full stop and what closes behind it, before white space (CJK stops need none); or the end of
# a line when the next one begins a list item, a heading, a quotation or a table row of Markdown.
_SENTENCE: Final = re.compile(
    r"""[.!?…]+['"”’»)\]*_]*\s+ | [。！？]+[”’」』）]* | \n(?=[^\S\n]*(?:[-*+>|\#]|\d{1,3}[.)])[^\S\n])""",
    re.VERBOSE,
)
_WORD: Final = re.compile(r"\S+\s*")

# A token of real text has about four characters. Beyond sixteen, a count says nothing about the length: tokenizers
# make one unknown token of a whole line of base64.
_CHARACTERS_PER_TOKEN: Final = 16


@dataclass(frozen=True, slots=True)
class _Piece:
    """Characters [start, end) of the text, their number of tokens, and what they are made of."""

    start: int
    end: int
    tokens: int


def passages(text: str, spec: TextSpec) -> Iterator[tuple[int, int]]:
    """Spans [start, end) of passages of at most `spec.max_tokens` tokens, in order, without white space at their ends.

    Whole paragraphs are packed together while they fit. One that does not fit begins a new passage if the current one is
    at least half full, and is otherwise cut between sentences; a sentence, likewise, between words, and a word that
    is too long for any passage between characters. Nothing but white space is left out. Lazy: a passage costs what is
    counted for it. That a joined text has no more tokens than its parts is assumed, and holds where tokenizers split
    at white space.
    """
    counter = _Counter(spec)
    packer = _Packer(text, counter.room)
    for paragraph in _split(text, 0, len(text), _PARAGRAPH):
        yield from _pack(packer, counter, text, paragraph, 0)
    yield from packer.flush()
