"""The log-mel spectrogram that YAMNet was trained on, in NumPy.

25 ms periodic Hann window, 10 ms hop, 512-point FFT, magnitudes, 64 HTK mel bands from 125 to 7,500 Hz, log(x + .001).
Patches are 96 frames, .96 s. The parameters are those of the TensorFlow Model Garden's `yamnet/params.py`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

RATE = 16_000  # Hz
FRAME, HOP, FFT = 400, 160, 512  # samples
BANDS, LOW, HIGH = 64, 125.0, 7500.0  # Hz
OFFSET = 1e-3  # an offset of 1e-6 instead turns a crow into a duck
PATCH = 96  # frames
STEP = 48  # frames, at most, from patch to patch: half overlapping, as YAMNet's own
SHORTEST = FRAME + (PATCH - 1) * HOP  # samples of one patch


def patches(samples: NDArray[Any]) -> FloatArray:
    """Log-mel patches `(n, 1, 96, 64)` float32, n >= 1, of samples `(m,)` at 16 kHz.

    As many as cover the sound, evenly spaced from its first frame to its last, so that the end is heard without
    silence being added. A sound shorter than one patch is padded with silence.
    """
    spectrogram = log_mel(samples)
    last = len(spectrogram) - PATCH
    starts = np.linspace(0, last, 1 + -(-last // STEP)).round().astype(np.intp)
    cut: FloatArray = spectrogram[starts[:, None] + np.arange(PATCH)][:, None]
    return cut


def log_mel(samples: NDArray[Any]) -> FloatArray:
    """Log-mel frames `(n, 64)` float32 of samples `(m,)` at 16 kHz, m padded to one patch where it is shorter."""
    samples = np.asarray(samples, np.float32)
    if len(samples) < SHORTEST:
        samples = np.pad(samples, (0, SHORTEST - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    magnitudes = np.abs(np.fft.rfft(frames * _window(), FFT))
    bands: FloatArray = np.log(magnitudes @ mel_weights() + np.float32(OFFSET))
    return bands


@cache
def _window() -> FloatArray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)


@cache
def mel_weights() -> FloatArray:
    """From FFT bins to mel bands, `(257, 64)` float32: triangles of height 1 that are straight over the mel scale.

    So does TensorFlow (`linear_to_mel_weight_matrix`); librosa's triangles are straight over Hz.
    """
    mels = _mel(np.arange(FFT // 2 + 1) * RATE / FFT)[:, None]
    edges = np.linspace(_mel(np.array(LOW)), _mel(np.array(HIGH)), BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.minimum((mels - low) / (centre - low), (high - mels) / (high - centre)).clip(0)
    weights[0] = 0  # TensorFlow leaves the constant part out
    triangles: FloatArray = weights.astype(np.float32)
    return triangles


def _mel(frequency: NDArray[Any]) -> NDArray[Any]:
    return 1127.0 * np.log1p(frequency / 700.0)
