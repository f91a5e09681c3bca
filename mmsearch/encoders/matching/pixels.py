"""How a matching model wants its pictures, as `preprocessor_config.json` says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.matching.source import setting
from mmsearch.encoders.pretrained import read_json
from mmsearch.errors import WeightsDamaged
from mmsearch.types import ImageSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch.types import FloatArray

DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "blip": {
        "size": {"height": 384, "width": 384},
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    },
    "vilt": {
        "size": {"shortest_edge": 384},
        "size_divisor": 32,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    },
}
LONGEST: Final = 1333 / 800  # of ViLT: the long side to the short one


@dataclass(frozen=True, slots=True)
class Pixels:
    """The wishes of one model.

    Attributes:
        side: of the square that BLIP sees, or the short side of what ViLT sees, in pixels.
        mean: by channel, of values in [0, 1].
        std: by channel.
        divisor: 0 for a square; else the picture keeps its shape, and both sides are made multiples of this.
    """

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    divisor: int = 0

    @classmethod
    def read(cls, folder: Path, kind: str) -> Pixels:
        """Of the model in a folder.

        Raises:
            WeightsDamaged: its settings cannot be read, or make no sense.
        """
        path = setting(folder, "preprocessor_config.json")
        said = read_json(path)
        said = {**DEFAULTS[kind], **said.get("image_processor", said)}
        size = said["size"]
        try:
            side = int(size if isinstance(size, int) else size.get("shortest_edge") or size["height"])
            mean, std = (tuple(map(float, said[name])) for name in ("image_mean", "image_std"))
            divisor = int(said["size_divisor"]) if kind == "vilt" else 0
            if side < 1 or len(mean) != 3 or len(std) != 3 or min(std) <= 0:
                raise ValueError(f"size {size}, image_mean {mean}, image_std {std}")
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise WeightsDamaged(f"{path} does not say how large pictures are ({error}); download it again") from error
        return cls(side, mean, std, divisor)

    @property
    def spec(self) -> ImageSpec:
        """What pictures are decoded to: a square, for ViLT one as large as its long side may be."""
        side = self.side if not self.divisor else int(LONGEST * self.side)
        return ImageSpec(size=side, resize=side, squash=True)

    def shape(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that a picture is given."""
        if not self.divisor:
            return self.side, self.side
        longest = int(LONGEST * self.side)
        scale = min(self.side / min(width, height), longest / max(width, height))
        across, down = (int(scale * side + 0.5) // self.divisor * self.divisor for side in (width, height))
        return max(across, self.divisor), max(down, self.divisor)

    def batch(self, pictures: Sequence[NDArray[np.uint8]]) -> tuple[FloatArray, NDArray[np.int64]]:
        """Values `(n, 3, h, w)` and mask `(n, h, w)`, 1 where there is a picture, of pictures `(h, w, 3)` uint8 RGB.

        Smaller ones are filled up to the right and below.
        """
        height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
        values = np.zeros((len(pictures), 3, height, width), np.float32)
        mask = np.zeros((len(pictures), height, width), np.int64)
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        for number, picture in enumerate(pictures):
            down, across = picture.shape[:2]
            values[number, :, :down, :across] = ((picture.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)
            mask[number, :down, :across] = 1
        return values, mask
