"""English endings, as far as the captions need them: spelling rules and the words that break them."""

from __future__ import annotations

import re

PLURALS = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "mouse": "mice",
    "goose": "geese",
    "sheep": "sheep",
    "deer": "deer",
    "fish": "fish",
    "ox": "oxen",
    "wolf": "wolves",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "shelf": "shelves",
    "scarf": "scarves",
    "calf": "calves",
    "tomato": "tomatoes",
    "potato": "potatoes",
    "mango": "mangoes",
    "aircraft": "aircraft",
    "bison": "bison",
}
SOUNDS_LIKE_YOU = re.compile(r"(uni[^nm]|unit|use|user|usu|uku|eu|ewe|one)", re.IGNORECASE)
ONE_SHORT_VOWEL = re.compile(r"[^aeiou]*[aeiou][^aeiouwxy]")


def with_article(phrase: str) -> str:
    """`phrase` after "a" or "an"."""
    silent = phrase.lower().startswith(("hour", "honest", "heir"))
    vowel = phrase[:1].lower() in "aeiou" and not SOUNDS_LIKE_YOU.match(phrase)
    return f"{'an' if vowel or silent else 'a'} {phrase}"


def plural(phrase: str) -> str:
    """The plural of a noun phrase; what follows "of" stays as it is."""
    head, of, rest = phrase.partition(" of ")
    before, space, noun = head.rpartition(" ")
    return f"{before}{space}{_plural(noun)}{of}{rest}"


def third_person(verb: str) -> str:
    """The form of a verb that goes with one subject: "buzzes"."""
    return _with_s(verb)


def participle(verb: str) -> str:
    """The form that ends in -ing: "humming"."""
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return f"{verb[:-1]}ing"
    if ONE_SHORT_VOWEL.fullmatch(verb):
        return f"{verb}{verb[-1]}ing"
    return f"{verb}ing"


def _plural(noun: str) -> str:
    if noun in PLURALS:
        return PLURALS[noun]
    for ending in ("man", "woman", "fish", "mouse"):  # fireman, goldfish
        if noun.endswith(ending):
            return noun[: -len(ending)] + PLURALS[ending]
    return _with_s(noun)


def _with_s(word: str) -> str:
    if re.search(r"(s|sh|ch|x|z)$", word) or word == "go":
        return f"{word}es"
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}s"
