"""Build `prototypes.npz`: where each class of the image and the audio network lies in the space of texts.

    python -m mmsearch.encoders.lite.build_prototypes /usr/share/wordnet/data.noun

Needs WordNet 3.0 (Princeton University; Debian package `wordnet-base`): the classes of ImageNet are WordNet synsets,
and an id such as n02123045 is an offset into its noun file. What a class is a kind of (cat, animal) is the decisive
part of a prototype: with it "a bird" finds birds of kinds whose names and descriptions never say so.
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.encoders.base import Batch
from mmsearch.encoders.lite import parts, pins
from mmsearch.encoders.lite.prototypes import unit
from mmsearch.encoders.lite.text import TextEncoder
from mmsearch.packages import fetch
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

TARGET = Path(__file__).with_name("prototypes.npz")
# Classes of AudioSet that say little about a sound, for they are true of so many.
GENERIC = """
Animal; Music; Speech; Silence; Inside, small room; Inside, large room or hall; Inside, public space;
Outside, urban or manmade; Outside, rural or natural; Vehicle; Domestic animals, pets;
Livestock, farm animals, working animals; Wild animals; Noise; Sound effect; Environmental noise; Musical instrument;
Static; White noise; Field recording; Echo; Reverberation
"""


@dataclass(frozen=True, slots=True)
class Synset:
    """A sense of a noun: its words, the offsets of the senses that it is a kind of, and its gloss."""

    words: tuple[str, ...]
    hypernyms: tuple[str, ...]
    gloss: str


def read_wordnet(path: Path) -> dict[str, Synset]:
    """Synsets by offset, from WordNet's `data.noun` (format: `wndb(5WN)`)."""
    synsets = {}
    for line in path.read_text("latin-1").splitlines():
        if line.startswith(" "):  # the licence
            continue
        fields, _, gloss = line.partition("|")
        offset, _, _, words, *rest = fields.split()
        count = int(words, 16)
        pointers = rest[2 * count + 1 :]
        synsets[offset] = Synset(
            tuple(word.replace("_", " ") for word in rest[: 2 * count : 2]),
            tuple(there for kind, there in zip(pointers[::4], pointers[1::4], strict=False) if kind in ("@", "@i")),
            gloss.strip(),
        )
    return synsets


def ancestors(synsets: dict[str, Synset], offset: str) -> list[str]:
    """Everything that `offset` is a kind of, each once, nearest first."""
    found: dict[str, None] = {}
    level = [offset]
    while level:
        level = [above for one in level for above in synsets[one].hypernyms if above not in found]
        found.update(dict.fromkeys(level))
    return list(found)


def image_prototypes(synsets: dict[str, Synset], texts: TextEncoder) -> FloatArray:
    """`(1000, 384)`: unit(label + 2 x mean(hypernyms) + description + gloss), each the vector of a text."""
    folder = fetch(pins.CLASSES)
    names = json.loads((folder / "names.json").read_text())
    labels = json.loads((folder / "labels.json").read_text())
    described = json.loads((folder / "descriptions.json").read_text())
    offsets = [offset[1:] for _, offset in sorted(json.loads((folder / "synsets.json").read_text()).items(), key=_row)]
    glosses = [synsets[offset].gloss for offset in offsets]
    descriptions = [described.get(str(i), {}).get("description") or gloss for i, gloss in enumerate(glosses)]
    chains = [ancestors(synsets, offset) for offset in offsets]
    kinds = list(dict.fromkeys(one for chain in chains for one in chain))
    vectors = dict(zip(kinds, encode(texts, [synsets[one].words[0] for one in kinds]), strict=True))
    return unit(
        encode(texts, [labels[str(i)] for i in range(len(names))])
        + 2 * np.array([np.mean([vectors[one] for one in chain], axis=0) for chain in chains])
        + encode(texts, [f"{name}. {text}" for name, text in zip(names, descriptions, strict=True)])
        + encode(texts, [f"{name}. {text}" for name, text in zip(names, glosses, strict=True)])
    )


def _row(entry: tuple[str, str]) -> int:
    return int(entry[0])


def audio_prototypes(names: list[str], texts: TextEncoder) -> FloatArray:
    """`(521, 384)`: unit(name + "the sound of name")."""
    return unit(encode(texts, names) + encode(texts, [f"the sound of {name.lower()}" for name in names]))


def encode(texts: TextEncoder, sentences: list[str]) -> FloatArray:
    """Unit vectors `(n, 384)` of sentences."""
    return texts.encode(Batch(Modality.TEXT, sentences), Role.DOCUMENT)


def main(wordnet: Path) -> None:
    """Write `prototypes.npz` beside this file."""
    parts.TEXT.install()
    texts = TextEncoder(parts.TEXT)
    with (fetch(pins.YAMNET) / "classes.csv").open(newline="") as lines:
        names = [row["display_name"] for row in csv.DictReader(lines)]
    generic = {name.strip() for name in GENERIC.split(";")}
    if missing := generic - set(names):
        raise SystemExit(f"no such classes: {missing}")
    np.savez(
        TARGET,
        image=image_prototypes(read_wordnet(wordnet), texts).astype(np.float16),
        audio=audio_prototypes(names, texts).astype(np.float16),
        generic=np.array([name in generic for name in names]),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
