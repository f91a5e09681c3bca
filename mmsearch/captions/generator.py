"""Expands the grammar with seeded draws."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from random import Random

from mmsearch.captions.inflection import participle, plural, third_person, with_article
from mmsearch.captions.words import Words, installed
from mmsearch.errors import MissingExtra

GRAMMAR = Path(__file__).with_name("grammar.txt")
RECIPE = 1  # raised whenever the same grammar, words and seed would give other captions
KINDS = ("picture", "sound")
MOST_TRIES = 1000

Lists = dict[str, tuple[str, ...]]

_SLOT = re.compile(r"\{([^{}]+)\}")
_VERB = re.compile(r"(\w+)([@+])")


def bank(count: int = 20_000, seed: int = 0, words: Words | None = None) -> tuple[str, ...]:
    """Distinct captions, of pictures and of sounds in turns.

    The same for the same `version()`, seed and count on every platform; a smaller bank is the beginning of a larger
    one. Only `Random.random` is drawn from, whose sequence Python promises to keep for a seed.

    Args:
        count: how many.
        seed: another one gives others.
        words: names to make them of; those that installed packages carry unless told otherwise.

    Raises:
        MissingExtra: a package whose names are needed is not installed.
        ValueError: the grammar has not so many to give, with these words.
    """
    return _bank(_lists(words or installed()), count, seed)


def own_bank(count: int, seed: int = 0) -> tuple[str, ...]:
    """As `bank`, of our own lists alone: the same captions whatever is installed, fewer and plainer."""
    return _bank(_own_lists(), count, seed)


def own_version() -> str:
    """Changes whenever `own_bank` would give other captions for the same count and seed. 8 hexadecimal digits."""
    return _version(_own_lists())


def _bank(lists: Lists, count: int, seed: int) -> tuple[str, ...]:
    draw = Random(seed)
    captions: dict[str, None] = {}
    for number in range(count):
        for _ in range(MOST_TRIES):
            caption = _expand(KINDS[number % len(KINDS)], lists, draw)
            if caption not in captions:
                captions[caption] = None
                break
        else:
            raise ValueError(f"only {number} distinct captions were found of {count}")
    return tuple(captions)


def version(words: Words | None = None) -> str:
    """Changes whenever `bank` would give other captions for the same count and seed. 8 hexadecimal digits.

    Raises:
        MissingExtra: a package whose names are needed is not installed.
    """
    return _version(_lists(words or installed()))


def _version(lists: Lists) -> str:
    made_of = repr((RECIPE, sorted(lists.items())))
    return hashlib.sha256(made_of.encode()).hexdigest()[:8]


def _lists(words: Words) -> Lists:
    return {**grammar(), **words.lists()}


@cache
def _own_lists() -> Lists:
    """The grammar without the lines that need names of packages, and those that need a list of which none is left."""
    lists = grammar()
    while True:
        kept = {
            name: tuple(line for line in lines if all(_is_filled(slot, lists) for slot in _SLOT.findall(line)))
            for name, lines in lists.items()
        }
        kept = {name: lines for name, lines in kept.items() if lines}
        if kept == lists:
            return kept
        lists = kept


@cache
def grammar() -> Lists:
    """Our own lists, by name."""
    lists: dict[str, list[str]] = {}
    name = ""
    for line in GRAMMAR.read_text("utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            lists[name] = []
        elif line and not line.startswith("#"):
            lists[name].append(line)
    return {name: tuple(lines) for name, lines in lists.items()}


def bank_if_installed(count: int, seed: int = 0) -> tuple[str, ...]:
    """A bank; an empty one where a package whose names it takes is not installed."""
    try:
        return bank(count, seed)
    except MissingExtra:
        return ()


def _expand(name: str, lists: Lists, draw: Random) -> str:
    """One of the list `name`, all its slots filled."""
    options = lists[name]
    chosen = options[int(draw.random() * len(options))]
    return _SLOT.sub(lambda slot: _fill(slot[1], lists, draw), chosen)


def _fill(slot: str, lists: Lists, draw: Random) -> str:
    if slot in lists:
        return _expand(slot, lists, draw)
    how, _, name = slot.partition(" ")
    return _INFLECT[how](_expand(name, lists, draw))


def _finite(clause: str) -> str:
    return _VERB.sub(lambda verb: third_person(verb[1]) if verb[2] == "@" else verb[1], clause)


def _continuous(clause: str) -> str:
    return _VERB.sub(lambda verb: participle(verb[1]), clause)


def _is_filled(slot: str, lists: Lists) -> bool:
    return slot in lists or slot.partition(" ")[2] in lists


_INFLECT = {"a": with_article, "s": plural, "does": _finite, "doing": _continuous}
