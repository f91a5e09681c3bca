"""How far our vectors are from those of open_clip and transformers, on real photos, captions and sounds.

::

    python benchmarks/parity.py [--photos 200] [--sounds 100] [--architectures ViT-B-32,RN50]

The reference is each library's own forward pass in float32 with its own preprocessing of the whole file: Pillow at full
scale and torchvision, ClapFeatureExtractor, its own tokenizer. Ours is what the indexer does. Weights are random.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ingredients import media, models
from ingredients.contenders import decoded, encode
from ingredients.loop import load
from reference import RESULTS, limit_threads, machine

ARCHITECTURES = ("ViT-B-32", "RN50", "MobileCLIP2-S0", "ViT-B-16-SigLIP")
LEAST = 0.9999
F32, BF16 = "cpu/float32", "cpu/bfloat16"
FEW = 16


@dataclass(frozen=True)
class Row:
    """What was compared.

    Attributes:
        model: architecture.
        given: how many of what.
        what: of ours against what of theirs.
        least: smallest cosine.
        median: of the cosines.
        centred: smallest cosine without the mean vector of the reference, which all have in common.
        claimed: whether `LEAST` is.
    """

    model: str
    given: str
    what: str
    least: float
    median: float
    centred: float
    claimed: bool = False

    @property
    def kept(self) -> bool:
        """Whether it is as claimed."""
        return not self.claimed or self.least >= LEAST


def compare(model: str, given: str, what: str, ours, theirs, *, claimed: bool = False) -> Row:
    """Two sets of unit vectors `(n, d)`, row by row."""
    import numpy as np

    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    cosines = _cosines(a, b)
    middle = b.mean(axis=0)
    centred = _cosines(a - middle, b - middle)
    row = Row(model, f"{len(a)} {given}", what, cosines.min(), float(np.median(cosines)), centred.min(), claimed)
    print(_cells(row), flush=True)
    return row


def _bfloat16(model: str, given: str, rough, full, theirs) -> Row:
    """Says so where bfloat16 was asked for and the vectors are those of float32, bit by bit."""
    import numpy as np

    same = np.array_equal(rough, full)
    return compare(
        model, given, "bfloat16 asked for, computed in float32" if same else "bfloat16, torch", rough, theirs
    )


def _cosines(a, b):
    import numpy as np

    return (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def main(place: Path, photos: int, camera: int, sounds: int, architectures: list[str], is_tiny: bool) -> bool:
    limit_threads(2)
    found = media.originals(place)
    small = found[:photos]
    large = media.from_camera(place / "large", found, camera, distinct=camera)
    heard = media.recordings(place)[:sounds]
    said = _captions(photos)
    os.environ["MMSEARCH_CACHE"] = str(place / "cache")
    rows, left_out = [], []
    for architecture in ["tiny"] if is_tiny else architectures:
        many = photos if architecture in ("tiny", "ViT-B-32") else max(1, photos // 5)
        try:
            rows += _clip(place, architecture, small[:many], large, said[:many])
        except Exception as error:  # one that this machine cannot run must not hide the others
            left_out.append(f"{architecture} ({type(error).__name__}: {str(error).partition(chr(10))[0][:150]})")
    rows += _clap(place, "tiny" if is_tiny else "full", heard, said)
    kept = all(row.kept for row in rows) and not left_out
    head = ["model", "what of", "ours against theirs", "least cosine", "median", "least, centred", f"claim ≥ {LEAST}"]
    parts = [
        "# How far our vectors are from open_clip's and transformers' own",
        "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *map(_cells, rows)]),
        "Theirs: float32, own preprocessing, files decoded whole. *Centred*: without what all vectors of the reference "
        "have in common; random weights give vectors that are close to each other, and a plain cosine near 1 would "
        "say little. With trained weights the truth lies between the two. In random networks errors neither vanish nor "
        "grow as in trained ones, so these figures stand for rounding and preprocessing, not for quality.",
        f"Not measured: {'; '.join(left_out)}." if left_out else "",
        machine(["onnxruntime", "torch", "open_clip_torch", "transformers", "timm", "pillow", "torchvision"]),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    if not is_tiny:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "parity.md").write_text(text, encoding="utf-8")
    print(text)
    return kept


def _clip(place: Path, architecture: str, small: list[Path], large: list[Path], said: list[str]) -> list[Row]:
    from mmsearch.encoders import registry
    from mmsearch.types import Modality

    name = models.clip(place / "models", architecture)
    ours, rough = registry.load(name, F32), registry.load(name, BF16)
    model, preprocess = load(name)
    seen = _pictures(model, preprocess, small)
    contents, _ = decoded(small, ours)
    full = encode(ours, contents, Modality.IMAGE)
    rows = [
        compare(architecture, "photos", "float32, ONNX Runtime", full, seen, claimed=True),
        _bfloat16(architecture, "photos", encode(rough, contents, Modality.IMAGE), full, seen),
    ]
    some = contents[:FEW]
    one_by_one = [encode(ours, [one], Modality.IMAGE)[0] for one in some]
    rows.append(
        compare(architecture, "photos", f"one by one, against {FEW} at once, both ours", one_by_one, full[:FEW])
    )
    whole = _pictures(model, preprocess, large)
    reduced = encode(ours, decoded(large, ours)[0], Modality.IMAGE)
    rows.append(compare(architecture, "12-megapixel photos", "float32, JPEG decoded at reduced scale", reduced, whole))
    read = _texts(model, _tokenizer(architecture, name), said)
    rows.append(
        compare(
            architecture, "captions", "float32, ONNX Runtime", encode(ours, said, Modality.TEXT), read, claimed=True
        )
    )
    rows.append(compare(architecture, "captions", "bfloat16, torch", encode(rough, said, Modality.TEXT), read))
    one_by_one = [encode(ours, [one], Modality.TEXT)[0] for one in said[:FEW]]
    together = encode(ours, said[:FEW], Modality.TEXT)
    rows.append(
        compare(architecture, "captions", f"one by one, against {FEW} at once, both ours", one_by_one, together)
    )
    return rows


def _pictures(model, preprocess, files: list[Path]):
    """Unit vectors `(n, d)` as open_clip makes them."""
    import torch
    from PIL import Image

    found = []
    with torch.inference_mode():
        for at in range(0, len(files), FEW):
            pictures = torch.stack([preprocess(Image.open(path)) for path in files[at : at + FEW]])
            found.append(model.encode_image(pictures, normalize=True))
    return torch.cat(found).numpy()


def _texts(model, tokenizer, said: list[str]):
    """Unit vectors `(n, d)` as open_clip makes them."""
    import torch

    with torch.inference_mode():
        found = [model.encode_text(tokenizer(said[at : at + FEW]), normalize=True) for at in range(0, len(said), FEW)]
    return torch.cat(found).numpy()


def _tokenizer(architecture: str, name: str):
    """open_clip's own; where that would be fetched, open_clip's own class around the one beside the weights."""
    from mmsearch.encoders import heavy
    from mmsearch.encoders.clip import source

    open_clip, found = heavy.open_clip(), source.parse(name.removeprefix("clip:"))
    if found.folder:
        return open_clip.tokenizer.SimpleTokenizer(context_length=models.TINY["text_cfg"]["context_length"])
    text = open_clip.get_model_config(architecture)["text_cfg"]
    if not text.get("hf_tokenizer_name"):
        return open_clip.get_tokenizer(architecture)
    return open_clip.tokenizer.HFTokenizer(
        str(found.file.parent), context_length=text["context_length"], **(text.get("tokenizer_kwargs") or {})
    )


def _clap(place: Path, size: str, heard: list[Path], said: list[str]) -> list[Row]:
    import librosa
    import torch

    from mmsearch.encoders import heavy, registry
    from mmsearch.types import Modality

    transformers = heavy.transformers()
    transformers.utils.logging.disable_progress_bar()
    name = models.clap(place / "models", size)
    ours, rough = registry.load(name, F32), registry.load(name, BF16)
    folder = name.removeprefix("clap:")
    model = transformers.ClapModel.from_pretrained(folder).eval()
    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    wanted = []
    with torch.inference_mode():
        for path in heard:
            samples, _ = librosa.load(path, sr=48_000, mono=True)
            given = extractor(samples[:480_000], sampling_rate=48_000, return_tensors="pt")
            wanted.append(model.get_audio_features(given["input_features"], is_longer=torch.zeros(1, 1, dtype=bool)))
        read = model.get_text_features(**tokenizer(said, padding=True, truncation=True, return_tensors="pt"))
    wanted = _unit(torch.cat([one.pooler_output for one in wanted]))
    read = _unit(read.pooler_output)
    contents = [decoded([path], ours)[0][0] for path in heard]  # the first window
    full = encode(ours, contents, Modality.AUDIO)
    one_by_one = [encode(ours, [one], Modality.AUDIO)[0] for one in contents[:FEW]]
    return [
        compare("CLAP", "sounds", "float32, ONNX Runtime", full, wanted, claimed=True),
        _bfloat16("CLAP", "sounds", encode(rough, contents, Modality.AUDIO), full, wanted),
        compare("CLAP", "sounds", f"one by one, against {FEW} at once, both ours", one_by_one, full[:FEW]),
        compare("CLAP", "captions", "float32, ONNX Runtime", encode(ours, said, Modality.TEXT), read, claimed=True),
        compare("CLAP", "captions", "bfloat16, torch", encode(rough, said, Modality.TEXT), read),
    ]


def _unit(vectors):
    return (vectors / vectors.norm(dim=-1, keepdim=True)).numpy()


def _captions(count: int) -> list[str]:
    """Of Flickr8k where it is, else made."""
    described = media.CAPTIONED / "captions.json"
    if described.is_file():
        return [one["captions"][0] for one in json.loads(described.read_text())][:count]
    from mmsearch import captions

    return list(captions.bank(count))


def _cells(row: Row) -> str:
    claim = ("kept" if row.kept else "**missed**") if row.claimed else ""
    cells = [row.model, row.given, row.what, f"{row.least:.6f}", f"{row.median:.6f}", f"{row.centred:.6f}", claim]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=200, help="and captions; a fifth for all but ViT-B-32")
    parser.add_argument("--camera", type=int, default=8, help="photos of 12 megapixels")
    parser.add_argument("--sounds", type=int, default=100)
    parser.add_argument("--architectures", default=",".join(ARCHITECTURES))
    parser.add_argument("--models", choices=("full", "tiny"), default="full", help="tiny: to try it out")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        raise SystemExit(
            not main(
                Path(made),
                given.photos,
                given.camera,
                given.sounds,
                given.architectures.split(","),
                given.models == "tiny",
            )
        )
