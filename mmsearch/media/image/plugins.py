"""Which of Pillow's classes reads which content.

Classes and not `Image.open`: that warns about sizes we allow, depends on globals, and tries formats we do not read.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final

from PIL import ExifTags, Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from mmsearch.errors import MediaError
from mmsearch.media.formats import content_of
from mmsearch.media.image.jpeg import Jpeg

_QUIET: Final = ("JPEG", "WEBP", "BMP")
_HEAD: Final = 256

_warnings = threading.Lock()


class Tiff(TiffImageFile):
    """Has the limit of `image.MAX_PIXELS` and not also Pillow's own, which is a global."""

    def load_prepare(self) -> None:
        """Make room for the pixels."""
        if self._im is None:
            self.im = Image.new(self.mode, self._tile_size).im
        super().load_prepare()


def _png(file: BinaryIO) -> ImageFile.ImageFile:
    image = PngImageFile(file)
    # A transparent colour is given in the file's bits per sample, and pixels are scaled to eight.
    colour, form = image.info.get("transparency"), image.tile[0].args if image.tile else None
    if isinstance(colour, int) and form in ("L;2", "L;4"):
        image.info["transparency"] = min(colour * (85 if form == "L;2" else 17), 255)
    elif isinstance(colour, tuple) and form == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in colour)
    return image


def _avif(file: BinaryIO) -> ImageFile.ImageFile:
    try:
        from PIL import AvifImagePlugin
    except ImportError:
        supported = False
    else:
        supported = AvifImagePlugin.SUPPORTED
    if not supported:
        raise MediaError("this build of Pillow cannot read AVIF: pip install --upgrade 'pillow>=11.3'")
    return AvifImagePlugin.AvifImageFile(file)


def _heif(file: BinaryIO) -> ImageFile.ImageFile:
    """HEVC goes to pillow-heif; AV1 in the same container, whose first brand may be `mif1`, to Pillow."""
    head = file.read(_HEAD)
    file.seek(0)
    if b"avif" in head[8 : int.from_bytes(head[:4], "big")]:  # the brands, in a box of that size
        return _avif(file)
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise MediaError("HEIC and HEIF are read by pillow-heif: pip install pillow-heif") from error
    image: ImageFile.ImageFile = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


_READERS: Final[Mapping[str, Callable[[Any], ImageFile.ImageFile]]] = {
    "JPEG": Jpeg,
    "PNG": _png,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": Tiff,
    "AVIF": _avif,
    "HEIF": _heif,
}


def content_name(file: BinaryIO) -> str:
    """What kind of picture a file holds, by its first bytes.

    Raises:
        MediaError: none that mmsearch reads.
    """
    content = content_of(file.read(16))
    file.seek(0)
    if content is None or content.name not in _READERS:
        raise MediaError(f"not a picture in a format mmsearch reads ({', '.join(_READERS)})")
    return content.name


def open_as(name: str, file: Any) -> ImageFile.ImageFile:  # noqa: ANN401  (Pillow's type for it is private)
    """Read the header. `name` is what `content_name` says."""
    file.seek(0)
    if name in _QUIET:
        return _READERS[name](file)
    # The others warn about junk tags and chunks. Filters are global to the process: the lock keeps our threads from
    # restoring each other's, and is held for the header only.
    with _warnings, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        image = _READERS[name](file)
        if name == "TIFF":  # read, and warned about, when loaded otherwise
            for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
                image.getexif().get_ifd(tag)
        return image
