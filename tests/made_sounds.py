"""Sounds made by real encoders: by libsndfile, and by FFmpeg with or without a small video."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from av.codec.codec import UnknownCodecError


def sine(seconds, rate, pitch=440.0, loud=0.5):
    return (loud * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded(samples, rate, kind="WAV", subtype=None):
    """`samples` are `(n,)` or `(n, channels)`; `kind` and `subtype` are libsndfile's names."""
    file, channels = io.BytesIO(), 1 if np.ndim(samples) == 1 else np.shape(samples)[1]
    with soundfile.SoundFile(file, "w", rate, channels, subtype, format=kind) as out:
        for i in range(0, len(samples), rate):
            out.write(samples[i : i + rate])
    return file.getvalue()


def ffmpeg(samples, rate, kind, sound=None, video=None, layout="stereo", options=None, tags=None, delay=0.0):
    """A file of FFmpeg's format `kind`, with a sound, a video of 64 x 48, or both.

    Args:
        samples: `(n, channels)`, float.
        rate: in Hz.
        kind: the name of a muxer, such as `ipod` (M4A) or `matroska`.
        sound: the name of an encoder; the test is skipped if this FFmpeg has none. None: no sound.
        video: likewise.
        layout: of the channels.
        options: of the muxer.
        tags: title and such.
        delay: seconds by which the sound begins after the video.
    """
    _need(sound)
    _need(video)
    file = io.BytesIO()
    with av.open(file, "w", format=kind, options=options or {}) as out:
        out.metadata.update(tags or {})
        pixels = "yuvj420p" if video == "mjpeg" else "yuv420p"
        pictures = out.add_stream(video, rate=25, width=64, height=48, pix_fmt=pixels) if video else None
        heard = out.add_stream(sound, rate=rate, layout=layout) if sound else None
        if heard:
            heard.bit_rate = 12_200 if "amr" in sound else 128_000
        to_format = av.AudioResampler(heard.format, layout, rate) if heard else None
        for i in range(round(len(samples) / rate * 25)):
            if pictures:
                out.mux(pictures.encode(_picture(i)))
            part = samples[round(i / 25 * rate) : round((i + 1) / 25 * rate)]
            if heard:
                for frame in to_format.resample(_frame(part, rate, layout, round((i / 25 + delay) * rate))):
                    out.mux(heard.encode(frame))
        if heard:
            for frame in [*to_format.resample(None), None]:
                out.mux(heard.encode(frame))
        if pictures:
            out.mux(pictures.encode())
    return file.getvalue()


def _need(encoder):
    try:
        _ = encoder and av.Codec(encoder, "w")
    except UnknownCodecError:
        pytest.skip(f"this FFmpeg has no encoder {encoder}")


def _picture(i):
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), i % 255, np.uint8), format="rgb24")
    frame.pts, frame.time_base = i, Fraction(1, 25)
    return frame


def _frame(samples, rate, layout, at):
    # Interleaved: PyAV cannot fill frames with eight planes.
    together = np.ascontiguousarray(samples, np.float32).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(together, format="flt", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
    return frame
