"""Sounds that libsndfile reads: WAV, AIFF, FLAC, OGG (Vorbis, Opus), MP3, CAF, AU and what else it recognises."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import soundfile

from mmsearch.errors import MediaError
from mmsearch.media.audio import sound as limits
from mmsearch.media.audio.sound import LEAD, Sound, mono, skipped

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

_UNKNOWN: Final = (
    2**63 - 1
)  # frames, says libsndfile of a FLAC stream whose header says nothing; it cannot find the end


class _SoundFile(soundfile.SoundFile):  # type: ignore[misc]
    """Reads on from where it is. If it could, soundfile would seek after each block, and the MP3 decoder start anew."""

    def seekable(self) -> bool:
        return False


def open_with_libsndfile(file: io.RawIOBase | io.BytesIO, start: float = 0.0) -> Sound:
    """Open the sound in a file, from `start` seconds on.

    Args:
        file: unbuffered if it is on a disk, where libsndfile reads it by its descriptor. Owned by the sound once this
            has returned.
        start: in seconds, not negative.

    Raises:
        MediaError: it is nothing that libsndfile reads, or empty, by its header. The blocks raise damage further on.
    """
    file.seek(0)
    try:
        opened = _SoundFile(file if isinstance(file, io.BytesIO) else file.fileno(), closefd=False)
        rate, frames = int(opened.samplerate), int(opened.frames)
        begin = min(round(start * rate), frames)
        lead = min(begin, round(LEAD * rate))
        if begin > 0 and frames < _UNKNOWN:
            opened.seek(begin - lead)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        raise MediaError(f"not a sound that libsndfile reads: {said(error)}") from error
    if frames in (0, _UNKNOWN):
        raise MediaError("no sound: 0 samples" if not frames else "libsndfile cannot tell how long it is")
    return Sound(skipped(_read(opened, file), lead), rate, opened.channels, frames / rate)


def _read(opened: _SoundFile, file: Any) -> Iterator[FloatArray]:  # noqa: ANN401
    frames = max(1, limits.BLOCK // opened.channels)
    with file, opened:
        while True:
            try:
                block = opened.read(frames, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, RuntimeError) as error:
                raise MediaError(f"damaged or cut short after {opened.tell() / opened.samplerate:.1f} s") from error
            if not len(block):
                return
            yield mono(block)


def said(error: Exception) -> str:
    """What libsndfile said, without `Error opening <_io.BytesIO object>: `, which soundfile puts in front."""
    text = getattr(error, "error_string", "") or str(error)
    return str(text).strip().rstrip(".") or type(error).__name__
