"""Zero-shot classification: accuracy and calibration on labelled sounds, photos and captions.

::

    python benchmarks/classification.py [ESC10_FOLDER CAPTIONED_FOLDER] [--models lite,lite2]

Sounds: a folder with `items.json`, entries of `audio` and `label`. Photos: a folder with `captions.json`, of which
`ingredients/scenes.py` takes those that plainly show one of eighteen things; their captions are the texts. All are
indexed, and classified by their stored vectors, as `mmsearch classify --index` does.

The likeliest scale is that under which the true labels are most probable. Those of `lite` in the package are these,
rounded. `ECE`, the expected calibration error (Guo et al., ICML 2017; ten bins of the same width), is told at the
scale of the package, and, held out, with the scale of each half of the items taken from the other half.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ingredients import scenes
from ingredients.measures import interval
from ingredients.media import CAPTIONED, ESC10
from reference import RESULTS, machine

from mmsearch.types import Modality

SCALES = np.geomspace(0.3, 300, 400)
BINS = 10


@dataclass(frozen=True)
class Set:
    """What is classified: an item by id and its class, and which items are no independent observations."""

    name: str
    modality: Modality
    records: Sequence[object]
    classes: Sequence[str]
    units: Sequence[int]


def sounds(folder: Path) -> Set:
    from mmsearch.types import Record

    rows = json.loads((folder / "items.json").read_text("utf-8"))
    records = [Record(id=str(n), audio=folder / row["audio"]) for n, row in enumerate(rows)]
    return Set("ESC-10, folds 1 and 2", Modality.AUDIO, records, [row["label"] for row in rows], range(len(rows)))


def photos(folder: Path) -> tuple[Set, Set]:
    from mmsearch.types import Record

    found = scenes.photos(folder)
    pictures = [Record(id=str(n), image=path) for n, (path, _, _) in enumerate(found)]
    texts = [(text, name, n) for n, (_, name, captions) in enumerate(found) for text in captions]
    said = [Record(id=str(n), text=text) for n, (text, _, _) in enumerate(texts)]
    return (
        Set("Flickr8k dev, plain", Modality.IMAGE, pictures, [name for _, name, _ in found], range(len(found))),
        Set("their captions", Modality.TEXT, said, [name for _, name, _ in texts], [n for _, _, n in texts]),
    )


HOWS = {
    Modality.IMAGE: {
        "as it is": (),
        'in "a photo of a {}"': ("a photo of a {}",),
        "by the name": ("{}",),
        "without tags": None,
    },
    Modality.AUDIO: {
        "as it is": (),
        'in "the sound of {}"': ("the sound of {}",),
        "by the name": ("{}",),
        "without tags": None,
    },
    Modality.TEXT: {"as it is": (), "by the name": ("{}",)},
}
PLAIN = "plain cosine to the name"


def main(given: argparse.Namespace) -> None:
    sets = [sounds(given.sounds), *photos(given.photos)]
    head = ("data", "model", "classes", "items", "chance", "labels", "top-1 %", "mean over classes %", "top-5 %",
            "ECE", "ECE held out", "log loss", "likeliest scale")  # fmt: skip
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for one in sets:
        for name in given.models.split(","):
            if one.modality is Modality.IMAGE or name == "lite":  # lite2 sees otherwise, and no more
                rows += measured(one, name)
    notes = (
        "Top-1 with 95 % bootstrap intervals over items; captions of one photo are drawn together. Chance: of the most "
        "frequent class. Log loss at the likeliest scale. The photos are those of a captioned set whose captions "
        "agree, see `ingredients/scenes.py`: kinder than photos as they come. CIFAR and ImageNet could not be had, nor "
        "weights of CLIP and CLAP, whose temperature is that of their own weights. `plain cosine to the name` is the "
        "class of the highest cosine, without templates, tags and probabilities."
    )
    text = "\n\n".join(["# Zero-shot classification", "\n".join(rows), notes, machine(["onnxruntime"])]) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "classification.md").write_text(text, encoding="utf-8")
    print(text)


def measured(one: Set, name: str) -> list[str]:
    """Rows of the table for one set and model."""
    import mmsearch
    from mmsearch.classification.classifier import Classifier
    from mmsearch.classification.labels import of
    from mmsearch.classification.stored import classified

    names = sorted(set(one.classes))
    truth = np.array([names.index(label) for label in one.classes])
    lines = []
    with tempfile.TemporaryDirectory() as folder, mmsearch.open(Path(folder) / "index", name) as index:
        report = index.add_items(one.records)
        assert not report.failed, report.failed[:3]
        number = {item.number: int(item.id) for item in index.items()}
        for how, templates in (*HOWS[one.modality].items(), (PLAIN, ("{}",))):
            model = index.model if templates is not None and how != PLAIN else replace(index.model, tagger=None)
            classifier = Classifier(model, of(names), templates or ())
            probabilities = np.empty((len(truth), len(names)))
            with index.hold() as view:
                for some in classified(view, classifier, [one.modality]):
                    probabilities[[number[item] for item in some.items.tolist()]] = some.probabilities
            scale = classifier.senses[one.modality].scale
            cells = [
                one.name,
                name,
                str(len(names)),
                f"{len(truth):,}",
                f"{100 * np.bincount(truth).max() / len(truth):.1f}",
            ]
            lines.append(f"| {' | '.join([*cells, how, *figures(one, truth, probabilities, scale, how)])} |")
            print(lines[-1], flush=True)
    return lines


def figures(one: Set, truth: np.ndarray, probabilities: np.ndarray, scale: float, how: str) -> list[str]:
    scores = np.log(np.maximum(probabilities, 1e-30)) / scale  # of items of one segment, but for a constant
    right = scores.argmax(axis=1) == truth
    low, high = interval(right, np.array(one.units))
    each = [right[truth == label].mean() for label in np.unique(truth)]
    five = (np.argsort(-scores, axis=1)[:, :5] == truth[:, None]).any(axis=1).mean()
    cells = [
        f"{100 * right.mean():.1f} ({100 * low:.1f}–{100 * high:.1f})",
        f"{100 * np.mean(each):.1f}",
        f"{100 * five:.1f}",
    ]
    if how == PLAIN:
        return [*cells, "", "", "", ""]
    half = np.array(one.units) % 2 == 0
    held = np.empty_like(probabilities)
    for part in (half, ~half):
        held[part] = softmax(likeliest(scores[~part], truth[~part])[0] * scores[part])
    best, loss = likeliest(scores, truth)
    return [*cells, f"{error(probabilities, truth):.3f}", f"{error(held, truth):.3f}", f"{loss:.3f}", f"{best:.1f}"]


def likeliest(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The scale with the smallest log loss, and that loss."""
    rows = np.arange(len(truth))
    losses = [-np.log(np.maximum(softmax(scale * scores)[rows, truth], 1e-30)).mean() for scale in SCALES]
    return float(SCALES[np.argmin(losses)]), float(min(losses))


def error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error."""
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    return float(sum(abs(sure[bins == b].sum() - right[bins == b].sum()) for b in range(BINS)) / len(truth))


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sounds", type=Path, nargs="?", default=ESC10, metavar="ESC10_FOLDER")
    parser.add_argument("photos", type=Path, nargs="?", default=CAPTIONED, metavar="CAPTIONED_FOLDER")
    parser.add_argument("--models", default="lite,lite2")
    main(parser.parse_args())
