"""Every sound that folders hold: made by a real encoder, read back, compared with what went in."""

import io
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest
import soundfile
from made_sounds import encoded, ffmpeg

from mmsearch.media.audio import decode as audio
from mmsearch.media.audio.open_sound import open_sound
from mmsearch.media.formats import content_of
from mmsearch.types import AudioSpec

RATE = 16_000
PITCHES = (440.0, 880.0, 1320.0)  # of two seconds each
SECONDS = 2.0 * len(PITCHES)
LOUD = 0.4


def sound(rate, channels):
    """`(n, channels)`: the first channel is louder, the last one is as much quieter; their mean has amplitude 0.4."""
    pitch = np.repeat(PITCHES, 2 * rate)
    tone = np.sin(2 * np.pi * np.cumsum(pitch) / rate)
    louds = np.full(channels, LOUD)
    if channels == 6:  # of 5.1 one is for basses, and nothing above some 100 Hz passes
        louds *= 6 / 5
        louds[3] = 0
    if channels > 1:
        louds[0], louds[-1] = louds[0] + 0.2, louds[-1] - 0.2
    return (tone[:, None] * louds).astype(np.float32)


@dataclass(frozen=True)
class Row:
    """A format, how it is made, and what is found in it."""

    name: str
    content: str | None  # what `formats.content_of` says
    made: tuple  # of libsndfile: format and subtype; of FFmpeg: muxer, encoders of sound and video
    channels: int = 2
    rate: int = 44_100
    off: float = 0.01  # of the amplitude
    more: float = 0.0  # seconds of padding that the format does not tell from sound
    jump: float = 0.001  # seconds that a clip may be off; containers for video have times in milliseconds
    layout: str = "stereo"
    options: dict = field(default_factory=dict)

    def __str__(self):
        return self.name


LIBSNDFILE = (
    Row("WAV, 8 bit", "WAV", ("WAV", "PCM_U8")),
    Row("WAV, 16 bit", "WAV", ("WAV", "PCM_16")),
    Row("WAV, 24 bit", "WAV", ("WAV", "PCM_24")),
    Row("WAV, 32 bit", "WAV", ("WAV", "PCM_32")),
    Row("WAV, float", "WAV", ("WAV", "FLOAT")),
    Row("WAV, double", "WAV", ("WAV", "DOUBLE")),
    Row("WAV, mono at 8 kHz", "WAV", ("WAV", "PCM_16"), channels=1, rate=8_000),
    Row("WAV, 7.1 at 192 kHz", "WAV", ("WAVEX", "PCM_16"), channels=8, rate=192_000),
    Row("WAV, µ-law", "WAV", ("WAV", "ULAW")),
    Row("WAV, A-law", "WAV", ("WAV", "ALAW")),
    Row("WAV, IMA ADPCM", "WAV", ("WAV", "IMA_ADPCM"), off=0.03, more=0.05),
    Row("WAV, MS ADPCM", "WAV", ("WAV", "MS_ADPCM"), off=0.03, more=0.05),
    Row("WAV, GSM 6.10", "WAV", ("WAV", "GSM610"), channels=1, rate=8_000, off=0.1, more=0.05),
    Row("RF64", "WAV", ("RF64", "PCM_16")),
    Row("W64", "WAV", ("W64", "PCM_16")),
    Row("AIFF", "AIFF", ("AIFF", "PCM_16")),
    Row("AIFF-C, float", "AIFF", ("AIFF", "FLOAT")),
    Row("FLAC, 16 bit", "FLAC", ("FLAC", "PCM_16")),
    Row("FLAC, 24 bit at 96 kHz", "FLAC", ("FLAC", "PCM_24"), rate=96_000),
    Row("OGG Vorbis", "OGG", ("OGG", "VORBIS"), off=0.03),
    Row("OGG Opus", "OGG", ("OGG", "OPUS"), rate=48_000, off=0.03),
    Row("MP3", "MP3", ("MP3", "MPEG_LAYER_III"), off=0.1),
    Row("Core Audio", "CAF", ("CAF", "PCM_16")),
    Row("Core Audio, Apple Lossless", "CAF", ("CAF", "ALAC_16")),
    Row("AU", "AU", ("AU", "PCM_16")),
    Row("SPHERE, as in speech corpora", None, ("NIST", "PCM_16")),
)

FFMPEG = (
    Row("M4A, AAC", "MP4", ("ipod", "aac", None), off=0.03),
    Row("M4A, AAC mono at 22 kHz", "MP4", ("ipod", "aac", None), 1, 22_050, off=0.03, layout="mono"),
    Row("M4A, AAC 5.1", "MP4", ("ipod", "aac", None), 6, 48_000, off=0.1, layout="5.1"),
    Row("M4A, Apple Lossless 7.1", "MP4", ("ipod", "alac", None), 8, 48_000, layout="7.1(wide)"),
    Row("MKA, FLAC 7.1", "Matroska", ("matroska", "flac", None), 8, 48_000, layout="7.1"),
    Row("M4A, Apple Lossless", "MP4", ("ipod", "alac", None)),
    Row("AAC without a container", "AAC", ("adts", "aac", None), off=0.03, more=0.05),
    Row("AC-3", "AC-3", ("ac3", "ac3", None), off=0.03, more=0.05),
    Row("AC-3, 5.1", "AC-3", ("ac3", "ac3", None), 6, 48_000, off=0.1, more=0.05, layout="5.1"),
    Row("E-AC-3", "AC-3", ("eac3", "eac3", None), off=0.03, more=0.05),
    Row("WMA", "ASF", ("asf", "wmav2", None), off=0.1, more=0.1),
    Row("WMA, version 1", "ASF", ("asf", "wmav1", None), off=0.1, more=0.1),
    Row("WavPack", "WavPack", ("wv", "wavpack", None)),
    Row("AMR", "AMR", ("amr", "libopencore_amrnb", None), 1, 8_000, off=0.35, more=0.05, layout="mono"),
    Row("AMR, wide band", "AMR", ("amr", "libvo_amrwbenc", None), 1, 16_000, off=0.2, more=0.05, layout="mono"),
    Row("Monkey's Audio", "APE", ("ape", "ape", None)),
    Row("FLAC in OGG", "OGG", ("ogg", "flac", None)),
    Row("OGG Speex", "OGG", ("ogg", "libspeex", None), 1, 16_000, off=0.2, layout="mono"),
    Row("WAV, Yamaha ADPCM", "WAV", ("wav", "adpcm_yamaha", None), off=0.03, more=0.05),
    Row("MKA, FLAC", "Matroska", ("matroska", "flac", None)),
    Row("WebM audio, Opus", "Matroska", ("webm", "libopus", None), rate=48_000, off=0.03),
    Row("MP4, H.264 and AAC", "MP4", ("mp4", "aac", "libx264"), off=0.03),
    Row(
        "MP4 in fragments",
        "MP4",
        ("mp4", "aac", "libx264"),
        off=0.03,
        more=0.05,
        options={"movflags": "frag_keyframe+empty_moov+delay_moov"},
    ),
    Row("MP4 with HEVC and MP3", "MP4", ("mp4", "libmp3lame", "libx265"), off=0.1, more=0.05),
    Row("QuickTime, 24 bit", "MP4", ("mov", "pcm_s24le", "mpeg4")),
    Row("QuickTime, big-endian float", "MP4", ("mov", "pcm_f32be", "mjpeg")),
    Row("3GP, AMR", "MP4", ("3gp", "libopencore_amrnb", "mpeg4"), 1, 8_000, off=0.35, more=0.05, layout="mono"),
    Row("MKV, H.264 and AC-3", "Matroska", ("matroska", "ac3", "libx264"), off=0.03, more=0.05),
    Row("MKV, FFV1 and PCM", "Matroska", ("matroska", "pcm_s16le", "ffv1")),
    Row("WebM, VP8 and Opus", "Matroska", ("webm", "libopus", "libvpx"), rate=48_000, off=0.03),
    Row("WebM, VP9 and Opus", "Matroska", ("webm", "libopus", "libvpx-vp9"), rate=48_000, off=0.03),
    Row(
        "WebM of a browser, no length",
        "Matroska",
        ("webm", "libopus", "libvpx"),
        2,
        48_000,
        0.03,
        0.05,
        options={"live": "1"},
    ),
    Row("AVI, MPEG-4 and MP3", "AVI", ("avi", "libmp3lame", "mpeg4"), off=0.1, more=0.06),
    Row("AVI, Motion JPEG and PCM", "AVI", ("avi", "pcm_u8", "mjpeg"), off=0.02),
    Row("WMV", "ASF", ("asf", "wmav2", "wmv2"), off=0.1, more=0.1),
    Row("FLV, MP3", "FLV", ("flv", "libmp3lame", "flv"), off=0.1, more=0.06),
    Row("FLV, AAC", "FLV", ("flv", "aac", "libx264"), off=0.03, more=0.05),
    Row("MPEG, MP2", "MPEG", ("mpeg", "mp2", "mpeg1video"), off=0.03, more=0.05),
    Row("VOB, AC-3", "MPEG", ("vob", "ac3", "mpeg2video"), 2, 48_000, 0.03, more=0.07, jump=0.032),
    Row("MTS, AC-3", None, ("mpegts", "ac3", "libx264"), rate=48_000, off=0.03, more=0.05),
    Row("M2TS", None, ("mpegts", "ac3", "libx264"), 2, 48_000, 0.03, 0.05, options={"mpegts_m2ts_mode": "1"}),
    Row("OGG Theora", "OGG", ("ogg", "libopus", "libtheora"), rate=48_000, off=0.03),
)


@cache
def file_of(row):
    samples = sound(row.rate, row.channels)
    if row in LIBSNDFILE:
        return encoded(samples, row.rate, *row.made)
    kind, codec, video = row.made
    return ffmpeg(samples, row.rate, kind, codec, video, row.layout, row.options)


Row.__hash__ = lambda row: hash(row.name)
each_format = pytest.mark.parametrize("row", (*LIBSNDFILE, *FFMPEG), ids=str)


@each_format
def test_every_format_is_read(row, tmp_path):
    data = file_of(row)
    found = content_of(data[:512])
    assert (found.name if found else None) == row.content or row.made[0] == "NIST"
    path = tmp_path / "sound.jpg"  # the suffix has no say
    path.write_bytes(data)
    medium = audio.decode(path, AudioSpec(RATE, 2.0, 2.0))
    assert medium.properties["channels"] == row.channels
    assert medium.properties["rate"] == row.rate
    assert medium.properties["seconds"] == pytest.approx(SECONDS, abs=0.01 + row.more)
    segments = list(medium.segments)
    assert -0.01 <= segments[-1].end - SECONDS <= 0.01 + row.more
    for pitch, segment in zip(PITCHES, segments, strict=False):
        heard = segment.content[RATE // 4 : -RATE // 4]  # without the joints, which a codec smears
        spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
        assert spectrum.argmax() * RATE / len(heard) == pytest.approx(pitch, abs=RATE / len(heard))
        assert np.sqrt(2 * (heard**2).mean()) == pytest.approx(LOUD, rel=row.off)


@each_format
def test_what_is_read_from_a_second_on_is_what_is_there(row):
    data, start = file_of(row), 3.3
    whole = np.concatenate(list(open_sound(data).blocks))
    part = np.concatenate(list(open_sound(data, start).blocks))
    begin, slack = round(start * row.rate), round(row.jump * row.rate)
    heard = slice(0, 2 * row.rate)
    offs = [np.abs(whole[begin + lag :][heard] - part[heard]).mean() for lag in range(-slack, slack + 1)]
    assert min(offs) < 0.002
    assert abs(len(part) - (len(whole) - begin)) <= slack


@each_format
def test_clips(row):
    made, rate = soundfile.read(io.BytesIO(audio.clip(file_of(row), 2.25, 3.75)))
    assert len(made) == pytest.approx(1.5 * rate, abs=1)
    assert np.abs(np.fft.rfft(made * np.hanning(len(made)))).argmax() / 1.5 == pytest.approx(PITCHES[1], abs=1)
