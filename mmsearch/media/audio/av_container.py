"""What FFmpeg opens for us: one file, as bytes, of a format that holds sound. Nothing that the file refers to.

FFmpeg also reads lists of other files and addresses, and takes pictures and texts for videos. It gets no name, so that
no suffix misleads it; a format that is not in the list is refused; and it has no way to open anything else.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn
from uuid import UUID

import av
from av.audio.stream import AudioStream
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError
from av.stream import Discard

from mmsearch.errors import MediaError

if TYPE_CHECKING:
    from av.container import InputContainer

AV_ERRORS: Final = (FFmpegError, OSError, ValueError, RuntimeError, OverflowError, IndexError)
"""What PyAV raises; the last two when damage makes a number too large, or a stream appear in the middle of a file."""

# What is let through: what `formats.TABLE` promises, and what libsndfile's formats are called here.
_FORMATS: Final = (
    "mov,matroska,asf,avi,flv,mpeg,mpegvideo,mpegts,aac,loas,ac3,eac3,amr,amrnb,amrwb,ape,wv,"
    "wav,w64,aiff,flac,ogg,mp3,caf,au"
)
_ENCRYPTED_TAGS: Final = frozenset(["drms", "drmi", "enca", "aavd"])
_ASF: Final = UUID("75b22630-668e-11cf-a6d9-00aa0062ce6c").bytes_le
_ENCRYPTED_ASF: Final = (
    UUID("2211b3fb-bd23-11d2-b4b7-00a0c955fc6e").bytes_le,  # content encryption
    UUID("298ae614-2622-4c17-b935-dae07ee9289c").bytes_le,  # extended
    UUID("43058533-6981-49e6-9b74-ad12cb86d58c").bytes_le,  # advanced: PlayReady
)
_ASF_HEADER: Final = 1 << 16  # bytes; in them such a file says that it is encrypted


@dataclass(frozen=True, slots=True)
class Track:
    """A sound in an open container, and the container."""

    container: InputContainer
    stream: AudioStream

    @property
    def kinds(self) -> frozenset[str]:
        """FFmpeg's names of the container's format: `mov`, `mp4`, `m4a` and others stand for one."""
        return frozenset(self.container.format.name.split(","))


def open_track(file: io.RawIOBase | io.BytesIO) -> Track:
    """Open the sound in a file, or the main one of a video: FFmpeg prefers the one that is marked as default.

    Args:
        file: unbuffered if it is on a disk. It stays open, whatever happens.

    Raises:
        MediaError: it is of no format that is let through, refers to other files, has no sound, or is encrypted.
    """
    file.seek(0)
    head = file.read(_ASF_HEADER) or b""
    if head.startswith(_ASF) and any(guid in head for guid in _ENCRYPTED_ASF):
        raise _encrypted()
    file.seek(0)
    options = {"format_whitelist": _FORMATS, "codec_whitelist": _sound_codecs(), "protocol_whitelist": "none"}
    try:
        # A tag that is no UTF-8 is no reason to refuse a sound.
        container = av.open(
            _Bytes(file), "r", container_options=options, metadata_errors="replace", io_open=_refuse_reference
        )
    except AV_ERRORS as error:
        raise MediaError(f"not a sound that FFmpeg reads: {_unfinished(file) or said(error)}") from error
    try:
        return Track(container, _main_sound(container))
    except BaseException:
        container.close()
        raise


@lru_cache
def _sound_codecs() -> str:
    """All that decode sounds. No pictures are decoded, also not to find out what is in a file."""
    found = []
    for name in sorted(av.codecs_available):
        try:
            codec = Codec(name, "r")
        except UnknownCodecError:  # it is there for writing
            continue
        if codec.type == "audio":
            found.append(name)
    return ",".join(found)


def _refuse_reference(url: str, *_: Any) -> NoReturn:  # noqa: ANN401
    raise MediaError(f"it refers to another file, {url!r}")


def _main_sound(container: InputContainer) -> AudioStream:
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream):
        raise MediaError("a video without sound" if container.streams.video else "no sound in it")
    if stream.codec_context is None:
        raise MediaError("FFmpeg has no decoder for its sound")
    if stream.codec_tag in _ENCRYPTED_TAGS:
        raise _encrypted()
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all  # else a video is read whole, in some containers many times over
    return stream


def _encrypted() -> MediaError:
    return MediaError("encrypted (DRM): export it without protection")


def _unfinished(file: io.RawIOBase | io.BytesIO) -> str:
    """Why a file of the MP4 family cannot be read, if it is that its index was never written; else nothing."""
    at, end, names = 0, file.seek(0, io.SEEK_END), set[bytes]()
    while at < end and len(names) < 100:
        file.seek(at)
        head = file.read(16) or b""
        size = int.from_bytes(head[8:] if head[:4] == b"\0\0\0\1" else head[:4])
        names.add(head[4:8])
        at += max(8, size or end)
    return "cut short, its index (moov) is missing" if b"mdat" in names and b"moov" not in names else ""


class _Bytes:
    """All that FFmpeg sees of a file. It would believe the suffix of a name."""

    def __init__(self, file: io.RawIOBase | io.BytesIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def said(error: BaseException) -> str:
    """In words, without the number and the `<none>` that stands for the file."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__).lower()
