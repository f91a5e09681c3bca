"""From every kind of pixel that Pillow knows to those that can be resized: opaque, 8 bits.

Done tile by tile, and large pictures are reduced on the way: a picture of 268 megapixels with transparency is a
gigabyte, and there is no room for a second and a third one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from PIL import Image

_TILE: Final = 2048
_READY: Final = ("L", "RGB", "CMYK", "LAB")

_Convert: TypeAlias = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True, slots=True)
class Opaque:
    """A picture of mode L, RGB, CMYK or LAB without transparency, each pixel the mean of `factor` x `factor`."""

    image: Image.Image
    factor: int


def opaque(image: Image.Image, least: int) -> Opaque:
    """Transparency is laid on white, 16-bit greys keep their high byte, 32-bit ones are stretched to the whole range.

    Args:
        image: loaded; it is not changed, and may be returned itself.
        least: what is reduced on the way keeps a short side of at least 1.5 times this.
    """
    if image.mode in _READY and not image.has_transparency_data:
        return Opaque(image, 1)  # resizing reduces it
    convert = _converter(image)
    factor = max(1, 2 * min(image.size) // (3 * least))
    whole = None
    for left, top, tile in _tiles(image, factor):
        small = convert(tile).reduce(factor)
        if small.size == image.size:
            return Opaque(small, 1)
        if whole is None:
            whole = Image.new(small.mode, (-(-image.width // factor), -(-image.height // factor)))
        whole.paste(small, (left // factor, top // factor))
    assert whole is not None
    return Opaque(whole, factor)


def _tiles(image: Image.Image, factor: int) -> Iterator[tuple[int, int, Image.Image]]:
    """Left, top and copy of each tile; tiles begin at multiples of `factor`."""
    side = factor * max(1, _TILE // factor)
    for top in range(0, image.height, side):
        for left in range(0, image.width, side):
            right, bottom = min(left + side, image.width), min(top + side, image.height)
            # Not `crop`, which may warn about the size.
            tile = image.resize((right - left, bottom - top), Image.Resampling.NEAREST, (left, top, right, bottom))
            yield left, top, tile


def _converter(image: Image.Image) -> _Convert:
    if image.mode.startswith("I;16"):
        transparent = image.info.get("transparency")
        return lambda tile: _high_byte(tile, transparent)
    if image.mode in ("I", "F"):
        return _stretcher(image)
    if image.has_transparency_data:
        return _on_white
    return lambda tile: tile.convert("L" if tile.mode == "1" else "RGB")


def _high_byte(tile: Image.Image, transparent: object) -> Image.Image:
    values = np.asarray(tile)
    grey = (values >> 8).astype(np.uint8)
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def _stretcher(image: Image.Image) -> _Convert:
    """Maps the smallest value to black and the largest to white; what is not finite is black."""
    low, high = np.inf, -np.inf
    for _, _, tile in _tiles(image, 1):
        values = np.asarray(tile)
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    scale = 255 / (high - low) if high > low else 0.0

    def stretch(tile: Image.Image) -> Image.Image:
        values = np.asarray(tile, dtype=np.float64)
        grey = (np.where(np.isfinite(values), values, low) - (low if np.isfinite(low) else 0)) * scale
        return Image.fromarray(np.nan_to_num(grey).clip(0, 255).round().astype(np.uint8))

    return stretch


def _on_white(tile: Image.Image) -> Image.Image:
    grey = tile.mode in ("L", "LA", "La", "1")
    tile = tile.convert("LA" if grey and tile.mode != "1" else "RGBA")
    white = Image.new("L" if tile.mode == "LA" else "RGB", tile.size, "white")
    white.paste(tile.convert(white.mode), mask=tile.getchannel("A"))
    return white
