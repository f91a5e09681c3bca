"""Pictures: a file, bytes, a Pillow image or an array to the square RGB array that an encoder wants.

::

    open (header only) ─► cap ─► decode, large JPEGs smaller, of a pyramid the level that is enough
      ─► opaque, 8 bits ─► upright ─► resize and crop at once ─► ICC profile to sRGB
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

from mmsearch.errors import MediaError
from mmsearch.media.image import colour, exif, pixels, plugins, tiff
from mmsearch.media.image.jpeg import Jpeg
from mmsearch.media.source import open_source
from mmsearch.types import ImageSpec, Medium, Modality, Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.types import ImageInput

MAX_PIXELS: Final = 1 << 28
"""Larger pictures are refused: 268 megapixels are 1 GiB in Pillow's memory. Phones make up to 200."""

_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Box-averages to at least three times the target before the bicubic filter. Against the filter alone, 12 megapixels to
# 224: 12 ms instead of 37, mean difference .18 of 255, largest 1. Below a factor of six nothing changes at all.
_REDUCING_GAP: Final = 3.0


@dataclass(frozen=True, slots=True)
class _Picture:
    """A decoded picture, upright, opaque, 8 bits; its colours are those of its profile, if it has one.

    `image` covers `extent` of its own pixels and may be a reduced copy of `width` x `height`.
    """

    image: Image.Image
    extent: tuple[float, float]
    width: int
    height: int
    profile: bytes | None
    taken: str | None


def decode(source: ImageInput, spec: ImageSpec) -> Medium:
    """Decode one picture, or the pages of a TIFF.

    The result equals torchvision's `Resize(resize, BICUBIC, antialias=True)` (or `BILINEAR`) and `CenterCrop(size)` to
    within rounding, but for JPEGs whose short side is at least four times the target: they are decoded at 1/2, 1/4 or
    1/8, never below twice the target. Of a pyramid, the smallest level that has twice the target is taken. Colours
    become sRGB.

    Args:
        source: a path, encoded bytes, a PIL image, or an array `(h, w)`, `(h, w, 3)` or `(h, w, 4)` uint8.
        spec: the encoder's wishes.

    Returns:
        One segment with content `(size, size, 3)` uint8, read-only; properties `width`, `height`, and `taken` if known.
        Of several pages: a segment for each, decoded when it is read, without those that are damaged; these properties
        of the first page, and `pages`.

    Raises:
        MediaError: it cannot be opened or decoded, is cut short, or has more than `MAX_PIXELS` pixels. Of several
            pages: none can be decoded, raised by the iterator.
    """
    least = 2 * (spec.size if spec.squash else spec.resize)
    with _translated():
        if isinstance(source, Image.Image | np.ndarray):
            picture = _given(source, least)
        else:
            with open_source(source) as file:
                name = plugins.content_name(file)
                pages = tiff.pages(file) if name == "TIFF" else []
                if len(pages) > 1:
                    return Medium(Modality.IMAGE, _each(source, pages, spec, least), _of_first(file, pages))
                picture = _read(file, name, pages, least)
        content = _fit(picture, spec)
    properties: dict[str, Any] = {"width": picture.width, "height": picture.height}
    if picture.taken:
        properties["taken"] = picture.taken
    return Medium(Modality.IMAGE, iter((Segment(content),)), properties)


def thumbnail(source: ImageInput, side: int = 320) -> bytes:
    """A small JPEG of a picture, its long side at most `side` pixels; of several pages, of the first.

    Raises:
        MediaError: as `decode`.
    """
    with _translated():
        if isinstance(source, Image.Image | np.ndarray):
            picture = _given(source, side)
        else:
            with open_source(source) as file:
                name = plugins.content_name(file)
                picture = _read(file, name, tiff.pages(file) if name == "TIFF" else [], side)
        small = picture.image
        if small is source:
            small = small.copy()  # `thumbnail` works in place, on the caller's own
        small.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=_REDUCING_GAP)
        encoded = io.BytesIO()
        colour.to_srgb(small, picture.profile).save(encoded, "JPEG", quality=80, optimize=True)
    return encoded.getvalue()


def _of_first(file: BinaryIO, pages: list[tiff.Page]) -> dict[str, Any]:
    """Properties of a TIFF with several pages; none of it is decoded."""
    properties: dict[str, Any] = {"width": pages[0].full.width, "height": pages[0].full.height, "pages": len(pages)}
    try:
        taken = _taken(plugins.open_as("TIFF", tiff.Redirected(file, pages[0].full)))
    except Exception:  # any page may be damaged
        return properties
    return properties | {"taken": taken} if taken else properties


def _each(source: str | bytes | Path, pages: list[tiff.Page], spec: ImageSpec, least: int) -> Iterator[Segment]:
    first_error: MediaError | None = None
    decoded = 0
    with open_source(source) as file:
        for number, page in enumerate(pages, 1):
            try:
                with _translated():
                    content = _fit(_read(file, "TIFF", [page], least), spec)
            except MediaError as error:
                first_error = first_error or error
                continue
            decoded += 1
            yield Segment(content, page=number)
    if first_error and not decoded:
        raise MediaError(f"none of {len(pages)} pages can be decoded; the first: {first_error}") from first_error


def _given(source: Image.Image | NDArray[Any], least: int) -> _Picture:
    """A picture that is in memory already."""
    image = _from_array(source) if isinstance(source, np.ndarray) else source
    _check_size(*image.size)
    return _upright(image, *image.size, least)


def _read(file: BinaryIO, name: str, pages: list[tiff.Page], least: int) -> _Picture:
    """Decode and turn upright. JPEGs and pyramids may come smaller: the short side stays at `least` pixels.

    Args:
        file: anywhere.
        name: of its content.
        pages: of a TIFF; the first is read.
        least: pixels.
    """
    if pages:
        full = pages[0].full
        chosen = pages[0].best(least, MAX_PIXELS)
        _check_size(chosen.width, chosen.height)
        image = plugins.open_as(name, tiff.Redirected(file, chosen))
        image.load()  # and turned upright, by Pillow
        return _upright(image, full.width, full.height, least)
    image = plugins.open_as(name, file)
    width, height = image.size
    _check_size(width, height)
    if isinstance(image, Jpeg):
        image.draft(None, (least, least))
    image.load()  # a PNG may have its EXIF block at the end, and a HEIF turns out to be of another size
    return _upright(image, *((width, height) if isinstance(image, Jpeg) else image.size), least)


def _from_array(array: NDArray[Any]) -> Image.Image:
    shape = array.shape
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and shape[2] in (3, 4))) or not array.size:
        raise MediaError(f"array must be (h, w), (h, w, 3) or (h, w, 4) uint8, not {shape} {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array))


def _check_size(width: int, height: int) -> None:
    if not width or not height:
        raise MediaError(f"picture of {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise MediaError(f"picture of {width} x {height} pixels; mmsearch reads up to {MAX_PIXELS >> 20} megapixels")


def _upright(image: Image.Image, width: int, height: int, least: int) -> _Picture:
    """Apply the EXIF orientation. `width` and `height` are of the whole picture; `image` may be a smaller copy."""
    image.load()
    block, profile = image.info.get("exif"), image.info.get("icc_profile")
    found = exif.parse(block) if isinstance(block, bytes) else exif.Exif()
    flat = pixels.opaque(image, least)
    across, down = float(image.width), float(image.height)
    if isinstance(image, Jpeg):  # a draft rounds its size up: 1001 pixels at half size are 501, 500.5 of picture
        scale = max(1, round(width / image.width), round(height / image.height))
        across, down = width / scale, height / scale
    extent = (across / flat.factor, down / flat.factor)
    upright = flat.image
    if found.orientation in _UPRIGHT:
        upright = upright.transpose(_UPRIGHT[found.orientation])
    if found.orientation >= 5:
        width, height, extent = height, width, extent[::-1]
    taken = _taken(image) if isinstance(image, TiffImageFile) else found.taken
    return _Picture(upright, extent, width, height, profile if isinstance(profile, bytes) else None, taken)


def _taken(image: Image.Image) -> str | None:
    """Of a TIFF, whose EXIF tags are among its own."""
    return exif.iso_date(image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal))


def _fit(picture: _Picture, spec: ImageSpec) -> NDArray[np.uint8]:
    """Resize and crop in one step, so that a picture of 10 x 100,000 pixels costs no more than any other."""
    across, down = picture.extent
    box = (0.0, 0.0, across, down)
    if not spec.squash:
        width, height = picture.width, picture.height
        short, long = min(width, height), max(width, height)
        resized = spec.resize, int(spec.resize * long / short)  # torchvision's rule: the long side is cut off
        new_width, new_height = resized if width <= height else resized[::-1]
        left, top = round((new_width - spec.size) / 2.0), round((new_height - spec.size) / 2.0)
        x, y = across / new_width, down / new_height
        right, bottom = min((left + spec.size) * x, across), min((top + spec.size) * y, down)
        box = (left * x, top * y, right, bottom)
    resampling = Image.Resampling.BILINEAR if spec.bilinear else Image.Resampling.BICUBIC
    small = picture.image.resize((spec.size, spec.size), resampling, box, _REDUCING_GAP)
    return np.asarray(colour.to_srgb(small, picture.profile))


_NO_MEMORY: Final = re.compile("out of memory|memory allocation|allocating", re.IGNORECASE)
_SAID: Final = {"not identified by this driver": "it has no pixels"}


@contextmanager
def _translated() -> Iterator[None]:
    """Pillow's errors as ours. Broken files raise anything: OSError, SyntaxError, struct.error, IndexError .."""
    try:
        yield
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("not enough memory to decode the picture") from error
    except Image.DecompressionBombError as error:  # WebP and GIF, where Pillow has a limit of its own
        raise MediaError("larger than Pillow reads pictures of this format (179 megapixels)") from error
    except Exception as error:
        said = str(error).partition("\n")[0].strip()
        if _NO_MEMORY.search(said):
            raise MediaError("not enough memory to decode the picture") from error
        raise MediaError(f"broken picture: {_SAID.get(said, said) or type(error).__name__}"[:200]) from error
