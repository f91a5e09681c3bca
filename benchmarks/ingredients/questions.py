"""Questions that confidence is judged by: gibberish, plausible things that are not in the index, and things that are.

Those in text come in two parts, of which no question is in both: cuts and weights were chosen with the one, and the
other is held out.
"""

from __future__ import annotations

import random
import re
import string
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from mmsearch.search.lexical.language import STOP

if TYPE_CHECKING:
    import numpy as np

# A picture and its captions: an entry of `captions.json`.
Photo: TypeAlias = Mapping[str, Any]

CONSONANTS = [*"bcdfgjklmnprstvwz", "br", "cr", "st", "pl"]
VOWELS, ENDS = "aeiou", ("", "n", "r", "x", "lk")
BETWEEN = ("one", "two", "three", "four", "near", "next", "another", "while")  # words that show nothing
SOME, MOST = 3, 400  # pictures that show what is asked shortly, and how many such questions


class Asked(NamedTuple):
    """Questions of one kind about photos: some with the numbers of the photos that answer them, others without any."""

    there: list[tuple[str, set[int]]]
    absent: list[str]


@dataclass(frozen=True, slots=True)
class Part:
    """Questions for one purpose.

    Attributes:
        name: of the purpose.
        seeds: of its gibberish, 200 for each.
        captions: which of the captions of each picture ask.
        half: which half of the short questions it has, 0 or 1.
        files: how the names of its lists of absent things end.
        wordings: in which sounds are asked for by their names.
    """

    name: str
    seeds: tuple[int, ...]
    captions: tuple[int, ...]
    half: int
    files: str
    wordings: tuple[str, ...]

    def gibberish(self) -> list[str]:
        """What nobody would ask."""
        return [text for seed in self.seeds for text in gibberish(seed)]

    def absent(self, what: str) -> list[str]:
        """Plausible `things` or `sounds` that are not there."""
        return (Path(__file__).parent / f"absent_{what}{self.files}.txt").read_text("utf-8").splitlines()

    def named(self, labels: Sequence[str]) -> list[tuple[str, str]]:
        """Each wording of each label, with the label."""
        return [(wording.format(label), label) for label in labels for wording in self.wordings]

    def about(self, photos: Sequence[Photo]) -> dict[str, Asked]:
        """Questions about photos, by kind; what is absent is shortened as what is there."""
        known = {word for photo in photos for caption in photo["captions"] for word in words(caption)}
        things = self.absent("things")
        strange = [[word for word in telling(thing) if word not in known] for thing in things]
        assert all(strange), "a thing of which all words are in captions may be there"
        captions = [(photo["captions"][n], {number}) for number, photo in enumerate(photos) for n in self.captions]
        return {
            "captions": Asked(captions, things),
            "two words": Asked(shortly(photos, 2, self.half), [" ".join(telling(thing)[:2]) for thing in things]),
            "one word": Asked(shortly(photos, 1, self.half), [first for first, *_ in strange]),
        }


CHOSEN = Part(
    "chosen", seeds=(1, 2), captions=(1, 2, 3), half=0, files="",
    wordings=(
        "{}", "the sound of {}", "a recording of {}", "i hear {} in the distance", "loud {}",
        "{} noise", "a clip of {}", "what {} sounds like", "{} nearby", "listen to the {}",
    ),
)  # fmt: skip
HELD_OUT = Part(
    "held out", seeds=(3,), captions=(4,), half=1, files="_held_out",
    wordings=("the noise of {}", "{} sound", "someone recorded {}", "hearing {}", "a short sample of {}"),
)  # fmt: skip


def gibberish(seed: int, count: int = 200) -> list[str]:
    """Random letters, and syllables that could be words, one to five of them."""
    draw = random.Random(seed)

    def letters() -> str:
        return "".join(draw.choice(string.ascii_lowercase) for _ in range(draw.randint(2, 10)))

    def syllables() -> str:
        return "".join(
            draw.choice(CONSONANTS) + draw.choice(VOWELS) + draw.choice(ENDS) for _ in range(draw.randint(1, 3))
        )

    return [" ".join((letters if n % 2 else syllables)() for _ in range(draw.randint(1, 5))) for n in range(count)]


def words(text: str) -> list[str]:
    return re.findall("[a-z]+", text.lower())


def telling(text: str) -> list[str]:
    """The words of a text that show something."""
    return [word for word in words(text) if word not in STOP and word not in BETWEEN]


def shortly(photos: Sequence[Photo], width: int, half: int) -> list[tuple[str, set[int]]]:
    """Words that stand beside each other in captions of at least three pictures, and in which pictures."""
    found = defaultdict(set)
    for number, photo in enumerate(photos):
        for caption in photo["captions"]:
            every = words(caption)
            for start in range(len(every) - width + 1):
                some = every[start : start + width]
                said = " ".join(some)
                if len(telling(said)) == width and min(map(len, some)) > 2:
                    found[said].add(number)
    common = sorted(said for said, where in found.items() if len(where) >= SOME)
    random.Random(0).shuffle(common)
    return [(said, found[said]) for said in common[half::2][:MOST]]


def noises(count: int) -> list[tuple[np.ndarray, int]]:
    """Sounds that are none of the world: chords of pure tones, and clicks at random times."""
    import numpy as np

    draw, rate, made = np.random.default_rng(2), 16_000, []
    seconds = np.arange(5 * rate) / rate
    for number in range(count):
        if number % 2:
            sound = sum(np.sin(2 * np.pi * f * seconds) for f in draw.uniform(200, 6000, 3)) / 3
        else:
            sound = np.zeros(len(seconds))
            sound[draw.integers(0, len(sound), 40)] = 1
        made.append((sound.astype(np.float32), rate))
    return made


def patterns(count: int) -> list[np.ndarray]:
    """Pictures of nothing `(256, 256, 3)`: noise of pixels, plain colours, and slopes."""
    import numpy as np

    draw, made = np.random.default_rng(3), []
    for number in range(count):
        size = (256, 256, 3)
        base = draw.integers(0, 256, size) if number % 3 == 0 else np.full(size, draw.integers(0, 256, 3))
        slope = np.linspace(0, 1, 256)[:, None, None] if number % 3 == 2 else 1
        made.append((base * slope).astype(np.uint8))
    return made
