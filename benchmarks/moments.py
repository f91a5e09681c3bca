"""How well the moments of a recording are found: known sounds in recordings of a minute (temporal grounding).

::

    python benchmarks/moments.py [ESC10_FOLDER [CAPTIONED_FOLDER]]

Twelve clips of five seconds are put one behind the other: some of one class, next to each other, the others of other
classes. The question is the name of the class. Reported are the intersection over union (IoU) of the first moment with
the truth, and how often it is .5 or more, beside those of the best window alone, and of a stretch of the right length
at a place drawn by chance.

Then it is asked whether there is anything in a recording, or in a long text, at all: see `ingredients/inside.py`.
Reported is how often the best moment has the confidence that it must have for `mmsearch search --within` not to say
that nothing fits well.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from random import Random

import numpy as np
from ingredients.inside import Question, of_recordings, texts
from ingredients.media import CAPTIONED, ESC10
from reference import machine

CLIP, CLIPS, EACH, RATE = 5.0, 12, 40, 16_000
LENGTHS = (1, 2, 4, 12)  # clips of the class that is asked for


def main(folder: Path, captioned: Path, seed: int) -> None:
    """Print a table as Markdown."""
    import soundfile
    import soxr

    import mmsearch
    from mmsearch.search.calibrate.of_item import FITS

    by_class = defaultdict(list)
    for entry in json.loads((folder / "items.json").read_text()):
        samples, rate = soundfile.read(folder / entry["audio"], dtype="float32", always_2d=True)
        mono = soxr.resample(samples.mean(axis=1), rate, RATE)[: round(CLIP * RATE)]
        by_class[entry["label"]].append(np.pad(mono, (0, round(CLIP * RATE) - len(mono))))
    draw, truth, made, records = Random(seed), {}, {}, []
    for length in LENGTHS:
        for number in range(EACH):
            asked = draw.choice(sorted(by_class))
            others = [draw.choice(sorted(set(by_class) - {asked})) for _ in range(CLIPS - length)]
            at = draw.randrange(CLIPS - length + 1)
            order = [*others[:at], *[asked] * length, *others[at:]]
            samples = np.concatenate([draw.choice(by_class[name]) for name in order])
            made[f"{length}-{number}"] = Counter(order)
            truth[f"{length}-{number}"] = length, asked, CLIP * at, CLIP * (at + length)
            records.append(mmsearch.Record(id=f"{length}-{number}", audio=(samples, RATE)))

    found = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as place, mmsearch.open(Path(place) / "index") as index:
        index.add_items(records)
        fits = fitting(index, of_recordings(draw, made, sorted(by_class), CLIP))
        for key, (length, asked, start, end) in truth.items():
            first = next(iter(index.within(key, asked, k=1)), None)
            by_chance = draw.uniform(0, CLIP * (CLIPS - length))
            ways = {
                "first moment": (first.start, first.end) if first else (0, 0),
                "best window": first.best if first else (0, 0),
                "by chance": (by_chance, by_chance + end - start),
            }
            for way, span in ways.items():
                found[length][way].append(_overlap(span, (start, end)))

    with tempfile.TemporaryDirectory() as place, mmsearch.open(Path(place) / "index") as index:
        records, questions = texts(draw, captioned)
        index.add_items(records)
        fits += fitting(index, questions)

    print("# The moments of a recording\n")
    names = list(found[LENGTHS[0]])
    print(f"| the sound lasts | {' | '.join(f'{name}: IoU' for name in names)} | "
          f"{' | '.join(f'{name}: IoU ≥ .5' for name in names)} |")  # fmt: skip
    print("|---" * (1 + 2 * len(names)) + "|")
    for length, ways in found.items():
        means = [f"{np.mean(ways[name]):.2f}" for name in names]
        shares = [f"{100 * np.mean(np.array(ways[name]) >= 0.5):.0f} %" for name in names]
        print(f"| {CLIP * length:g} s of {CLIP * CLIPS:g} s | {' | '.join(means)} | {' | '.join(shares)} |")
    print(
        f"\n{EACH} recordings of each kind, of the clips of ESC-10 in {len(by_class)} classes, model `lite`, "
        "whose windows are of 10 s every 5 s; by chance, a stretch of all 60 s is always right. The rule (half of the "
        "highest piece) was chosen on other recordings made of the same clips.\n"
    )
    print("| what is asked | questions | found to fit well |\n|---|---|---|")
    print(*fits, sep="\n")
    print(
        f"\nThe confidence that it takes, {FITS['audio']:g} in sounds and {FITS['text']:g} in texts, was chosen on "
        "other recordings and texts made of the same clips and captions; that other captions are like one is usual "
        "there. The questions about the README were looked at when it was chosen.\n"
    )
    print(machine())


def fitting(index, questions: Iterable[Question]) -> list[str]:
    """Lines of a table: how often something was found to fit well, by kind of question."""
    fits = defaultdict(list)
    for item, asked, kind in questions:
        moments = index.within(item, asked)
        fits[kind].append(len(moments) > 0 and "unmatched" not in moments.query)
    return [f"| {kind} | {len(some):,} | {100 * np.mean(some):.0f} % |" for kind, some in sorted(fits.items())]


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    shared = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    return shared / (max(one[1], other[1]) - min(one[0], other[0]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=ESC10, metavar="ESC10_FOLDER")
    parser.add_argument("captioned", type=Path, nargs="?", default=CAPTIONED, metavar="CAPTIONED_FOLDER")
    parser.add_argument("--seed", type=int, default=100)
    given = parser.parse_args()
    main(given.folder, given.captioned, given.seed)
