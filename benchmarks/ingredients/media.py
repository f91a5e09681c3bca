"""Photos and sounds to measure with: real ones, in the sizes that a camera and a recorder make.

Research data may not be copied into the project; it is looked for beside the checkout, and the demo's own media stand
in where it is not there.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

SHARED = Path(__file__).parents[3] / "shared" / "data"
CAPTIONED = SHARED / "flickr8k-dev"  # with captions.json and images/
ESC10 = SHARED / "esc10-folds12"  # with items.json and audio/
CAMERA = (4000, 3000)
GRAIN = 6.0  # standard deviation, of 255: of a phone's sensor in a living room


def originals(place: Path, photos: Path | None = None) -> list[Path]:
    """Real photos: of `photos`, or of Flickr8k where it is, or crops of the demo's, which are made below `place`."""
    folder = photos or CAPTIONED / "images"
    if not folder.is_dir():
        folder = place / "crops"
        if not folder.is_dir():
            _crops(folder)
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))


def as_they_are(folder: Path, found: list[Path], count: int) -> list[Path]:
    """`count` files whose bytes differ: copies, with a few bytes behind the end of the JPEG."""
    folder.mkdir(parents=True)
    for number, path in enumerate(itertools.islice(itertools.cycle(found), count)):
        (folder / f"{number:05}.jpg").write_bytes(path.read_bytes() + number.to_bytes(4, "big"))
    return sorted(folder.iterdir())


def from_camera(folder: Path, found: list[Path], count: int, distinct: int = 16) -> list[Path]:
    """`count` JPEGs of 12 megapixels, quality 90: photos enlarged, with grain, so that they are as hard to decode.

    A picture that is only enlarged has no detail, and its JPEG decodes much faster than a camera's. `distinct` are
    made, the others are copies with a few bytes behind the end.
    """
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number, path in enumerate(found[: min(distinct, count)]):
        large = Image.open(path).convert("RGB").resize(CAMERA, Image.Resampling.BICUBIC)
        noise = draw.standard_normal((CAMERA[1], CAMERA[0], 1), np.float32) * GRAIN
        grainy = np.clip(np.asarray(large, np.float32) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(grainy).save(folder / f"{number:05}.jpg", quality=90)
    _repeat(folder, count)
    return sorted(folder.iterdir())


def sounds(folder: Path, count: int, seconds: float = 10.0, distinct: int = 1_000_000) -> list[Path]:
    """`count` sounds of so many seconds as Ogg Vorbis: recordings of ESC-10 one after another, or of the demo's.

    `distinct` are encoded, the others are copies with a few bytes behind the end.
    """
    import numpy as np
    import soundfile

    folder.mkdir(parents=True)
    found = itertools.cycle(recordings(folder.parent))
    for number in range(min(distinct, count)):
        kept, rate = np.zeros(0, np.float32), 44_100
        while len(kept) < seconds * rate:
            samples, rate = soundfile.read(str(next(found)), dtype="float32", always_2d=True)
            kept = np.concatenate([kept, samples.mean(axis=1)])
        soundfile.write(str(folder / f"{number:05}.ogg"), kept[: int(seconds * rate)], rate)
    _repeat(folder, count)
    return sorted(folder.iterdir())


def _repeat(folder: Path, count: int) -> None:
    """Copies of what is there until there are `count`, each with other bytes behind its end."""
    made = sorted(folder.iterdir())
    for number in range(len(made), count):
        path = made[number % len(made)]
        (folder / f"{number:05}{path.suffix}").write_bytes(path.read_bytes() + number.to_bytes(4, "big"))


def recordings(place: Path) -> list[Path]:
    """Real sounds: of ESC-10 where it is, else of the demo."""
    folder = ESC10 / "audio"
    if folder.is_dir():
        return sorted(folder.glob("*.ogg"))
    from mmsearch.demo.corpus import build

    return sorted((build(place / "demo").media / "sounds").iterdir())


def _crops(folder: Path) -> None:
    from PIL import Image

    from mmsearch.demo.corpus import build

    draw = random.Random(0)
    folder.mkdir(parents=True)
    for path in sorted((build(folder.parent / "demo").media / "pictures").glob("*.jpg")):
        picture = Image.open(path).convert("RGB")
        for number in range(30):
            side = draw.randint(224, min(picture.size))
            left, top = draw.randint(0, picture.width - side), draw.randint(0, picture.height - side)
            picture.crop((left, top, left + side, top + side)).save(folder / f"{path.stem}-{number}.jpg", quality=90)
