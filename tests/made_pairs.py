"""Pictures that are described in words which no model knows, and numbers in which pairs have something in common."""

import numpy as np

from mmsearch import Record
from mmsearch.encoders.fake import COLOURS
from mmsearch.fitting.paired import Paired, Side

GERMAN = ("schwarz", "weiss", "grau", "rot", "gruen", "blau", "gelb", "orangefarben", "lila", "braun")
WORDS = dict(zip(COLOURS, GERMAN, strict=True))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def painting(random, most=3):
    """A picture of up to three colours in stripes, and their names."""
    names = random.choice(list(COLOURS), random.integers(1, most + 1), replace=False).tolist()
    pixels = np.zeros((32, 32, 3), np.uint8)
    for part, name in zip(np.array_split(np.arange(32), len(names)), names, strict=True):
        pixels[:, part] = COLOURS[name]
    return pixels, names


def caption(random, names):
    said = [WORDS[name] for name in names]
    random.shuffle(said)
    return " und ".join(said) + f" bild{random.integers(1000)}"


def paintings(count, seed=0, first=0, metadata=True):
    """Records of pictures `p0`, `p1`, ... with a caption each in their metadata."""
    random = np.random.default_rng(seed)
    for number in range(first, first + count):
        pixels, names = painting(random)
        said = caption(random, names)
        yield Record(id=f"p{number}", image=pixels, metadata={"caption": said} if metadata else {})


def planted(media=120, texts=2, factors=6, dims=(20, 30), noise=0.3, known=0.1, seed=0):
    """Pairs whose features share hidden factors; the vectors without a fit know little of them, or nothing."""
    random = np.random.default_rng(seed)
    hidden = random.standard_normal((media, factors))
    owner = np.repeat(np.arange(media), texts)
    maps = [random.standard_normal((factors, dim)) for dim in dims]

    def side(rows, matrix):
        features = rows @ matrix + noise * random.standard_normal((len(rows), matrix.shape[1]))
        vectors = known * rows @ axes + random.standard_normal((len(rows), 8))
        return Side(features.astype(np.float32), unit(vectors))

    axes = random.standard_normal((factors, 8))
    return Paired(side(hidden, maps[0]), side(hidden[owner], maps[1]), np.stack([np.arange(len(owner)), owner], axis=1))
