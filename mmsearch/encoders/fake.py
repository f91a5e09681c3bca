"""A model without weights whose three modalities really mean something together, for tests and for trying things out.

A picture is about the names of its colours, a sound is about the names of its pitch, a text about its words. So the
text "red" finds a red picture and "a high whistle" a sound of 3 kHz, and a text finds texts that share its words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import Batch, Model, TagWeights
from mmsearch.encoders.family import Card, no_argument
from mmsearch.packages import cache_folder
from mmsearch.types import AudioSpec, ImageSpec, InputSpec, Modality, Role, Space, TextSpec

if TYPE_CHECKING:
    from pathlib import Path

    from mmsearch.types import FloatArray

COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128), "red": (230, 20, 20),
    "green": (20, 180, 20), "blue": (20, 20, 230), "yellow": (240, 230, 20), "orange": (250, 140, 10),
    "purple": (130, 20, 160), "brown": (120, 70, 30),
}  # fmt: skip
PITCHES: dict[str, float] = {"silence": 0, "hum": 100, "low": 200, "middle": 700, "high": 2000, "whistle": 3500}  # Hz
NAMED = [*COLOURS, *PITCHES]
DIM = 64  # one axis for each name; the rest are shared by all other words
DIMS = {Modality.IMAGE: len(COLOURS), Modality.TEXT: DIM, Modality.AUDIO: len(PITCHES)}
RATE = 8000  # Hz


class FakeEncoder:
    """Features: how much of each colour, of each pitch, of each word."""

    name = "fake"
    version = "1"
    batch_size = 16
    dims = DIMS

    def encode(self, batch: Batch, role: Role) -> FloatArray:
        """Features `(n, dims[batch.modality])` float32."""
        make = {Modality.IMAGE: _colours, Modality.TEXT: _words, Modality.AUDIO: _pitches}[batch.modality]
        rows = [make(content) for content in batch.contents]
        return np.array(rows, np.float32).reshape(len(rows), DIMS[batch.modality])


class FakeHead:
    """Puts colours and pitches on the axes of their names."""

    space = Space("fake", "1", DIM, frozenset(DIMS))
    encoders = {modality: FakeEncoder.name for modality in DIMS}
    keeps_features = True

    def project(self, features: FloatArray, modality: Modality) -> FloatArray:
        """Unit vectors `(n, 64)` float32."""
        first = len(COLOURS) if modality is Modality.AUDIO else 0
        vectors = np.zeros((len(features), DIM), np.float32)
        vectors[:, first : first + DIMS[modality]] = features
        return _unit(vectors)


class FakeTagger:
    """Tags are the names of colours and of pitches."""

    def tags(self, features: FloatArray, modality: Modality, vocabulary: Modality) -> FloatArray:
        """Unit vectors `(n, classes)` float32; a text without such a name has all alike."""
        if modality is Modality.TEXT:
            first = len(COLOURS) if vocabulary is Modality.AUDIO else 0
            features = features[:, first : first + DIMS[vocabulary]] + np.float32(1e-3)
        return _unit(np.asarray(features, np.float32))

    def names(self, vocabulary: Modality) -> Sequence[str]:
        """Of colours, of pitches."""
        return list(PITCHES if vocabulary is Modality.AUDIO else COLOURS)

    def weights(self, query: Modality, target: Modality) -> TagWeights | None:
        """Between text and a medium."""
        if (query is Modality.TEXT) == (target is Modality.TEXT):
            return None
        return TagWeights(share=0.3, cosine_scale=0.3, tag_scale=0.3)

    def exemplars(self, space: Space, modality: Modality) -> FloatArray | None:
        """Of pictures of one colour, of sounds of one pitch."""
        if space != FakeHead.space:
            return None
        one_each = np.eye(0 if modality is Modality.TEXT else DIMS[modality], DIMS[modality], dtype=np.float32)
        return FakeHead().project(one_each, modality)


def fake() -> Model:
    """The model; making it costs nothing."""
    return Model(
        name="fake",
        inputs=InputSpec(ImageSpec(size=32, resize=32), AudioSpec(rate=RATE), TextSpec(64, count_tokens)),
        encoders=(FakeEncoder(),),
        heads=(FakeHead(),),
        tagger=FakeTagger(),
        scales={(FakeHead.space.name, medium): 10.0 for medium in DIMS},
    )


@dataclass(frozen=True, slots=True)
class FakeFamily:
    """A model without weights among the models, see `Family`: nothing has to be fetched."""

    name: str
    about: Card
    make: Callable[[], Model]

    def canonical(self, argument: str) -> str:
        """See `Family`."""
        return no_argument(self.name, argument)

    def card(self, argument: str) -> Card:
        """See `Family`."""
        self.canonical(argument)
        return self.about

    def installed(self, argument: str) -> bool:
        """See `Family`."""
        return bool(self.canonical(argument))

    def pull(self, argument: str, source: Path | None = None) -> Path:
        """See `Family`."""
        self.canonical(argument)
        return cache_folder()

    def verify(self, argument: str) -> None:
        """See `Family`."""

    def load(self, argument: str, device: str | None = None) -> Model:
        """See `Family`."""
        self.canonical(argument)
        return self.make()


FAKE = FakeFamily("fake", Card("no weights: colours, pitches and words, for tests", DIM, tuple(DIMS), 0, 0, 0.0), fake)


def count_tokens(text: str) -> int:
    """Words between white space."""
    return len(text.split())


def _colours(image: NDArray[Any] | str) -> NDArray[Any]:
    """The share of pixels that are nearest to each colour, `(10,)`."""
    pixels = np.asarray(image)[::2, ::2].reshape(-1, 1, 3).astype(np.float32)
    nearest = np.square(pixels - np.array(list(COLOURS.values()), np.float32)).sum(axis=2).argmin(axis=1)
    shares: NDArray[Any] = np.bincount(nearest, minlength=len(COLOURS)) / len(nearest)
    return shares


def _pitches(samples: NDArray[Any] | str) -> NDArray[Any]:
    """How near the strongest frequency is to each pitch, in octaves, `(6,)`."""
    sound = np.asarray(samples, np.float32)
    if not len(sound) or np.abs(sound).max() < 1e-4:
        return np.array([1.0] + [0.0] * (len(PITCHES) - 1))
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), max(len(sound), 512)))
    frequency = max(1, int(spectrum[1:].argmax()) + 1) * RATE / max(len(sound), 512)
    octaves = np.log2(frequency / np.array(list(PITCHES.values())[1:]))
    nearness: NDArray[Any] = np.concatenate([np.zeros(1), np.exp(-np.square(octaves))])
    return nearness


def _words(text: NDArray[Any] | str) -> NDArray[Any]:
    """Counts of the names, and of all other words at a hashed place with a hashed sign, `(64,)`."""
    counts = np.zeros(DIM)
    for word in re.findall(r"\w+", str(text).lower()):
        if word in NAMED:
            counts[NAMED.index(word)] += 1
        else:
            digest = hashlib.sha256(word.encode()).digest()
            place = len(NAMED) + int.from_bytes(digest[:4], "big") % (DIM - len(NAMED))
            counts[place] += 0.5 if digest[4] % 2 else -0.5
    if not counts.any():
        counts[-1] = 1.0  # no words, or words that cancel out: a vector must have a direction
    return counts / np.linalg.norm(counts)


def _unit(vectors: FloatArray) -> FloatArray:
    scaled: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled
