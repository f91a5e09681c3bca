"""Re-indexing an unchanged folder of 10,000 files, against a bare walk that calls `stat` on each file.

::

    python benchmarks/reindexing.py

One file in a hundred is broken: those that failed are not opened again either. An audit hook asserts that no file is
opened and that no decoding process, which could open one, is started.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from reference import Contender, limit_threads, race, report

FILES, FOLDERS, BROKEN = 10_000, 20, 100


def media(folder: Path) -> None:
    """10,000 small pictures in 20 folders, 100 of them broken."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(FILES):
        path = folder / f"{number % FOLDERS:02}" / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % (FILES // BROKEN):
            Image.fromarray(random.integers(0, 255, (6, 8, 3), np.uint8)).save(path)
        else:
            path.write_bytes(b"broken" + number.to_bytes(4, "big"))


def walk(folder: str) -> int:
    """Count files below a folder, and `stat` each."""
    found = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found += walk(entry.path)
            else:
                os.stat(entry.path)  # noqa: PTH116
                found += 1
    return found


def main() -> bool:
    limit_threads(2)
    import mmsearch

    opened: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "media"
        media(folder)
        with mmsearch.open(Path(place) / "index", model="fake") as index:
            first = index.add([folder])
            assert (first.added, len(first.failed)) == (FILES - BROKEN, BROKEN), first.failed[:3]
        with mmsearch.open(Path(place) / "index") as index:  # a decoding process, if there were one, would be new

            def watch(event, arguments):
                if event == "subprocess.Popen" or (event == "open" and str(arguments[0]).startswith(str(folder))):
                    opened.append(str(arguments[0]))

            sys.addaudithook(watch)

            def ours():
                again = index.add([folder])
                assert (again.unchanged, len(again.failed)) == (FILES - BROKEN, BROKEN)

            one = race(
                f"{FILES:,} files, {BROKEN} of them broken",
                Contender("mmsearch index, in process", ours),
                Contender("bare walk with stat", lambda: walk(str(folder))),
                at_most=4.0,
            )
    assert not opened, opened[:3]
    return report(
        "reindexing",
        "Re-indexing an unchanged folder",
        [one],
        packages=["sqlalchemy"],
        notes="An audit hook saw no file of the folder opened, and no decoding process started.",
    )


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    raise SystemExit(not main())
