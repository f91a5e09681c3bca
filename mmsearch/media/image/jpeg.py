"""JPEG as we read it: no warnings about its EXIF, and an error where Pillow would show a picture that ends in grey.

Layout: ITU-T T.81, annex B.
"""

from __future__ import annotations

import os
from typing import Final

from PIL.JpegImagePlugin import JpegImageFile

from mmsearch.errors import MediaError

_TAIL: Final = 16
_SCAN, _END = b"\xff\xda", b"\xff\xd9"


class Jpeg(JpegImageFile):
    """Skips Pillow's own EXIF reader, which is asked only for the density, is slow, and warns about junk."""

    def _open(self) -> None:
        if self._ends_in_zeros():
            raise MediaError("cut short: the file ends in zeros")
        super()._open()

    def _read_dpi_from_exif(self) -> None:
        pass

    def _ends_in_zeros(self) -> bool:
        """Whether the end was never written, as in a download that reserved its room: zeros, and no end of image.

        To the decoder zeros are pixels. A file that ends otherwise is left to it.
        """
        file = self.fp
        assert file is not None
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        tail = file.read(_TAIL)
        file.seek(0)
        if any(tail):
            return False
        content = file.read()
        file.seek(0)
        at = 2
        while content[at : at + 2] != _SCAN:  # what comes before may hold a thumbnail, with an end of its own
            if content[at : at + 1] != b"\xff":
                return False
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big") if content[at + 1 : at + 2] != b"\xff" else 1
        return content.find(_END, at) < 0
