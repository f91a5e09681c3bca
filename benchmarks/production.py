"""CLIP and CLAP on a CPU: the indexer against its encoder alone, and against the loop that others embed photos with.

::

    python benchmarks/production.py [--photos 320] [--camera 96] [--sounds 48] [--rounds 2] [--source FOLDER]

Models are of the true architectures (ViT-B-32, CLAP unfused) with random weights, which cost the same as trained ones.
The loop is what clip-retrieval's documentation describes: `ingredients/loop.py`. `--models tiny` tries it out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import reference
from ingredients import media, models
from ingredients.contenders import Encoding, Indexing
from ingredients.loop import BATCH, WORKERS, Loop
from reference import Contender, Race, limit_threads, race, report

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
SHARE = 0.90 if CORES <= 2 else 0.95
FASTER = 1.5
F32, BF16 = "cpu/float32", "cpu/bfloat16"


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    Attributes:
        place: for everything that is made.
        photos: how many as they are.
        camera: how many of 12 megapixels.
        sounds: how many.
        rounds: of A B B A.
        source: folder of photos.
        tiny: models of no size, to try the benchmark out.
    """

    place: Path
    photos: int
    camera: int
    sounds: int
    rounds: int
    source: Path | None
    tiny: bool


@dataclass(frozen=True)
class Timed:
    """A race, how many photos or sounds each side went through, and what the indexer says that it spent."""

    race: Race
    count: int
    stages: dict[str, float]


def main(settings: Settings) -> bool:
    limit_threads(CORES)
    place = settings.place
    found = media.originals(place, settings.source)
    small = media.as_they_are(place / "small", found, settings.photos)
    large = media.from_camera(place / "large", found, settings.camera)
    heard = media.sounds(place / "heard", settings.sounds)
    os.environ["MMSEARCH_CACHE"] = str(place / "cache")  # after the media: those may come out of the real one
    clip = models.clip(place / "models", "tiny" if settings.tiny else "ViT-B-32")
    clap = models.clap(place / "models", "tiny" if settings.tiny else "full")
    ready = [f"{name.split('/')[0]} {_made_ready(name):.0f} s" for name in (clip, clap)]
    timed = [
        _against_encoder("photos as they are", clip, small, settings),
        _against_encoder("sounds of 10 s", clap, heard, settings),
        *_against_loop(clip, (("photos as they are", small), ("12-megapixel photos", large)), settings),
    ]
    towers, cosines = _towers(clip, small, settings)
    timed += towers
    if settings.tiny:
        reference.RESULTS = place  # nothing to be kept
    packages = ["onnxruntime", "torch", "open_clip_torch", "transformers", "pillow"]
    kilobytes = [
        "/".join(f"{sum(p.stat().st_size for p in files) / len(files) / 1e3:,.0f}" for files in (small, large))
    ]
    notes = [
        _rates(timed),
        cosines,
        f"Files: photos of {_size(small[0])} and of {_size(large[0])} pixels, {kilobytes[0]} kB on average; the large "
        "ones are made: real photos enlarged, with grain, JPEG quality 90. The loop: DataLoader with "
        f"{min(WORKERS, CORES)} workers, batches of {BATCH} at most, open_clip's own preprocessing, model in float32, "
        "writes .npy and paths. Everywhere the weights are in memory before the clock starts; the indexer's time has "
        f"the check of their sha256 in it. Made ready, once for each model: {', '.join(ready)}.",
        "Weights are random. Not measured here: quality, GPUs (`gpu.py`).",
        "**Tried out with models of no size: the figures mean nothing.**" if settings.tiny else "",
    ]
    return report(
        "production",
        "The production encoders on a CPU",
        [one.race for one in timed],
        packages=packages,
        notes="\n\n".join(note for note in notes if note),
    )


def _made_ready(name: str) -> float:
    from mmsearch.encoders import registry

    start = time.perf_counter()
    registry.load(name, "cpu")
    return time.perf_counter() - start


def _against_encoder(what: str, name: str, files: list[Path], settings: Settings) -> Timed:
    ours, alone = Indexing(name, files, settings.place / "index", F32), Encoding(name, files, F32)
    found = race(
        f"{len(files)} {what}, float32",
        Contender("mmsearch index", ours, before=ours.open),
        Contender("its encoder alone", alone, before=alone.open),
        rounds=settings.rounds,
        warmup=0,
        at_most=1 / SHARE,
    )
    ours.close()
    return Timed(found, len(files), dict(ours.report.seconds))


def _against_loop(name: str, sets, settings: Settings) -> list[Timed]:
    loop = Loop(name)
    found = []
    for what, files in sets:
        theirs = Contender("loop", lambda files=files: loop(files, settings.place / "looped"))
        for device in (F32, BF16):
            ours = Indexing(name, files, settings.place / "index", device)
            timed = race(
                f"{len(files)} {what}, {device.partition('/')[2]}",
                Contender("mmsearch index", ours, before=ours.open),
                theirs,
                rounds=settings.rounds,
                warmup=0,
                at_most=1 / FASTER,
            )
            ours.close()
            found.append(Timed(timed, len(files), dict(ours.report.seconds)))
    return found


def _towers(name: str, files: list[Path], settings: Settings) -> tuple[list[Timed], str]:
    """The image tower alone, from memory, against open_clip's; and how far ours is from it."""
    import numpy as np
    import torch
    from PIL import Image

    some = files[: max(16, len(files) // 2)]
    loop, timed, cosines = Loop(name), [], []
    given = torch.stack([loop.preprocess(Image.open(path)) for path in some])
    wanted = loop.vectors(given)
    theirs = Contender("open_clip", lambda: [loop.vectors(given[at : at + 64]) for at in range(0, len(given), 64)])
    for device, label in ((F32, "ONNX Runtime, float32"), (BF16, "torch, bfloat16")):
        ours = Encoding(name, some, device)
        ours.open()
        cosine = np.sort((ours() * wanted).sum(axis=1))
        cosines.append(f"{label} {cosine[0]:.5f} (median {np.median(cosine):.5f})")
        contender = Contender(label, ours)
        timed.append(
            Timed(
                race(f"{len(some)} photos, tower alone", contender, theirs, rounds=settings.rounds, warmup=0),
                len(some),
                {},
            )
        )
    said = "Smallest cosine to open_clip's own vector of the same file, its own preprocessing, float32: "
    return timed, said + "; ".join(cosines) + "."


def _rates(timed: list[Timed]) -> str:
    rows = ["| what | ours, a second | reference, a second | seconds by stage, of work |", "|---" * 4 + "|"]
    for one in timed:
        ours, theirs = one.race.p50
        stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in one.stages.items())
        named = f"{one.race.name} ({' / '.join(one.race.labels)})"
        rows.append(f"| {named} | {one.count / ours:.1f} | {one.count / theirs:.1f} | {stages} |")
    return "\n".join(rows)


def _size(path: Path) -> str:
    from PIL import Image

    return " x ".join(map(str, Image.open(path).size))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=320, help="how many as they are")
    parser.add_argument("--camera", type=int, default=96, help="how many of 12 megapixels")
    parser.add_argument("--sounds", type=int, default=48, help="how many of ten seconds")
    parser.add_argument("--rounds", type=int, default=1, help="of A B B A")
    parser.add_argument("--source", type=Path, help="a folder of JPEG files")
    parser.add_argument("--models", choices=("full", "tiny"), default="full", help="tiny: to try it out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        wanted = Settings(
            Path(made), asked.photos, asked.camera, asked.sounds, asked.rounds, asked.source, asked.models == "tiny"
        )
        raise SystemExit(not main(wanted))
