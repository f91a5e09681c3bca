"""Cutting a text into passages that fit an encoder: at paragraphs, then sentences, then words.

::

    text ─► paragraphs ─► sentences, each counted once ─► packed until the next one does not fit ─► [start, end)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
_WORD: Final = re.compile(r"\s+")
_BORDERS: Final = (_PARAGRAPH, _SENTENCE, _WORD)
# A piece with more characters for each token that fits is cut before it is counted: tokenizers make one unknown token
# of a whole line of base64, and counting a book at once is slow.
_CHARACTERS_PER_TOKEN: Final = 16


def passages(text: str, spec: TextSpec) -> Iterator[tuple[int, int]]:
    """Spans [start, end) of passages of at most `spec.max_tokens` tokens, in order, without white space at their ends.

    Paragraphs are packed together while they fit. One that does not fit is cut between sentences, a sentence between
    words, and a word that is too long for any passage between characters. Nothing but white space is left out. Lazy:
    a passage costs what is counted for it. That a joined text has no more tokens than its parts is assumed, and holds
    where tokenizers split at white space.
    """
    extra = spec.count_tokens("")  # the special tokens, which a passage has once, not once for each of its parts
    room = max(1, spec.max_tokens - extra)
    begin, used = 0, 0
    last = 0
    for start, end, tokens in _pieces(text, 0, len(text), 0, spec, room, extra):
        if used and used + tokens > room:
            yield from _trimmed(text, begin, last)
            used = 0
        if not used:
            begin = start
        used += tokens
        last = end
    if used:
        yield from _trimmed(text, begin, last)


def _pieces(
    text: str, start: int, end: int, level: int, spec: TextSpec, room: int, extra: int
) -> Iterator[tuple[int, int, int]]:
    """Spans that each fit, and their tokens; cut no finer than they must be."""
    if end - start <= _CHARACTERS_PER_TOKEN * room:
        if text[start:end].isspace() or start == end:
            return
        tokens = max(1, spec.count_tokens(text[start:end]) - extra)
        if tokens <= room or end - start == 1:
            yield start, end, tokens
            return
    if level == len(_BORDERS):
        middle = (start + end) // 2
        spans = [(start, middle), (middle, end)]
        for left, right in spans:
            yield from _pieces(text, left, right, level, spec, room, extra)
        return
    for match in _BORDERS[level].finditer(text, start, end):
        yield from _pieces(text, start, match.end(), level + 1, spec, room, extra)
        start = match.end()
    yield from _pieces(text, start, end, level + 1, spec, room, extra)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span without white space at its ends; nothing if nothing is left."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end
