"""Memory while indexing must not grow with the number of files: peak of a process, 1,000 files against 10,000.

::

    python benchmarks/memory.py [--model lite]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from reference import RESULTS, machine

SMALL, LARGE, AT_MOST = 1_000, 10_000, 1.05

RUN = """
import resource, sys
import mmsearch
index = mmsearch.open(sys.argv[2], model=sys.argv[3])
report = index.add([sys.argv[1]], progress=lambda now: None)
assert not report.failed and report.added == int(sys.argv[4]), report
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def main(model: str) -> bool:
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    peaks = {}
    with tempfile.TemporaryDirectory() as place:
        for files in (SMALL, LARGE):
            folder = Path(place) / str(files)
            folder.mkdir()
            for number in range(files):
                pixels = random.integers(0, 255, (6, 8, 3), np.uint8)
                Image.fromarray(pixels).resize((160, 120)).save(folder / f"{number:05}.jpg")
            command = [sys.executable, "-c", RUN, folder, f"{place}/index-{files}", model, files]
            said = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True).stdout
            peaks[files] = int(said)
    ratio = peaks[LARGE] / peaks[SMALL]
    each = (peaks[LARGE] - peaks[SMALL]) / (LARGE - SMALL)
    kept = ratio <= AT_MOST
    rows = [
        "| files | peak memory |",
        "|---|---|",
        *(f"| {n:,} | {peak / 2**20:.0f} MiB |" for n, peak in peaks.items()),
    ]
    verdict = (
        f"Ratio {ratio:.3f}, claim ≤ {AT_MOST:.2f}: {'kept' if kept else '**missed**'}; {each:,.0f} bytes a file "
        f"more. The model is {model}, the files are JPEGs of 160 x 120, each run is a process of its own."
    )
    text = "\n\n".join(["# Memory while indexing", "\n".join(rows), verdict, machine(["onnxruntime", "pillow"])]) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "memory.md").write_text(text, encoding="utf-8")
    print(text)
    return kept


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lite")
    raise SystemExit(not main(parser.parse_args().model))
