"""CLIP and CLAP on one NVIDIA GPU: the indexer, the encoder alone, what share of the GPU that is, and others' loop.

::

    python benchmarks/gpu.py [--architectures ViT-B-32,ViT-L-14,ViT-H-14] [--photos 8192] [--camera 768] [--sounds 512]

Random weights of the true architectures, float16. Multiplications are counted by torch (`torch.utils.flop_counter`), a
multiplication and an addition as two; the peak is that of a product of two large float16 matrices, in the same run.
Without a GPU nothing is measured.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import reference
from ingredients import media, models
from ingredients.contenders import Encoding, Indexing
from ingredients.loop import Loop, load
from reference import Contender, limit_threads, race, report

ARCHITECTURES = ("ViT-B-32", "ViT-L-14", "ViT-H-14")
SHARE, FASTER, TO_BEAT = 0.95, 1.5, 2_500
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Rates:
    """Of one model, a second.

    Attributes:
        model: architecture.
        given: how many of what.
        whole: through the indexer.
        alone: through its encoder, from memory.
        flops: for one input; 0 if they were not counted.
        stages: seconds of work that the indexer reports.
    """

    model: str
    given: str
    whole: float
    alone: float
    flops: float
    stages: dict[str, float]

    def cells(self, peak: float) -> str:
        """A row of the table; `peak` in FLOP a second."""
        share = f"{self.flops * self.alone / peak:.1%}" if self.flops else "not counted"
        stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.stages.items())
        flops = f"{self.flops / 1e9:.1f}" if self.flops else ""
        cells = [self.model, self.given, f"{self.whole:,.0f}", f"{self.alone:,.0f}", flops, share, stages]
        return f"| {' | '.join(cells)} |"


def main(place: Path, counts: tuple[int, int, int], architectures: list[str], device: str, rounds: int) -> bool:
    limit_threads(CORES)
    import torch

    on_gpu = device.startswith("cuda")
    if on_gpu and not torch.cuda.is_available():
        print("No NVIDIA GPU that torch can use: nothing was measured.")
        return True
    photos, camera, sounds = counts
    found = media.originals(place)
    small = media.as_they_are(place / "small", found, photos)
    large = media.from_camera(place / "large", found, camera)
    heard = media.sounds(place / "heard", sounds, distinct=64)
    os.environ["MMSEARCH_CACHE"] = str(place / "cache")
    if not on_gpu:
        reference.RESULTS = place  # it was tried out, nothing to be kept
    peak = _peak(device)
    races, table = [], []
    for number, architecture in enumerate(architectures):
        name = models.clip(place / "models", architecture)
        first = number == 0
        files = small if first else small[: max(32, photos // 4)]
        if not first:
            files = media.as_they_are(place / f"small-{number}", found, len(files))
        flops = _flops(name)
        one, rates = _whole_and_alone(name, architecture, files, place / "index", device, rounds, flops)
        races.append(one)
        table.append(rates)
        if first:
            races += _against_loop(
                name, ((small, "photos as they are"), (large, "12-megapixel photos")), place, device, rounds
            )
            beaten = rates.whole >= TO_BEAT
    name = models.clap(place / "models", "full" if on_gpu else "tiny")
    one, rates = _whole_and_alone(name, "CLAP, sounds of 10 s", heard, place / "index", device, rounds, 0.0)
    races.append(one)
    table.append(rates)
    head = ["model", "given", "indexer, a second", "encoder alone", "GFLOP each", "share of peak", "seconds of work"]
    chip = torch.cuda.get_device_name(0) if on_gpu else "no GPU: tried out on the CPU, the figures mean nothing"
    notes = [
        "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(one.cells(peak) for one in table)]),
        f"{chip}; float16 product of large matrices {peak / 1e12:.1f} TFLOP/s. {architectures[0]} end to end: "
        f"{table[0].whole:,.0f} photos a second; to beat: {TO_BEAT:,} ({'kept' if beaten else '**missed**'}).",
        f"Weights are random and in the GPU's memory before the clock starts. Photos as they are: {_said(small)}; from "
        f"the camera: {_said(large)}, enlarged real photos with grain, quality 90. The loop: DataLoader, "
        "open_clip's own preprocessing, model in float16, writes .npy and paths. Not measured: quality, several GPUs.",
    ]
    kept = report(
        "gpu",
        "The production encoders on one GPU",
        races,
        packages=["torch", "open_clip_torch", "transformers", "pillow"],
        notes="\n\n".join(notes),
    )
    return not on_gpu or (kept and beaten)


def _whole_and_alone(name, model, files, index, device, rounds, flops):
    whole, alone = Indexing(name, files, index, device), Encoding(name, files, device)
    found = race(
        f"{model}, {len(files):,} files",
        Contender("mmsearch index", whole, before=whole.open),
        Contender("its encoder alone", alone, before=alone.open),
        rounds=rounds,
        warmup=0,
        at_most=1 / SHARE,
    )
    whole.close()
    ours, theirs = found.p50
    given = f"{len(files):,} of {_said(files)}"
    return found, Rates(model, given, len(files) / ours, len(files) / theirs, flops, dict(whole.report.seconds))


def _against_loop(name, sets, place, device, rounds):
    loop, races = Loop(name, device), []
    for files, what in sets:
        whole = Indexing(name, files, place / "index", device)
        races.append(
            race(
                f"{len(files):,} {what}",
                Contender("mmsearch index", whole, before=whole.open),
                Contender("loop", lambda files=files: loop(files, place / "looped")),
                rounds=rounds,
                warmup=0,
                at_most=1 / FASTER,
            )
        )
        whole.close()
    return races


def _flops(name: str) -> float:
    """Of open_clip's own image tower, for one picture."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    model, _ = load(name)
    size = model.visual.image_size
    side = size if isinstance(size, int) else size[0]
    # The fused layers of inference are opaque to the counter.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.encode_image(torch.zeros(1, 3, side, side))
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return float(counter.get_total_flops())


def _peak(device: str) -> float:
    """FLOP a second of a product of two large float16 matrices."""
    import torch

    on_gpu = device.startswith("cuda")
    side, times = (8192, 20) if on_gpu else (512, 2)
    a, b = (torch.randn(side, side, device=device.partition("/")[0], dtype=torch.float16) for _ in range(2))
    wait = torch.cuda.synchronize if on_gpu else lambda: None
    found = []
    for _ in range(5):
        wait()
        start = time.perf_counter()
        for _ in range(times):
            a @ b
        wait()
        found.append(time.perf_counter() - start)
    return 2.0 * side**3 * times / median(found)


def _said(files: list[Path]) -> str:
    kilobytes = sum(path.stat().st_size for path in files) / len(files) / 1e3
    if files[0].suffix != ".jpg":
        return f"{kilobytes:,.0f} kB"
    from PIL import Image

    return f"{' x '.join(map(str, Image.open(files[0]).size))} pixels, {kilobytes:,.0f} kB"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", default=",".join(ARCHITECTURES), help="the first is compared with the loop")
    parser.add_argument("--photos", type=int, default=8192, help="for the first; a quarter for the others")
    parser.add_argument("--camera", type=int, default=768, help="of 12 megapixels")
    parser.add_argument("--sounds", type=int, default=512, help="of ten seconds")
    parser.add_argument("--rounds", type=int, default=1, help="of A B B A")
    parser.add_argument("--device", default="cuda:0/float16", help=argparse.SUPPRESS)
    parser.add_argument("--models", choices=("full", "tiny"), default="full", help=argparse.SUPPRESS)
    given = parser.parse_args()
    chosen = ["tiny"] if given.models == "tiny" else given.architectures.split(",")
    amounts = (given.photos, given.camera, given.sounds)
    with tempfile.TemporaryDirectory() as made:
        raise SystemExit(not main(Path(made), amounts, chosen, given.device, given.rounds))
