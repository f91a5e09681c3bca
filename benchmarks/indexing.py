"""Indexing 3,000 photos, against a bare loop over the same files that stores nothing.

::

    python benchmarks/indexing.py [--photos FOLDER]

The loop reads, decodes, preprocesses and encodes with the same functions, batch size and threads: once with two
decoding threads that feed the encoder, once with nothing overlapped. Ours is a whole run into a new index: scan, hash,
decode, encode, project, commit. Without a folder the photos are crops of the demo's.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reference import Contender, limit_threads, race, report

THREADS, PHOTOS, ROUNDS = 2, 3000, 2


def photos(source: Path | None, folder: Path) -> list[Path]:
    """3,000 files whose bytes differ: copies of what is there, with a few bytes behind the end of the JPEG."""
    if source is None:
        source = folder / "originals"
        _crops(source)
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    media = folder / "media"
    media.mkdir()
    for number, path in enumerate(itertools.islice(itertools.cycle(found), PHOTOS)):
        (media / f"{number:04}.jpg").write_bytes(path.read_bytes() + number.to_bytes(4, "big"))
    return sorted(media.iterdir())


def _crops(folder: Path) -> None:
    import random

    from PIL import Image

    from mmsearch.demo.corpus import build

    draw = random.Random(0)
    folder.mkdir()
    with tempfile.TemporaryDirectory() as place:
        for path in sorted((build(Path(place) / "demo").media / "pictures").glob("*.jpg")):
            picture = Image.open(path).convert("RGB")
            for number in range(30):
                side = draw.randint(224, min(picture.size))
                left, top = draw.randint(0, picture.width - side), draw.randint(0, picture.height - side)
                picture.crop((left, top, left + side, top + side)).save(
                    folder / f"{path.stem}-{number}.jpg", quality=90
                )


def main(source: Path | None) -> bool:
    limit_threads(THREADS)
    import mmsearch
    from mmsearch.encoders import registry
    from mmsearch.encoders.base import Batch
    from mmsearch.media.image import decode as image
    from mmsearch.types import Modality, Role

    model = registry.load("lite")
    (encoder,) = (encoder for encoder in model.encoders if Modality.IMAGE in encoder.dims)

    def decode(path):
        (segment,) = image.decode(path.read_bytes(), model.inputs.image).segments
        return segment.content

    def batches(contents):
        while some := list(itertools.islice(contents, encoder.batch_size)):
            encoder.encode(Batch(Modality.IMAGE, some), Role.DOCUMENT)

    with tempfile.TemporaryDirectory() as place:
        files = photos(source, Path(place))
        index = Path(place) / "index"

        def ours():
            with mmsearch.open(index, model="lite") as opened:
                report = opened.add([files[0].parent])
            assert report.added == PHOTOS, report.failed[:3]

        def fed():
            with ThreadPoolExecutor(THREADS) as pool:
                batches(pool.map(decode, files))

        ran = Contender("mmsearch index", ours, before=lambda: shutil.rmtree(index, ignore_errors=True))
        name, turns = f"{PHOTOS:,} photos", Contender("loop, in turns", lambda: batches(map(decode, files)))
        races = [
            race(name, ran, Contender("loop, 2 decoders ahead", fed), rounds=ROUNDS, warmup=0, at_most=1.15),
            race(name, ran, turns, rounds=1, warmup=0, at_most=1.15),
        ]
        bytes_each = sum(path.stat().st_size for path in files) // len(files)
    return report(
        "indexing",
        f"Indexing {PHOTOS:,} photos with lite",
        races,
        packages=["onnxruntime", "pillow", "sqlalchemy"],
        notes=f"JPEG files of {bytes_each:,} bytes on average; {THREADS} decoding threads, ONNX Runtime with as many.",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of JPEG files")
    raise SystemExit(not main(parser.parse_args().photos))
