"""JPEG decoders: Pillow, as mmsearch uses it, against faster ones, reduced to what an encoder of 224 pixels wants.

::

    pip install simplejpeg opencv-python-headless     # what is not there is left out
    python benchmarks/jpeg.py [--count 60]

Each decodes at the smallest of libjpeg's scales that keeps the short side at 448 pixels, and all give an RGB array.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

from ingredients import media
from reference import Contender, limit_threads, race, report

LEAST = 448  # twice what the encoder wants, as mmsearch's own decoder keeps it


def pillow(content: bytes):
    import numpy as np
    from PIL import Image

    image = Image.open(io.BytesIO(content))
    image.draft(None, (LEAST, LEAST))
    return np.asarray(image)


def simplejpeg(content: bytes):
    import simplejpeg

    return simplejpeg.decode_jpeg(content, min_height=LEAST, min_width=LEAST, min_factor=1)


def opencv(content: bytes):
    import cv2
    import numpy as np

    width, height = _size(content)
    factor = next(factor for factor in (8, 4, 2, 1) if min(width, height) >= factor * LEAST or factor == 1)
    flag = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), flag.get(factor, cv2.IMREAD_COLOR))
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def _size(content: bytes) -> tuple[int, int]:
    from PIL import Image

    return Image.open(io.BytesIO(content)).size


def main(count: int) -> bool:
    limit_threads(1)
    others, missing = [], []
    for decode, package in ((simplejpeg, "simplejpeg"), (opencv, "cv2")):
        try:
            __import__(package)
            others.append((package, decode))
        except ImportError:
            missing.append(package)
    if not others:
        print(f"nothing to compare with: {', '.join(missing)} are not installed")
        return True
    races = []
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        found = media.originals(place, None)
        sets = {
            "photos as they are": media.as_they_are(place / "small", found, 8 * count),
            "12-megapixel photos": media.from_camera(place / "large", found, count, distinct=min(count, 12)),
        }
        for what, files in sets.items():
            contents = [path.read_bytes() for path in files]
            for package, decode in others:
                ours = Contender("Pillow", lambda contents=contents: [pillow(one) for one in contents])
                theirs = Contender(package, lambda decode=decode, contents=contents: [decode(one) for one in contents])
                races.append(race(f"{len(contents)} {what}, one thread", ours, theirs, rounds=2))
    note = f"Not installed here, and left out: {', '.join(missing)}." if missing else ""
    return report("jpeg", "Decoding JPEG files for an encoder", races, packages=["pillow", "numpy"], notes=note)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60, help="photos of 12 megapixels; eight times as many small ones")
    raise SystemExit(not main(parser.parse_args().count))
