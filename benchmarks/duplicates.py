"""Near duplicates, and long media: what `collapse` folds, and what `maxsim` gains.

::

    python benchmarks/duplicates.py [--model lite] [--pictures 200]

Pictures and captions are those of Flickr8k's dev split, sounds those of ESC-10, folds 1 and 2, see `ingredients.media`.

Copies of pictures and of sounds are made in the ways that copies come about, and compared with what they are copies
of, by what `collapse` compares; beside it, how many of all items have another one, no copy, that is as near. Of sounds,
what was cut from one recording is not counted.

Long recordings are three of ten classes, 10 seconds of each; those that are searched are made of clips of fold 1, those
that ask of fold 2, and the one of the same classes is the answer. Long texts are three of ten sets of pictures, told
by some captions, and asked by others of the same pictures.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import tempfile
from pathlib import Path

from ingredients.media import CAPTIONED, ESC10
from reference import RESULTS, limit_threads, machine

LEVELS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98)
CHAINS = ("none", "maxsim", "maxsim:2")
OF = 3


def main(model: str, pictures: int) -> None:
    import mmsearch

    limit_threads(2)
    with tempfile.TemporaryDirectory() as place:
        with mmsearch.open(Path(place) / "media", model=model) as index:
            folds = fold_table(index, pictures)
        gains = [row for name, made in (("sound", recordings), ("text", documents)) for row in gain(model, name, made)]
    head = "| " + " | ".join(["", "n", *(f"≥ {level:g}" for level in LEVELS)]) + " |"
    rule = "|---" * (len(LEVELS) + 2) + "|"
    text = "\n\n".join(
        [
            "# Near duplicates and long media",
            f"Share in percent with that cosine of stored features, {model}. `collapse` folds pictures from 0.8 on, "
            "everything else from 0.97 on.",
            "\n".join([head, rule, *folds]),
            "Long media that ask for long media: 120 of each, percent (95 % bootstrap interval).",
            "\n".join(["| data | chain | hit@1 | hit@5 | MRR |", "|---" * 5 + "|", *gains]),
            machine(["onnxruntime", "numpy"]),
        ]
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "duplicates.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def fold_table(index, pictures: int) -> list[str]:
    import numpy as np
    import soundfile

    files = sorted((CAPTIONED / "images").iterdir())
    own = features(index, "image", files)
    rows = [_row("different pictures, the nearest", _nearest(own @ own.T, np.arange(len(own))))]
    some = np.linspace(0, len(files) - 1, min(pictures, len(files))).astype(int)
    for name, copied in picture_copies().items():
        copies = features(index, "image", [copied(files[place]) for place in some])
        rows.append(_row(f"picture, {name}", (copies * own[some]).sum(axis=1)))
    sounds = sorted((ESC10 / "audio").iterdir())
    own = features(index, "audio", sounds)
    recording = np.unique([path.name.split("-")[1] for path in sounds], return_inverse=True)[1]
    rows.append(_row("different sounds, the nearest", _nearest(own @ own.T, recording)))
    for name, copied in sound_copies().items():
        made = [copied(*soundfile.read(path, dtype="float32")) for path in sounds]
        rows.append(_row(f"sound, {name}", (features(index, "audio", made) * own).sum(axis=1)))
    return rows


def features(index, modality: str, sources) -> object:
    """Unit rows `(n, f)`: stored features, of the first segment of each."""
    import numpy as np

    from mmsearch.encoders.base import Batch
    from mmsearch.media.decode import decode
    from mmsearch.types import Modality, Role

    kind, model = Modality(modality), index.model
    (encoder,) = (one for one in model.encoders if kind in one.dims)
    rows = []
    for start in range(0, len(sources), 16):
        contents = [next(decode(source, kind, model.inputs).segments).content for source in sources[start : start + 16]]
        rows.append(encoder.encode(Batch(kind, contents), Role.DOCUMENT).astype(np.float16).astype(np.float32))
    matrix = np.concatenate(rows)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def picture_copies() -> dict:
    from PIL import Image, ImageEnhance

    def saved(image, quality=90):
        file = io.BytesIO()
        image.convert("RGB").save(file, "JPEG", quality=quality)
        return file.getvalue()

    def cut(image, share):
        width, height = image.size
        box = (int(width * share), int(height * share), int(width * (1 - share)), int(height * (1 - share)))
        return saved(image.crop(box))

    ways = {
        "JPEG of quality 40": lambda image: saved(image, 40),
        "half as large": lambda image: saved(image.resize((image.width // 2, image.height // 2))),
        "5 % cut off on each side": lambda image: cut(image, 0.05),
        "10 % cut off on each side": lambda image: cut(image, 0.1),
        "20 % brighter": lambda image: saved(ImageEnhance.Brightness(image).enhance(1.2)),
        "mirrored": lambda image: saved(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    }
    return {name: lambda path, way=way: way(Image.open(path).convert("RGB")) for name, way in ways.items()}


def sound_copies() -> dict:
    import soundfile
    import soxr

    def saved(samples, rate):
        file = io.BytesIO()
        soundfile.write(file, samples, rate, format="OGG", subtype="VORBIS")
        return file.getvalue()

    return {
        "encoded again": saved,
        "half as loud": lambda samples, rate: saved(samples / 2, rate),
        "at 16 kHz": lambda samples, rate: saved(soxr.resample(samples, rate, 16_000), 16_000),
        "a quarter of a second cut off": lambda samples, rate: saved(samples[rate // 4 :], rate),
    }


def _nearest(likeness, kind):
    likeness[kind[:, None] == kind[None]] = -1
    return likeness.max(axis=1)


def _row(name: str, cosines) -> str:
    shares = [f"{100 * (cosines >= level).mean():.1f}" for level in LEVELS]
    print(name, shares, flush=True)
    return f"| {name} | {len(cosines)} | {' | '.join(shares)} |"


def recordings(part: int) -> dict:
    """120 sounds, as `(samples, rate)`, by the classes that are heard in them."""
    import numpy as np
    import soundfile

    folder = ESC10
    clips: dict[str, list] = {}
    for item in json.loads((folder / "items.json").read_text("utf-8")):
        if item["fold"] == part + 1:
            samples, rate = soundfile.read(folder / item["audio"], dtype="float32")
            clips.setdefault(item["label"], []).append(samples if samples.ndim == 1 else samples.mean(axis=1))
    draw = np.random.default_rng(part)
    made = {}
    for names in itertools.combinations(sorted(clips), OF):
        heard = [clips[name][n] for name in draw.permutation(names) for n in draw.choice(len(clips[name]), 2, False)]
        made[names] = np.concatenate(heard), rate
    return made


def documents(part: int) -> dict:
    """120 texts, by the sets of pictures that they tell of."""
    import numpy as np

    rows = json.loads((CAPTIONED / "captions.json").read_text("utf-8"))
    draw = np.random.default_rng(part)
    sets = np.array_split(np.random.default_rng(9).permutation(len(rows))[:150], 10)
    paragraphs = {
        str(n): " ".join(rows[row]["captions"][2 * part + draw.integers(2)] for row in draw.permutation(some))
        for n, some in enumerate(sets)
    }
    return {
        names: "\n\n".join(paragraphs[name] for name in draw.permutation(names))
        for names in itertools.combinations(sorted(paragraphs), OF)
    }


def gain(model: str, kind: str, made) -> list[str]:
    import numpy as np

    import mmsearch
    from mmsearch import Query, Record

    items, questions = made(0), made(1)
    field = "audio" if kind == "sound" else "text"
    rows = []
    with tempfile.TemporaryDirectory() as place, mmsearch.open(Path(place) / "long", model=model) as index:
        index.add_items([Record(id="/".join(names), **{field: content}) for names, content in items.items()])
        asking = [Query.record(mmsearch.Modality(field), content) for content in questions.values()]
        embedded = index.searcher.embedded(asking, (mmsearch.Modality(field),))
        for chain in CHAINS:
            found = index.searcher.keys(index.searcher.rank(embedded, field, len(items), chain))
            ranks = np.array([one.index("/".join(names)) + 1 for one, names in zip(found, questions, strict=True)])
            cells = [_estimate(values) for values in (ranks == 1, ranks <= 5, 1 / ranks)]
            rows.append(f"| {kind} | {chain} | {' | '.join(cells)} |")
            print(rows[-1], flush=True)
    return rows


def _estimate(values) -> str:
    import numpy as np

    draws = np.random.default_rng(0).integers(0, len(values), (2_000, len(values)))
    low, high = np.percentile(np.asarray(values, float)[draws].mean(axis=1), [2.5, 97.5])
    return f"{100 * np.mean(values):.1f} ({100 * low:.1f}–{100 * high:.1f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lite")
    parser.add_argument("--pictures", type=int, default=200, help="of which copies are made")
    given = parser.parse_args()
    main(given.model, given.pictures)
