"""Pictures and sounds that answer each other, among pictures that are near to every sound."""

import numpy as np

from mmsearch.encoders.fake import DIM
from mmsearch.evaluation.datasets import Dataset, Judgements
from mmsearch.types import Modality, Record

PAIRS, HUBS = 120, 12


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def rows(lean=1.5, seed=0):
    """Vectors of pictures, pairs first and hubs last, and of sounds, which lean to the hubs."""
    random = np.random.default_rng(seed)
    hub = unit(np.ones((1, DIM)))
    sounds = unit(random.standard_normal((PAIRS, DIM)) + lean * hub * DIM**0.5)
    pictures = unit(sounds - lean / 2 * hub + 0.1 * random.standard_normal((PAIRS, DIM)))
    hubs = unit(hub + 0.03 * random.standard_normal((HUBS, DIM)))
    return np.concatenate([pictures, hubs]), sounds


def fill(index, lean=1.5):
    pictures, sounds = rows(lean)
    index.add_vectors(pictures, modality="image", ids=[f"p{n}" for n in range(len(pictures))])
    index.add_vectors(sounds, modality="audio", ids=[f"s{n}" for n in range(len(sounds))])


def asked(index, n=PAIRS):
    """The first sounds, `s0` and so on, as questions: by what is stored of them."""
    numbers = {item.id: item.number for item in index.items()}
    return index.searcher.stored([numbers[f"s{one}"] for one in range(n)], Modality.AUDIO)


def dataset(pairs=PAIRS):
    """Sounds ask for their pictures."""
    records = tuple(Record(id=f"{kind}{n}") for n in range(pairs) for kind in "ps")
    answers = {f"s{n}": frozenset([f"p{n}"]) for n in range(pairs)}
    return Dataset("hubs", records, (Judgements(Modality.AUDIO, Modality.IMAGE, answers),))
