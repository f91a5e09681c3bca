"""A long run of hostile files against every decoder: real files of every format, damaged at random, from a seed.

::

    python benchmarks/fuzz.py [--files 50000] [--seed 1]

Each file is read in a decoding process, as an indexing run does. It may be read, or refused with a reason. A crash or a
hang in native code is contained and counted; an exception that no decoder translates is a bug, and fails the run.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from reference import RESULTS, machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fuzz.judge import CRASHED, HUNG, READ, REFUSED, UNEXPECTED, Judge
from fuzz.mutations import drawn, mutated
from seeds import NAMES, seed

PACKAGES = ("pillow", "pillow-heif", "soundfile", "av", "pypdf", "python-docx", "inscriptis", "lxml")
ENDS = (READ, REFUSED, CRASHED, HUNG, UNEXPECTED)


def main(files: int, start: int) -> bool:
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    slowest: dict[str, float] = defaultdict(float)
    notable: list[str] = []
    began = time.monotonic()
    with Judge() as judge:
        for number in range(files):
            name = NAMES[number % len(NAMES)]
            data, modality, suffix = seed(name)
            verdict = judge.read(mutated(data, drawn(random.Random(f"{start}/{number}"))), modality, suffix)
            ends[name][verdict.ended] += 1
            slowest[name] = max(slowest[name], verdict.seconds)
            if verdict.ended in (CRASHED, HUNG, UNEXPECTED):
                notable.append(f"file {number} ({name}): {verdict.reason}")
                print(notable[-1], flush=True)
    total: Counter[str] = sum(ends.values(), Counter())
    rows = ["| seed | " + " | ".join(ENDS) + " | slowest |", "|---" * (len(ENDS) + 2) + "|"]
    for name, ended, seconds in [
        *((name, ends[name], slowest[name]) for name in NAMES),
        ("**all**", total, max(slowest.values())),
    ]:
        rows.append(f"| {name} | " + " | ".join(f"{ended[end]:,}" for end in ENDS) + f" | {seconds:.2f} s |")
    what = (
        f"{files:,} files, seed {start}, {time.monotonic() - began:,.0f} s. Each is a real file with one to six "
        "mutations (`tests/fuzz/mutations.py`), read in a decoding process. *Crashed* and *hung* are contained: they "
        "cost that file. *Unexpected* is an exception that nobody translated, and would be a bug."
    )
    found = (
        "\n".join(["Worth a look:", "", *(f"- {line}" for line in notable[:40])]) if notable else "No crash, no hang."
    )
    text = "\n\n".join(["# Hostile files", what, "\n".join(rows), found, machine(PACKAGES)])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "fuzz.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return not total[UNEXPECTED]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    raise SystemExit(not main(arguments.files, arguments.seed))
