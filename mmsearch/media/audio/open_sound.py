"""The one place that knows who decodes which sound: its first bytes decide, whatever its name.

::

    WAV AIFF FLAC OGG CAF AU MP3, unknown ─► libsndfile ─── if it cannot ───┐
    MP4 Matroska ASF AVI FLV MPEG AAC AC-3 AMR APE WavPack ─────────────────┴─► FFmpeg
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, cast

from mmsearch.errors import MediaError
from mmsearch.media.audio.sound import Sound, checked, from_samples
from mmsearch.media.audio.sound_file import open_with_libsndfile
from mmsearch.media.formats import content_of
from mmsearch.media.source import open_source
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.types import AudioInput

_FFMPEG_ONLY: Final = frozenset(
    ["MP4", "Matroska", "ASF", "AVI", "FLV", "MPEG", "AAC", "AC-3", "AMR", "APE", "WavPack"]
)
_HEAD: Final = 512  # bytes


def open_sound(source: AudioInput, start: float = 0.0) -> Sound:
    """Open a sound, from `start` seconds on.

    Args:
        source: a path, encoded bytes, or `(samples, rate)`.
        start: in seconds, not negative.

    Raises:
        MediaError: it cannot be opened, holds no sound, or is refused by `sound.checked`.
    """
    if isinstance(source, tuple):
        return checked(from_samples(*source, start))
    opened = open_source(source)
    # Unbuffered: libsndfile reads by the descriptor, behind the back of a buffer.
    file = opened.detach() if isinstance(opened, io.BufferedReader) else cast("io.BytesIO", opened)
    try:
        return checked(_opened(file, start))
    except BaseException:
        file.close()
        raise


def _opened(file: io.RawIOBase | io.BytesIO, start: float) -> Sound:
    content = content_of(file.read(_HEAD) or b"")
    refused: MediaError | None = None
    if content is None or content.name not in _FFMPEG_ONLY:
        try:
            return open_with_libsndfile(file, start)
        except MediaError as error:
            if content is not None and content.modality is not Modality.AUDIO:
                raise  # FFmpeg would find sounds in pictures and in texts, too
            refused = error
    from mmsearch.media.audio.av_file import open_with_ffmpeg  # 0.2 s, which most folders need not wait for

    try:
        return open_with_ffmpeg(file, start)
    except MediaError as error:
        raise (MediaError(f"{refused}; {error}") if refused else error) from error
