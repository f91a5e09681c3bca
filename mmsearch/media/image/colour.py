"""ICC profiles: the small picture that is left after resizing, from its own colours to sRGB.

Done after the resizing, where it costs a millisecond, and so on the picture's own channels: CMYK is resized as CMYK.

ICC.1:2010 (profile version 4.3), sections 7.2 (header) and 6.2 (rendering intents).
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsProfile, ImageCmsTransform

LARGEST_PROFILE: Final = 16 << 20
"""Bytes. Profiles of printing presses have up to ten megabytes; what is larger counts as absent."""

_MODES: Final = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_CLASSES: Final = ("scnr", "mntr", "prtr", "spac")  # of a device's colours; links and abstract profiles are not

# Of 255. The many profiles that are called sRGB differ by this much from each other: to convert would only round twice.
_SAME: Final = 2


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An opaque picture of mode L, RGB, CMYK or LAB as RGB.

    Perceptual intent with black point compensation, as printing houses and viewers do; for the matrix profiles of
    cameras and screens that is relative colorimetric, as browsers do. A profile that is broken, or of other channels
    than the picture, counts as absent: then RGB is sRGB already, and CMYK is converted by Pillow's formula.
    """
    if image.mode == "LAB":  # device independent, with no need of a profile
        return image.convert("RGB")
    if profile and len(profile) <= LARGEST_PROFILE:
        for mode in (image.mode, "RGB") if image.mode == "L" else (image.mode,):  # grey pictures may have an RGB one
            if (transform := _transform(profile, mode)) is not None:
                from PIL import ImageCms

                converted = ImageCms.applyTransform(image if image.mode == mode else image.convert(mode), transform)
                assert converted is not None  # as it would be in place
                return converted
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCmsTransform | None:
    """From a profile to sRGB, for pictures of a mode. None: it is of other channels, broken, or sRGB itself."""
    try:
        from PIL import ImageCms

        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _MODES.get(source.profile.xcolor_space.strip()) != mode or source.profile.device_class not in _CLASSES:
            return None
        intent, flags = ImageCms.Intent.PERCEPTUAL, ImageCms.Flags.BLACKPOINTCOMPENSATION
        transform = ImageCms.buildTransform(source, _srgb(), mode, "RGB", intent, flags)
        probe = _probe(mode)
        found, plain = ImageCms.applyTransform(probe, transform), probe.convert("RGB")
    except Exception:  # of any kind, as profiles are broken in any way, and a Pillow may lack LittleCMS
        return None
    changed = np.abs(np.asarray(found, np.int16) - np.asarray(plain, np.int16)).max()
    return transform if mode == "CMYK" or changed > _SAME else None


@lru_cache(maxsize=1)
def _srgb() -> ImageCmsProfile:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _probe(mode: str) -> Image.Image:
    """All greys, and a grid of 6 steps per channel, as a picture of one row."""
    bands = Image.getmodebands(mode)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], bands, axis=1)
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 51, dtype=np.uint8)] * bands), axis=-1).reshape(-1, bands)
    values = np.concatenate([greys, grid])
    return Image.frombytes(mode, (len(values), 1), values.tobytes())
