"""A few seconds of a sound, to be played on a page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
import soundfile

from mmsearch.errors import MediaError
from mmsearch.media.audio.ogg import without_serial
from mmsearch.media.audio.open_sound import open_sound
from mmsearch.media.audio.resample import resampled
from mmsearch.media.audio.sound_file import said

if TYPE_CHECKING:
    from mmsearch.types import AudioInput, FloatArray

CLIP_TYPE: Final = "audio/ogg"
"""What `clip` returns: OGG Vorbis, mono."""

_CLIP_RATE: Final = 22_050


def clip(source: AudioInput, start: float, end: float) -> bytes:
    """The seconds from `start` to `end` as a small mono OGG Vorbis file of at most 22,050 Hz, to be played on a page.

    The same sound gives the same bytes.

    Raises:
        MediaError: as `audio.decode`, or there is nothing between `start` and `end`.
    """
    sound = open_sound(source, start)
    wanted = max(0, round(end * sound.rate) - round(start * sound.rate))
    found: list[FloatArray] = []
    for block in sound.blocks:
        found.append(block[:wanted])
        wanted -= len(found[-1])
        if wanted <= 0:
            break
    samples = np.concatenate(found) if found else np.zeros(0, np.float32)
    if not len(samples):
        raise MediaError(f"no sound between {start:g} and {end:g} s")
    rate = min(sound.rate, _CLIP_RATE)
    samples = np.concatenate(list(resampled(iter((samples,)), sound.rate, rate)))
    encoded = io.BytesIO()
    try:
        with soundfile.SoundFile(encoded, "w", rate, 1, format="OGG", subtype="VORBIS") as file:
            for i in range(0, len(samples), rate):  # libvorbis overflows the stack when given minutes at once
                file.write(samples[i : i + rate])
    except (soundfile.SoundFileError, ValueError) as error:
        raise MediaError(f"cannot be encoded as OGG at {rate} Hz: {said(error)}") from error
    return without_serial(encoded.getvalue())
