import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmsearch import captions
from mmsearch.captions import generator
from mmsearch.captions.words import Words

WORDS = Words(
    animal=("tabby", "ostrich"),
    object=("abacus", "tow truck"),
    food=("bagel", "pretzel"),
    thing=("umbrella", "boat"),
    action=("ice skating", "making tea"),
    colour=("teal", "dark red"),
    defined=("anvil: a block of iron on which metal is hammered",),
)
EXPECTED = (
    "fe6afc9c",
    (
        "nine people and six foxes in the backyard",
        "someone hammering a nail with insects buzzing in the background",
        "the head of an ostrich",
        "an echo on a farm",
        "anvil: a block of iron on which metal is hammered",
        "students are talking and laughing",
    ),
)


def test_captions_are_distinct_and_as_many_as_asked_for():
    made = captions.bank(3000, words=WORDS)
    assert len(made) == len(set(made)) == 3000


def test_a_smaller_bank_is_the_beginning_of_a_larger_one():
    assert captions.bank(500, words=WORDS) == captions.bank(2000, words=WORDS)[:500]


def test_another_seed_gives_others():
    one, other = set(captions.bank(1000, 0, WORDS)), set(captions.bank(1000, 1, WORDS))
    assert len(one & other) < 300


def test_the_same_captions_everywhere():
    """As they were when this was written, so on every Python and platform; RECIPE says when that may change."""
    made = captions.bank(6, words=WORDS)
    assert (captions.version(WORDS), made) == EXPECTED
    code = "from test_generator import WORDS\nfrom mmsearch import captions\nprint(repr(captions.bank(6, words=WORDS)))"
    for seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
        }
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == repr(made)


def test_pictures_and_sounds_take_turns():
    made = captions.bank(4000, words=WORDS)
    noise = re.compile(r"\b(sound|bark|ring|hum|play|talk|voice|music|buzz|roar|noise|song|drum|recording)")
    heard = [sum(bool(noise.search(caption)) for caption in made[first::2]) for first in (0, 1)]
    assert heard[1] > 3 * heard[0]


def test_captions_vary():
    made = captions.bank(5000)
    lengths = [len(caption.split()) for caption in made]
    assert min(lengths) <= 2 and max(lengths) >= 20
    words = {word for caption in made for word in caption.split()}
    assert len(words) > 3000
    starts = [" ".join(caption.split()[:2]) for caption in made]
    assert max(starts.count(start) for start in set(starts)) < 150


def test_captions_are_plain_english():
    wrong = re.compile(r"[{}@+!_\n]|  |\ba (?!eu|Eu|one)[aeio]|\ban [^aeiouAEIOUh]|\b(a|an|the) (a|an|the)\b")
    for caption in captions.bank(20_000):
        assert caption == caption.strip()
        if ": " not in caption:  # definitions are the dictionary's
            assert not wrong.search(caption), caption


def test_every_list_is_reached_and_every_slot_is_filled():
    lists = {**generator.grammar(), **WORDS.lists()}
    named = set(generator.KINDS)
    for lines in lists.values():
        for line in lines:
            for slot in generator._SLOT.findall(line):
                named.add(slot if slot in lists else slot.partition(" ")[2])
    assert named == set(lists)


def test_sounds_have_verbs_that_can_be_inflected():
    for name, lines in generator.grammar().items():
        if name.endswith(" noise"):
            for line in lines:
                assert len(generator._VERB.findall(line)) == 1, line


def test_the_version_follows_words_and_grammar(monkeypatch):
    before = captions.version(WORDS)
    other = Words(**{field: getattr(WORDS, field) for field in WORDS.__slots__ if field != "thing"}, thing=("sloop",))
    assert captions.version(other) != before
    changed = {**generator.grammar(), "pet": ("dog",)}
    monkeypatch.setattr(generator, "grammar", lambda: changed)
    assert captions.version(WORDS) != before


def test_more_than_there_are(monkeypatch):
    monkeypatch.setattr(generator, "grammar", lambda: {"picture": ("a dog", "a cat"), "sound": ("a bark",)})
    assert captions.bank(3, words=WORDS)[1] == "a bark"
    with pytest.raises(ValueError, match="only 3 distinct"):
        captions.bank(4, words=WORDS)


def test_our_own_captions_need_no_package(monkeypatch):
    monkeypatch.setattr(generator, "installed", None)
    own = generator.own_bank(500)
    assert len(set(own)) == 500
    assert not any(sign in caption for caption in own for sign in "{}!@+")
    assert own[:100] == generator.own_bank(100)
    assert own != generator.own_bank(500, seed=1)
    assert len(generator.own_version()) == 8
