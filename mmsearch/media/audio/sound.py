"""An open sound, whoever decodes it, and what is refused of one: absurd rates, no channels, more than two days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mmsearch.errors import MediaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.types import FloatArray

MAX_SECONDS: Final = 48 * 3600
"""Longer sounds are refused: by what the header says, and else while they are read."""

RATES: Final = range(100, 768_000 + 1)
"""In Hz. Below is nothing that one could hear; above are recordings of radio waves, and damaged headers."""

BLOCK: Final = 1 << 16
"""Samples, of all channels, that are decoded at once; 1.5 s of a mono CD."""

LEAD: Final = 1.0
"""Seconds decoded before those that are wanted: what a decoder gives first is not right yet."""

_PIECE: Final = 10  # seconds handed on at once: a block at 100 Hz is eleven minutes, 120 MB at 48 kHz
_MAX_CHANNELS: Final = 64  # of an array; more is an array the wrong way round


@dataclass(frozen=True, slots=True)
class Sound:
    """An open sound; its file is closed when `blocks` ends or is dropped.

    Attributes:
        blocks: mono float32, finite, not empty; read once.
        rate: of the blocks, in Hz.
        channels: that it has in its file.
        seconds: how long it is, as the header says, whatever the file holds; None where it says nothing.
    """

    blocks: Iterator[FloatArray]
    rate: int
    channels: int
    seconds: float | None


def checked(sound: Sound) -> Sound:
    """The same sound, with blocks of at most ten seconds that end in an error after `MAX_SECONDS`.

    Raises:
        MediaError: its rate is none of `RATES`, it has no channels, or it says that it is too long.
    """
    check_rate(sound.rate)
    if sound.channels <= 0:
        raise MediaError(f"a sound of {sound.channels} channels")
    if sound.seconds is not None and sound.seconds > MAX_SECONDS:
        raise _too_long(f"{sound.seconds / 3600:.0f} h" if sound.seconds < 3.6e9 else "more than a million hours")
    return replace(sound, blocks=_within_limit(sound.blocks, sound.rate))


def check_rate(rate: int) -> None:
    """Raise `MediaError` if a rate is none of `RATES`."""
    if rate not in RATES:
        raise MediaError(f"a sampling rate of {rate:,} Hz; mmsearch reads {RATES[0]:,} to {RATES[-1]:,} Hz")


def from_samples(samples: NDArray[Any], rate: int, start: float = 0.0) -> Sound:
    """A sound in memory, from `start` seconds on.

    Args:
        samples: `(n,)` or `(n, channels)`, float in [-1, 1] or integer PCM.
        rate: in Hz.
        start: in seconds, not negative.

    Raises:
        MediaError: it is no such array, or the rate is no positive whole number.
    """
    samples = np.asarray(samples)
    if not isinstance(rate, (int, np.integer, float, np.floating)) or not rate >= 1 or rate != int(rate):
        raise MediaError(f"the rate must be a positive whole number of Hz, not {rate!r}")
    if samples.ndim == 1:
        samples = samples[:, None]
    if samples.ndim != 2 or not 1 <= samples.shape[1] <= _MAX_CHANNELS:
        raise MediaError(f"samples must be (n,) or (n, channels), not {samples.shape}")
    if samples.dtype.kind not in "fiu" or samples.dtype.itemsize > (8 if samples.dtype.kind == "f" else 4):
        raise MediaError(f"samples must be float or 8, 16 or 32 bit integers, not {samples.dtype}")
    seconds, samples = len(samples) / rate, samples[round(start * rate) :]
    blocks = (mono(samples[i : i + BLOCK]) for i in range(0, len(samples), BLOCK))
    return Sound(blocks, int(rate), samples.shape[1], seconds)


def mono(block: NDArray[Any]) -> FloatArray:
    """The mean of the channels.

    Args:
        block: `(n, channels)`, float in [-1, 1] or integer PCM; unsigned samples have their zero in the middle.

    Returns:
        `(n,)` float32, contiguous, in [-1, 1] if the block was.

    Raises:
        MediaError: it has samples that are NaN or infinite.
    """
    block = _unit_range(block)
    with np.errstate(invalid="ignore", over="ignore"):
        mixed: FloatArray = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
    if not np.isfinite(mixed).all():
        raise MediaError("samples that are NaN or infinite")
    return np.ascontiguousarray(mixed)


def skipped(blocks: Iterator[FloatArray], samples: int) -> Iterator[FloatArray]:
    """The same sound without its first `samples`."""
    for block in blocks:
        if len(block) > samples:
            yield block[samples:]
        samples = max(0, samples - len(block))


def _unit_range(block: NDArray[Any]) -> FloatArray:
    if block.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return block.astype(np.float32, copy=False)
    half = 2.0 ** (8 * block.dtype.itemsize - 1)
    return ((block.astype(np.float64) - (half if block.dtype.kind == "u" else 0)) / half).astype(np.float32)


def _within_limit(blocks: Iterator[FloatArray], rate: int) -> Iterator[FloatArray]:
    left = MAX_SECONDS * rate
    for block in blocks:
        left -= len(block)
        if left < 0:
            raise _too_long(f"more than {MAX_SECONDS // 3600} h")
        for i in range(0, len(block), _PIECE * rate):
            yield block[i : i + _PIECE * rate]


def _too_long(length: str) -> MediaError:
    return MediaError(f"sound of {length}; mmsearch reads up to {MAX_SECONDS // 3600} h: cut it into several files")
