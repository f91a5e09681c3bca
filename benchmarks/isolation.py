"""What it costs that files are decoded in processes of their own, where a crash or a hang costs one file.

::

    python benchmarks/isolation.py [--photos FOLDER]

Whole runs into a new index, with decoders in their own processes (the default) and in the indexing one.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from indexing import PHOTOS, ROUNDS, THREADS, photos
from reference import Contender, limit_threads, race, report


def main(source: Path | None) -> bool:
    limit_threads(THREADS)
    import mmsearch

    with tempfile.TemporaryDirectory() as place:
        folder, index = photos(source, Path(place))[0].parent, Path(place) / "index"

        def run(isolate):
            with mmsearch.open(index, model="lite") as opened:
                found = opened.add([folder], isolate=isolate)
            assert found.added == PHOTOS, found.failed[:3]

        def fresh():
            shutil.rmtree(index, ignore_errors=True)

        one = race(
            f"indexing {PHOTOS:,} photos",
            Contender("decoders in processes of their own", lambda: run(True), before=fresh),
            Contender("decoders in the same process", lambda: run(False), before=fresh),
            rounds=ROUNDS,
            warmup=0,
            at_most=1.05,
        )
    return report(
        "isolation",
        "What isolation of decoders costs",
        [one],
        packages=["onnxruntime", "pillow"],
        notes="Each run starts its decoding processes anew. The model is lite, on as many threads as decoders.",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of JPEG files")
    raise SystemExit(not main(parser.parse_args().photos))
