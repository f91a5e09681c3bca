"""Sounds that FFmpeg decodes, by PyAV: AAC, Apple Lossless, WMA, AC-3, AMR, APE, WavPack, and the sound of videos.

::

    packets ─► frames ─► mono, silence for packets that are missing ─► one rate ─► blocks

Packets that cannot be decoded are left out: a file that is cut short or damaged holds what is left of it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import av
import numpy as np

from mmsearch.errors import MediaError
from mmsearch.media.audio import sound as limits
from mmsearch.media.audio.av_container import AV_ERRORS, Track, open_track, said
from mmsearch.media.audio.resample import resampled
from mmsearch.media.audio.sound import LEAD, Sound, check_rate, mono, skipped

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

    from mmsearch.types import FloatArray

# FFmpeg guesses how long these are, by their first bit rate.
_NO_LENGTH: Final = frozenset(["aac", "loas", "ac3", "eac3", "amr", "amrnb", "amrwb", "mp3", "mpegvideo"])
# Only in these do packets say when they were recorded; in others FFmpeg computes it from their sizes.
_STAMPED: Final = frozenset(["mov", "matroska", "mpegts", "mpeg", "flv", "asf"])
# In others (WAV with a codec that packs samples) FFmpeg goes to some place and takes it for another.
_SEARCHED: Final = _STAMPED | {"avi", "aac", "ac3", "eac3", "amr", "ape", "wv", "ogg"}

_JITTER: Final = 0.1  # seconds between where a packet should begin and where it says that it does
_LONGEST_GAP: Final = 600.0  # seconds; a longer one is a clock that was set, not a pause
_POINTERS: Final = 8  # AV_NUM_DATA_POINTERS
_PADDING: Final = 0.1  # seconds that an encoder may have added to fill its last packet


def open_with_ffmpeg(file: io.RawIOBase | io.BytesIO, start: float = 0.0) -> Sound:
    """Open the sound in a file, or the main sound of a video, from `start` seconds on.

    Args:
        file: unbuffered if it is on a disk. Owned by the sound once this has returned.
        start: in seconds, not negative. Time 0 is where the sound begins.

    Raises:
        MediaError: as `av_container.open_track`, or nothing of it can be decoded.
    """
    track = open_track(file)
    try:
        seconds = _said_seconds(track)
        if seconds is None and not start:  # a clip need not know
            seconds = _counted_seconds(file)
        frames = _frames(track)
        first = next(frames, None)
        if first is None:
            raise MediaError("no sound: 0 samples")
        rate, channels, begin = first.sample_rate, first.layout.nb_channels, 0.0
        check_rate(rate)
        frames = chain((first,), frames)
        if start > LEAD:
            found = _found(track, first, start)
            if found is None:  # it cannot be searched: all that is before is decoded
                track.container.close()
                track = open_track(file)
                frames = _frames(track)
            else:
                begin, frames = _between(first, found), chain((found,), _frames(track))
    except BaseException:
        track.container.close()
        raise
    blocks = _read(track, frames, rate, file)
    if seconds is not None and "mov" in track.kinds:  # no other kind says it that exactly
        blocks = _without_padding(blocks, round((seconds - begin) * rate), round(_PADDING * rate))
    return Sound(skipped(blocks, round((start - begin) * rate)), rate, channels, seconds)


def _frames(track: Track) -> Iterator[AudioFrame]:
    """Decoded frames, none of them empty. Packets that cannot be decoded are left out, unless none can."""
    failure, found, ended = None, False, False
    packets = track.container.demux(track.stream)
    while not ended:
        decoded: list[AudioFrame] = []
        try:
            packet = next(packets, None)
            ended = packet is None
            decoded = track.stream.decode(packet)  # None: the decoder gives what it still has
        except EOFError:
            pass
        except AV_ERRORS as error:
            failure = error
        for frame in decoded:
            if frame.samples:
                found = True
                yield frame
    if failure is not None and not found:
        raise MediaError(f"nothing in it can be decoded: {said(failure)}")


def _found(track: Track, first: AudioFrame, start: float) -> AudioFrame | None:
    """The frame a little before `start` seconds after the first one, from which `_frames` goes on; None: not found."""
    base = track.stream.time_base
    if first.pts is None or not base or not track.kinds & _SEARCHED:
        return None
    try:
        track.container.seek(first.pts + int((start - LEAD) / base), stream=track.stream)
        found = next(_frames(track), None)
    except (MediaError, *AV_ERRORS):
        return None
    return found if found is not None and found.pts is not None and 0 <= _between(first, found) <= start else None


def _between(first: AudioFrame, other: AudioFrame) -> float:
    return (other.time or 0.0) - (first.time or 0.0)


def _said_seconds(track: Track) -> float | None:
    """How long the sound is by the header; None where that does not say."""
    if track.kinds & _NO_LENGTH:
        return None
    stream, whole = track.stream, track.container.duration
    if stream.duration and stream.duration > 0 and stream.time_base:
        return float(stream.duration * stream.time_base)
    if whole is not None and whole > 0:
        return whole / av.time_base - max(0.0, float((stream.start_time or 0) * (stream.time_base or 0)))
    return None


def _counted_seconds(file: io.RawIOBase | io.BytesIO) -> float | None:
    """How long the sound is by its packets, which are not decoded for that: 5 s for ten hours of AAC."""
    at = file.tell()
    track = open_track(file)
    first: int | None = None
    end = 0
    try:
        for packet in track.container.demux(track.stream):
            if packet.pts is not None:
                first = packet.pts if first is None else first
                end = max(end, packet.pts + (packet.duration or 0))
    except AV_ERRORS:
        pass  # what is left of a damaged file
    finally:
        track.container.close()
        file.seek(at)  # where another track goes on reading
    base = track.stream.time_base
    return float((end - first) * base) if first is not None and end > first and base else None


def _read(
    track: Track, frames: Iterator[AudioFrame], rate: int, file: io.RawIOBase | io.BytesIO
) -> Iterator[FloatArray]:
    """Blocks at one rate: a broadcast may change its own in the middle."""
    with file, track.container:
        for own, group in groupby(_timed(frames, bool(track.kinds & _STAMPED)), key=itemgetter(0)):
            check_rate(own)
            yield from _joined(resampled((samples for _, samples in group), own, rate))


def _timed(frames: Iterator[AudioFrame], stamped: bool) -> Iterator[tuple[int, FloatArray]]:
    """Each frame's rate and mono samples; with silence where packets are missing, so that times stay right."""
    clock: float | None = None  # when the next frame should begin
    for frame in frames:
        rate = frame.sample_rate
        if stamped and frame.time is not None:
            gap = 0.0 if clock is None else frame.time - clock
            if clock is None or abs(gap) > _LONGEST_GAP:
                clock = frame.time
            elif gap > _JITTER:
                missing = round(gap * rate)
                for i in range(0, missing, limits.BLOCK):
                    yield rate, np.zeros(min(limits.BLOCK, missing - i), np.float32)
                clock = frame.time
            clock += frame.samples / rate
        yield rate, _mono(frame)


def _mono(frame: AudioFrame) -> FloatArray:
    try:
        if frame.format.is_planar and frame.layout.nb_channels >= _POINTERS:
            frame = _interleaved(frame)
        samples = frame.to_ndarray()
    except AV_ERRORS as error:  # 64-bit integers, channels that are nowhere
        raise MediaError(str(error)) from error
    return mono(samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels))


def _interleaved(frame: AudioFrame) -> AudioFrame:
    """The same frame with all channels in one plane.

    PyAV (18.1) takes the planes of a frame to end at a null pointer. FFmpeg's array of them has eight places, and no
    such end when all are taken: reading 7.1, or damage that claims to be, crashed the process.
    """
    import av

    converted = av.AudioResampler(frame.format.packed, frame.layout, frame.sample_rate).resample(frame)
    if len(converted) != 1 or converted[0].samples != frame.samples:
        raise ValueError(f"{frame.layout.nb_channels} channels that FFmpeg does not convert")
    return converted[0]


def _joined(pieces: Iterator[FloatArray]) -> Iterator[FloatArray]:
    """Blocks in place of frames of a thousand samples."""
    held: list[FloatArray] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= limits.BLOCK:
            yield np.concatenate(held)
            held, length = [], 0
    if length:
        yield np.concatenate(held)


def _without_padding(blocks: Iterator[FloatArray], length: int, padding: int) -> Iterator[FloatArray]:
    """At most `length` samples, if there are not more than `padding` behind them; else the header was wrong."""
    for block in blocks:
        length -= len(block)
        yield block[:length] if -padding <= length < 0 else block
