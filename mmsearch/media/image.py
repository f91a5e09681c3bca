"""Pictures: a file, bytes, a Pillow image or an array to the square RGB array that an encoder wants.

::

    open (header only) ─► cap ─► decode, large JPEGs smaller ─► upright ─► 8-bit RGB on white ─► resize and crop at once
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import ExifTags, Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from mmsearch.errors import MediaError
from mmsearch.media import exif
from mmsearch.media.formats import content_of
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

_warnings = threading.Lock()


class _Jpeg(JpegImageFile):
    """Skips Pillow's own EXIF reader, which is asked only for the density, is slow, and warns about junk."""

    def _read_dpi_from_exif(self) -> None:
        pass


# Classes and not `Image.open`: that warns about sizes we allow, depends on a global, and tries formats we do not read.
_PLUGINS: Final[Mapping[str, type[ImageFile.ImageFile]]] = {
    "JPEG": _Jpeg,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}


@dataclass(frozen=True, slots=True)
class _Picture:
    """A decoded picture, upright, 8-bit RGB; `pixels` covers `extent` of its own pixels and may be a reduced copy."""

    pixels: Image.Image
    extent: tuple[float, float]
    width: int
    height: int
    taken: str | None


def decode(source: ImageInput, spec: ImageSpec) -> Medium:
    """Decode one picture.

    The result equals torchvision's `Resize(resize, BICUBIC, antialias=True)` and `CenterCrop(size)` to within rounding,
    but for JPEGs whose short side is at least four times the target: they are decoded at 1/2, 1/4 or 1/8, never below
    twice the target.

    Args:
        source: a path, encoded bytes, a PIL image, or an array `(h, w)`, `(h, w, 3)` or `(h, w, 4)` uint8.
        spec: the encoder's wishes.

    Returns:
        One segment with content `(size, size, 3)` uint8, read-only; properties `width`, `height`, and `taken` if known.

    Raises:
        MediaError: it cannot be opened or decoded, is cut short, or has more than `MAX_PIXELS` pixels.
    """
    with _translated():
        picture = _read(source, least=2 * (spec.size if spec.squash else spec.resize))
        content = np.asarray(_fit(picture, spec))
    properties: dict[str, Any] = {"width": picture.width, "height": picture.height}
    if picture.taken:
        properties["taken"] = picture.taken
    return Medium(Modality.IMAGE, iter((Segment(content),)), properties)


def thumbnail(source: ImageInput, side: int = 320) -> bytes:
    """A small JPEG of a picture, its long side at most `side` pixels.

    Raises:
        MediaError: as `decode`.
    """
    with _translated():
        small = _read(source, least=side).pixels
        if small is source:
            small = small.copy()  # `thumbnail` works in place, on the caller's own
        small.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=_REDUCING_GAP)
        encoded = io.BytesIO()
        small.save(encoded, "JPEG", quality=80, optimize=True)
    return encoded.getvalue()


def _read(source: ImageInput, least: int) -> _Picture:
    """Decode, turn upright, make RGB. JPEGs may come smaller, as long as the short side stays at `least` pixels."""
    if isinstance(source, np.ndarray):
        source = _from_array(source)
    if isinstance(source, Image.Image):
        _check_size(source)
        return _upright(source, *source.size)
    with open_source(source) as file:
        image = _open(file.read(16), file)
        _check_size(image)
        width, height = image.size
        if isinstance(image, _Jpeg):
            image.draft(None, (least, least))
            picture = _upright(image, width, height)
        else:
            image.load()  # a TIFF is turned upright by Pillow, and a PNG may have its EXIF block at the end
            picture = _upright(image, *image.size)
        return picture


def _open(head: bytes, file: Any) -> ImageFile.ImageFile:  # noqa: ANN401  (Pillow's type for it is private)
    """Read the header."""
    content = content_of(head)
    if content is None or content.name not in _PLUGINS:
        raise MediaError(f"not a picture in a format mmsearch reads ({', '.join(_PLUGINS)})")
    file.seek(0)
    plugin = _PLUGINS[content.name]
    if content.name not in ("PNG", "TIFF"):
        return plugin(file)
    # These warn about junk tags and chunks. Filters are global to the process: the lock keeps our threads from
    # restoring each other's, and is held for the header only.
    with _warnings, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        image = plugin(file)
        if content.name == "TIFF":  # read, and warned about, when loaded otherwise
            for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
                image.getexif().get_ifd(tag)
        return image


def _from_array(array: NDArray[Any]) -> Image.Image:
    shape = array.shape
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and shape[2] in (3, 4))) or not array.size:
        raise MediaError(f"array must be (h, w), (h, w, 3) or (h, w, 4) uint8, not {shape} {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array))


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if not width or not height:
        raise MediaError(f"picture of {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise MediaError(f"picture of {width} x {height} pixels; mmsearch reads up to {MAX_PIXELS >> 20} megapixels")


def _upright(image: Image.Image, width: int, height: int) -> _Picture:
    """Apply the EXIF orientation. `width` and `height` are of the whole picture, `image` may be a draft of it."""
    image.load()
    block = image.info.get("exif")
    found = exif.parse(block) if isinstance(block, bytes) else exif.Exif()
    taken = found.taken
    if isinstance(image, TiffImageFile):
        taken = exif.iso_date(image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal))
    # A draft rounds its size up: 1001 pixels at half size are 501, of which 500.5 are picture.
    scale = max(1, round(width / image.width), round(height / image.height))
    extent = (width / scale, height / scale)
    pixels = _rgb(image)
    if found.orientation in _UPRIGHT:
        pixels = pixels.transpose(_UPRIGHT[found.orientation])
    if found.orientation >= 5:
        width, height, extent = height, width, extent[::-1]
    return _Picture(pixels, extent, width, height, taken)


def _rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB: transparency on white, 16-bit greys by their high byte, 32-bit ones stretched to the whole range."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0, neginf=0)
        values -= values.min()
        image = Image.fromarray((values * (255 / (values.max() or 1))).round().astype(np.uint8))
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _fit(picture: _Picture, spec: ImageSpec) -> Image.Image:
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
    return picture.pixels.resize((spec.size, spec.size), Image.Resampling.BICUBIC, box, _REDUCING_GAP)


@contextmanager
def _translated() -> Iterator[None]:
    """Pillow's errors as ours. Broken files raise anything: OSError, SyntaxError, struct.error, IndexError .."""
    try:
        yield
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("not enough memory to decode the picture") from error
    except Exception as error:
        said = str(error).partition("\n")[0].strip()
        raise MediaError(f"broken picture: {said or type(error).__name__}"[:200]) from error
