"""Sounds: a file, bytes or samples to mono windows at the encoder's rate, in constant memory.

::

    blocks of frames ─► mono ─► resample (soxr, as a stream) ─► windows of `window` s every `hop` s
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import MediaError
from mmsearch.media.audio.clip import CLIP_TYPE, clip
from mmsearch.media.audio.open_sound import open_sound
from mmsearch.media.audio.resample import resampled
from mmsearch.types import AudioSpec, Medium, Modality, Segment

if TYPE_CHECKING:
    from mmsearch.media.audio.sound import Sound
    from mmsearch.types import AudioInput, FloatArray

__all__ = ["CLIP_TYPE", "clip", "decode"]


def decode(source: AudioInput, spec: AudioSpec) -> Medium:
    """Open one sound, and cut it into windows while they are read.

    Window k begins at `k * hop` seconds and is `window` seconds long. There is a first one, and another one as long as
    the sound goes on after the end of the one before: with 10 s every 5 s, a sound of 10 s has one window, one of 12 s
    has [0, 10) and [5, 12). Only the last may be short. Every sample is in at least one window, if `hop <= window`.
    Time 0 is where the sound begins, which in a video may be later than the picture.

    Args:
        source: a path, encoded bytes, or `(samples, rate)` with samples `(n,)` or `(n, channels)`, float in [-1, 1] or
            integer PCM, and the rate in Hz.
        spec: the encoder's wishes.

    Returns:
        Segments with content `(n,)` float32 in [-1, 1], start and end in seconds; the properties `rate`, `channels` and
        `seconds` are what the file's header says. Where it says no length (AAC without a container, WebM of a browser)
        `seconds` is counted, and left out if that cannot be done. Most files that are cut short hold what is left of
        them; the header may then promise more seconds than the segments have.

    Raises:
        MediaError: it cannot be opened, is empty, has an absurd rate, or is longer than `sound.MAX_SECONDS`. Damage
            further on, samples that are NaN or infinite, and a length that the header hid are raised while the segments
            are read.
    """
    sound = open_sound(source)
    first = next(sound.blocks, None)
    if first is None:
        raise MediaError("no sound: 0 samples")
    properties: dict[str, float] = {"rate": sound.rate, "channels": sound.channels}
    if sound.seconds is not None:
        properties["seconds"] = sound.seconds
    return Medium(Modality.AUDIO, _windows(sound, first, spec), properties)


def _windows(sound: Sound, first: FloatArray, spec: AudioSpec) -> Iterator[Segment]:
    """Cut what comes out of the resampler. Holds one window and one block."""
    window, hop = round(spec.window * spec.rate), round(spec.hop * spec.rate)
    kept = np.zeros(0, np.float32)
    begin = 0  # of `kept`, in samples at the spec's rate
    for block in resampled(chain((first,), sound.blocks), sound.rate, spec.rate):
        kept = np.concatenate([kept, block])
        while len(kept) > window:  # and not >=: only then is it known that there is another one
            yield _segment(kept[:window], begin / spec.rate, (begin + window) / spec.rate)
            kept, begin = kept[hop:], begin + hop
    end = (begin + len(kept)) / spec.rate
    # Resampling rounds to whole samples: the last end is the sound's own, unless the header was wrong about that.
    own = sound.seconds if sound.seconds is not None and abs(end - sound.seconds) < 1 / spec.rate else end
    yield _segment(kept, begin / spec.rate, own)


def _segment(samples: FloatArray, start: float, end: float) -> Segment:
    # Resampling overshoots. `clip` copies, too: a window must not keep the blocks alive that it is cut from.
    return Segment(np.clip(samples, -1, 1), start, end)
