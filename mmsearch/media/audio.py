"""Sounds: a file, bytes or samples to mono windows at the encoder's rate, in constant memory.

::

    blocks of frames ─► mono ─► resample (soxr, as a stream) ─► windows of `window` s every `hop` s
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import soundfile
import soxr

from mmsearch.errors import MediaError
from mmsearch.media.source import open_source
from mmsearch.types import AudioSpec, Medium, Modality, Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.types import AudioInput, FloatArray

CLIP_TYPE: Final = "audio/ogg"
"""What `clip` returns: OGG Vorbis, mono."""

_BLOCK: Final = 1 << 16  # frames; 1.5 s of a CD
_MAX_CHANNELS: Final = 64  # more is an array the wrong way round
_CLIP_RATE: Final = 22_050
_ID3_HEADER: Final = 10  # bytes: `ID3`, a version, flags, and the size of the tag in four times seven bits


@dataclass(frozen=True, slots=True)
class _Sound:
    """An open sound. `blocks` are mono float32, finite, not empty; `frames` is what the header says."""

    blocks: Iterator[FloatArray]
    rate: int
    channels: int
    frames: int


def decode(source: AudioInput, spec: AudioSpec) -> Medium:
    """Open one sound, and cut it into windows while they are read.

    Window k begins at `k * hop` seconds and is `window` seconds long. There is a first one, and another one as long as
    the sound goes on after the end of the one before: with 10 s every 5 s, a sound of 10 s has one window, one of 12 s
    has [0, 10) and [5, 12). Only the last may be short. Every sample is in at least one window, if `hop <= window`.

    Args:
        source: a path, encoded bytes, or `(samples, rate)` with samples `(n,)` or `(n, channels)`, float in [-1, 1] or
            integer PCM, and the rate in Hz.
        spec: the encoder's wishes.

    Returns:
        Segments with content `(n,)` float32 in [-1, 1], start and end in seconds; the properties `seconds`, `rate` and
        `channels` are what the file's header says. A WAV, OGG or MP3 file that is cut short holds what is left of it
        (an MP3's header may then promise more seconds than the segments have).

    Raises:
        MediaError: it cannot be opened, is empty, or has no positive rate. Damage further on, and samples that are NaN
            or infinite, are raised while the segments are read.
    """
    sound = _samples(*source) if isinstance(source, tuple) else _file(source)
    first = next(sound.blocks, None)
    if first is None:
        raise MediaError("no sound: 0 samples")
    properties = {"seconds": sound.frames / sound.rate, "rate": sound.rate, "channels": sound.channels}
    return Medium(Modality.AUDIO, _windows(sound, first, spec), properties)


def clip(source: AudioInput, start: float, end: float) -> bytes:
    """The seconds from `start` to `end` as a small mono OGG Vorbis file of at most 22,050 Hz, to be played on a page.

    Raises:
        MediaError: as `decode`, or there is nothing between `start` and `end`.
    """
    sound = _samples(*source) if isinstance(source, tuple) else _file(source, start)
    skipped = round(start * sound.rate) if isinstance(source, tuple) else 0
    wanted = max(0, round(end * sound.rate) - round(start * sound.rate))
    found: list[FloatArray] = []
    for block in sound.blocks:
        found.append(block[skipped : skipped + wanted])
        skipped, wanted = max(0, skipped - len(block)), wanted - len(found[-1])
        if wanted <= 0:
            break
    samples = np.concatenate(found) if found else np.zeros(0, np.float32)
    if not len(samples):
        raise MediaError(f"no sound between {start:g} and {end:g} s")
    rate = min(sound.rate, _CLIP_RATE)
    samples = np.concatenate(list(_resampled(iter((samples,)), sound.rate, rate)))
    encoded = io.BytesIO()
    try:
        with soundfile.SoundFile(encoded, "w", rate, 1, format="OGG", subtype="VORBIS") as file:
            for i in range(0, len(samples), rate):  # libvorbis overflows the stack when given minutes at once
                file.write(samples[i : i + rate])
    except (soundfile.SoundFileError, ValueError) as error:
        raise MediaError(f"cannot be encoded as OGG at {rate} Hz: {_said(error)}") from error
    return encoded.getvalue()


def _windows(sound: _Sound, first: FloatArray, spec: AudioSpec) -> Iterator[Segment]:
    """Cut what comes out of the resampler. Holds one window and one block."""
    window, hop = round(spec.window * spec.rate), round(spec.hop * spec.rate)
    kept = np.zeros(0, np.float32)
    begin = 0  # of `kept`, in samples at the spec's rate
    for block in _resampled(_chain(first, sound.blocks), sound.rate, spec.rate):
        kept = np.concatenate([kept, block])
        while len(kept) > window:  # and not >=: only then is it known that there is another one
            yield _segment(kept[:window], begin / spec.rate, (begin + window) / spec.rate)
            kept, begin = kept[hop:], begin + hop
    end, seconds = (begin + len(kept)) / spec.rate, sound.frames / sound.rate
    # Resampling rounds to whole samples: the last end is the sound's own, unless the header was wrong about that.
    yield _segment(kept, begin / spec.rate, seconds if abs(end - seconds) < 1 / spec.rate else end)


def _segment(samples: FloatArray, start: float, end: float) -> Segment:
    # Resampling overshoots. `clip` copies, too: a window must not keep the blocks alive that it is cut from.
    return Segment(np.clip(samples, -1, 1), start, end)


def _chain(first: FloatArray, rest: Iterator[FloatArray]) -> Iterator[FloatArray]:
    yield first
    yield from rest


def _resampled(blocks: Iterator[FloatArray], rate: int, wanted: int) -> Iterator[FloatArray]:
    """The same samples whatever the size of the blocks: soxr keeps its state, and is told when the sound ends."""
    if rate == wanted:
        yield from blocks
        return
    try:
        stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32")
        for block in blocks:
            yield stream.resample_chunk(block)
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
    except (RuntimeError, ValueError) as error:
        raise MediaError(f"cannot be resampled from {rate} to {wanted} Hz: {error}") from error


def _file(source: str | bytes | Path, start: float = 0.0) -> _Sound:
    # By descriptor: opening by name would wait for FIFOs and fail on names that are not UTF-8.
    opened = open_source(source)
    try:
        file = _opened(source, opened)
        rate, frames = int(file.samplerate), int(file.frames)
        if rate <= 0 or file.channels <= 0:
            raise MediaError(f"{file.channels} channels at {rate} Hz")
        if start > 0:
            file.seek(min(round(start * rate), frames))
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        opened.close()
        raise MediaError(f"not a sound that libsndfile reads: {_said(error)}") from error
    return _Sound(_read(file, opened), rate, file.channels, frames)


def _opened(source: str | bytes | Path, opened: BinaryIO) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(opened if isinstance(source, bytes) else opened.fileno(), closefd=False)
    except soundfile.SoundFileError:
        opened.seek(0)
        head = opened.read(_ID3_HEADER)
        if not head.startswith(b"ID3"):
            raise
        # Behind an empty ID3 tag libsndfile recognises an MP3 by its file name only; without the tag by its frames.
        if not isinstance(source, bytes):
            return soundfile.SoundFile(os.fsencode(source))
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        return soundfile.SoundFile(io.BytesIO(source[_ID3_HEADER + size :]))


def _read(file: soundfile.SoundFile, opened: Any) -> Iterator[FloatArray]:  # noqa: ANN401
    frames = max(1, _BLOCK // file.channels)
    with opened, file:
        while True:
            try:
                block = file.read(frames, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, RuntimeError) as error:
                raise MediaError(f"damaged or cut short after {file.tell() / file.samplerate:.1f} s") from error
            if not len(block):
                return
            yield _mono(block)


def _samples(samples: NDArray[Any], rate: int) -> _Sound:
    samples = np.asarray(samples)
    if not isinstance(rate, (int, np.integer, float, np.floating)) or not rate >= 1 or rate != int(rate):
        raise MediaError(f"the rate must be a positive whole number of Hz, not {rate!r}")
    if samples.ndim == 1:
        samples = samples[:, None]
    if samples.ndim != 2 or not 1 <= samples.shape[1] <= _MAX_CHANNELS:
        raise MediaError(f"samples must be (n,) or (n, channels), not {samples.shape}")
    if samples.dtype.kind not in "fiu" or samples.dtype.itemsize > (8 if samples.dtype.kind == "f" else 4):
        raise MediaError(f"samples must be float or 8, 16 or 32 bit integers, not {samples.dtype}")
    blocks = (_mono(_unit_range(samples[i : i + _BLOCK])) for i in range(0, len(samples), _BLOCK))
    return _Sound(blocks, int(rate), samples.shape[1], len(samples))


def _unit_range(block: NDArray[Any]) -> FloatArray:
    """Integer PCM to [-1, 1); unsigned samples have their zero in the middle."""
    if block.dtype.kind == "f":
        return block.astype(np.float32)
    half = 2.0 ** (8 * block.dtype.itemsize - 1)
    return ((block.astype(np.float64) - (half if block.dtype.kind == "u" else 0)) / half).astype(np.float32)


def _mono(block: FloatArray) -> FloatArray:
    mono: FloatArray = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
    if not np.isfinite(mono).all():
        raise MediaError("samples that are NaN or infinite")
    return np.ascontiguousarray(mono)


def _said(error: Exception) -> str:
    """Without `Error opening <_io.BufferedReader name='...'>: `, which soundfile puts in front."""
    said = getattr(error, "error_string", "") or str(error)
    return str(said).strip().rstrip(".") or type(error).__name__
