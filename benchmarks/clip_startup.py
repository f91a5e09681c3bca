"""`mmsearch search` as a whole process with CLIP, and with CLIP and CLAP, against the same question with `lite`.

::

    python benchmarks/clip_startup.py [--rows 2000] [--rounds 8]

Models are of the true architectures (ViT-B-32, CLAP unfused) with random weights, made ready before; `lite` is that of
the cache. Python itself says what each process imported: torch, open_clip and transformers must not be among it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import reference
from ingredients import media, models
from reference import Contender, limit_threads, race, report

HEAVY = frozenset({"torch", "torchvision", "timm", "open_clip", "transformers", "onnx", "onnxscript"})
_IMPORTED = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s*([\w.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Question:
    """A whole command.

    Attributes:
        what: it asks.
        index: the folder.
        asked: the rest of the command.
    """

    what: str
    index: Path
    asked: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        """After the interpreter."""
        return ["-m", "mmsearch", "search", *self.asked, "--index", str(self.index), "--device", "cpu"]

    def __call__(self) -> None:
        """Ask, as a process."""
        subprocess.run([sys.executable, *self.command], check=True, stdout=subprocess.DEVNULL)

    def imported(self) -> tuple[int, frozenset[str]]:
        """How many modules the process imported, and the packages of them that are heavy."""
        said = subprocess.run(
            [sys.executable, "-X", "importtime", *self.command], check=True, capture_output=True, text=True
        ).stderr
        names = [name for _, name in _IMPORTED.findall(said)]
        assert "mmsearch" in {name.partition(".")[0] for name in names}, said[:500]
        return len(names), HEAVY & {name.partition(".")[0] for name in names}


def main(place: Path, rows: int, rounds: int, is_tiny: bool) -> bool:
    limit_threads(2)
    photo = media.originals(place)[0]
    _share_lite(place / "cache")
    clip = models.clip(place / "models", "tiny" if is_tiny else "ViT-B-32")
    clap = models.clap(place / "models", "tiny" if is_tiny else "full")
    if is_tiny:
        reference.RESULTS = place  # nothing to be kept
    indexes = {
        name: _fill(place / f"index-{at}", name, rows) for at, name in enumerate(("lite", clip, f"{clip} + {clap}"))
    }
    lite, eyes, both = indexes.values()
    words, picture = ("a dog",), ("--image", str(photo))
    questions = [
        (Question("clip, text", eyes, words), Question("lite, text", lite, words), 2.0),
        (Question("clip, a picture", eyes, picture), Question("lite, a picture", lite, picture), None),
        (
            Question("clip+clap, text to sounds", both, (*words, "--target", "audio")),
            Question("lite, text to sounds", lite, (*words, "--target", "audio")),
            None,
        ),
        (Question("clip+clap, text to all", both, words), Question("lite, text", lite, words), None),
    ]
    races, lines, is_light = [], [], True
    for ours, theirs, at_most in questions:
        (count, heavy), (count_lite, _) = ours.imported(), theirs.imported()
        is_light = is_light and not heavy
        loaded = ", ".join(sorted(heavy)) or "none"
        lines.append(f"- {ours.what}: {count:,} modules, {count_lite:,} with lite; **{loaded}** of the heavy ones")
        contenders = Contender(ours.what, ours), Contender(theirs.what, theirs)
        races.append(race(f"a process, {rows:,} items", *contenders, rounds=rounds, at_most=at_most))
    kept = report(
        "clip_startup",
        "One question as a whole process, with CLIP and CLAP",
        races,
        packages=["onnxruntime", "tokenizers", "sqlalchemy", "typer", "rich"],
        notes="\n\n".join(
            [
                f"Imported by the process, of which heavy are {', '.join(sorted(HEAVY))}:\n\n" + "\n".join(lines),
                "Weights are random, of the true sizes, and in the page cache. Not measured: the first start after "
                "booting, which reads the weights from disk.",
                "**Tried out with models of no size: the figures mean nothing.**" if is_tiny else "",
            ]
        ).strip(),
    )
    return kept and is_light


def _share_lite(cache: Path) -> None:
    """From now on the cache is a new one, in which there is lite and nothing else."""
    from mmsearch.encoders import registry
    from mmsearch.packages import cache_folder

    registry.load("lite")  # fetches it, if need be
    for kind in ("models", "packages"):
        (cache / kind).mkdir(parents=True)
        for folder in (cache_folder() / kind).iterdir():
            if not folder.name.startswith("."):
                (cache / kind / folder.name).symlink_to(folder.resolve())
    os.environ["MMSEARCH_CACHE"] = str(cache)


def _fill(folder: Path, name: str, rows: int) -> Path:
    """An index of so many random vectors, as many of each modality that lives in one space of the model."""
    import numpy as np

    import mmsearch
    from mmsearch import Record

    random = np.random.default_rng(0)
    with mmsearch.open(folder, model=name, device="cpu") as index:
        homes = [(str(modality), head.space.dim) for head in index.model.heads for modality in head.space.modalities]
        named = Counter(modality for modality, _ in homes)
        spaces = {modality: dim for modality, dim in homes if named[modality] == 1}
        kinds = sorted(spaces)
        index.add_items(
            Record(id=str(i), vectors={kind: random.standard_normal(spaces[kind])}, metadata={"number": i})
            for i, kind in ((i, kinds[i % len(kinds)]) for i in range(rows))
        )
        assert len(index) == rows
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=8, help="of A B B A")
    parser.add_argument("--models", choices=("full", "tiny"), default="full", help="tiny: to try it out")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        raise SystemExit(not main(Path(made), given.rows, given.rounds, given.models == "tiny"))
