"""The log-mel spectrograms that CLAP hears, in NumPy, equal to those of transformers' `ClapFeatureExtractor`.

Periodic Hann windows, reflected ends, power spectra in float64, mel bands, decibels down to -100. A float32 Fourier
transform is no faster, and beside a loud tone its rounding noise lies above that floor.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import WeightsDamaged

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

FLOOR = 1e-10  # of the power in a band: -100 dB
BLOCK = 128  # frames at once: what they need stays in the processor's cache, which is twice as fast as all at once
FEW = 8  # frames in a product: of more, BLAS makes several threads, which then spin and take the cores from the model
PADDINGS = ("repeatpad", "repeat", "pad")


@dataclass(frozen=True, slots=True)
class MelSpec:
    """How sounds become features. The fields are JSON values.

    Attributes:
        rate: Hz.
        seconds: of a window.
        fft: samples of a frame.
        hop: samples from frame to frame.
        bands: of the mel scale.
        low: Hz, where the first band begins.
        high: Hz, where the last one ends.
        slaney: Slaney's mel scale and bands of equal area (unfused models), not HTK's and of equal height (fused ones).
        padding: of short windows: repeated as often as they fit in whole and then silence (`repeatpad`), repeated to
            the end (`repeat`), or silence (`pad`).
    """

    rate: int = 48_000
    seconds: int = 10
    fft: int = 1024
    hop: int = 480
    bands: int = 64
    low: float = 50.0
    high: float = 14_000.0
    slaney: bool = True
    padding: str = "repeatpad"

    @property
    def samples(self) -> int:
        """Of a window."""
        return self.rate * self.seconds

    @property
    def frames(self) -> int:
        """Of a window."""
        return 1 + self.samples // self.hop


def read_spec(folder: Path) -> MelSpec:
    """What a model's folder says, in `preprocessor_config.json` or in `processor_config.json`, as newer ones have it.

    Raises:
        WeightsDamaged: it cannot be read, or asks for what CLAP has not.
    """
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        path = folder / "processor_config.json"
    try:
        said = json.loads(path.read_text("utf-8"))
        said = said.get("feature_extractor", said)
        spec = MelSpec(
            rate=int(said.get("sampling_rate", 48_000)),
            seconds=int(said.get("max_length_s", 10)),
            fft=int(said.get("fft_window_size", 1024)),
            hop=int(said.get("hop_length", 480)),
            bands=int(said.get("feature_size", 64)),
            low=float(said.get("frequency_min", 0)),
            high=float(said.get("frequency_max", 14_000)),
            slaney=said.get("truncation", "fusion") != "fusion",
            padding=str(said.get("padding", "repeatpad")),
        )
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsDamaged(f"{path} cannot be read ({error}); download the model again") from error
    sizes = (spec.rate, spec.seconds, spec.hop, spec.bands, spec.fft // 2)
    if min(sizes) < 1 or spec.fft > spec.samples or spec.padding not in PADDINGS or not 0 <= spec.low < spec.high:
        raise WeightsDamaged(f"{path} asks for features that make no sense: {spec}; download the model again")
    return spec


def log_mel(windows: Sequence[NDArray[Any]], spec: MelSpec) -> FloatArray:
    """Features `(n, 1, frames, bands)` float32, in dB, of windows `(m,)` float32 mono at `spec.rate`.

    Short windows are padded as the model was trained; an empty one is silence. A fused model's features are four times
    the same for such windows, of which `modules.Sounds` needs one.

    Raises:
        ValueError: a window is longer than `spec.seconds`.
    """
    features = np.empty((len(windows), 1, spec.frames, spec.bands), np.float32)
    for place, window in zip(features, windows, strict=True):
        _spectrogram(_padded(np.asarray(window, np.float32), spec), spec, place[0])
    return features


def _padded(window: FloatArray, spec: MelSpec) -> FloatArray:
    """To the length of a whole window, then by half a frame, reflected, at both ends: `center` in librosa's terms."""
    if len(window) > spec.samples:
        raise ValueError(f"a window has {len(window)} samples, CLAP hears at most {spec.samples}")
    if 0 < len(window) < spec.samples and spec.padding != "pad":
        times = spec.samples // len(window) + (spec.padding == "repeat")
        window = np.tile(window, times)[: spec.samples]
    window = np.pad(window, (0, spec.samples - len(window)))
    return np.pad(window, spec.fft // 2, mode="reflect")


def _spectrogram(samples: FloatArray, spec: MelSpec, target: FloatArray) -> None:
    hann, weights = _hann(spec.fft), mel_weights(spec)
    frames = np.lib.stride_tricks.sliding_window_view(samples, spec.fft)[:: spec.hop]
    for start in range(0, len(target), BLOCK):
        block = slice(start, start + BLOCK)
        spectra = np.fft.rfft(frames[block] * hann)[:, : len(weights)]
        powers = spectra.real**2 + spectra.imag**2
        bands = np.concatenate([powers[at : at + FEW] @ weights for at in range(0, len(powers), FEW)])
        target[block] = 10 * np.log10(np.maximum(bands, FLOOR))


@cache
def _hann(length: int) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


@cache
def mel_weights(spec: MelSpec) -> NDArray[np.float64]:
    """From the bins of the Fourier transform to mel bands, `(bins up to the last that counts, bands)` float64.

    Triangles that are straight over Hz, between edges that are evenly spaced on the mel scale.
    """
    hertz = np.linspace(0, spec.rate // 2, spec.fft // 2 + 1)[:, None]
    edges = _edges(spec)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.minimum((hertz - low) / (centre - low), (high - hertz) / (high - centre)).clip(0)
    if spec.slaney:
        weights *= 2 / (high - low)
    return weights[: 1 + np.flatnonzero(weights.any(axis=1)).max(initial=0)]


def _edges(spec: MelSpec) -> NDArray[np.float64]:
    """Where bands begin, peak and end, in Hz, `(bands + 2,)`.

    Scales: 2595 log10(1 + f / 700) (O'Shaughnessy, "Speech communication", 1987), as in HTK; or linear below 1 kHz,
    15 mels there, and from there 27 steps to 6.4 times the frequency (Slaney, "Auditory Toolbox", 1998).
    """
    bounds = np.array([spec.low, spec.high])
    if not spec.slaney:
        first, last = 2595 * np.log10(1 + bounds / 700)
        mels = np.linspace(first, last, spec.bands + 2)
        return np.asarray(700 * (10 ** (mels / 2595) - 1))
    step = np.log(6.4) / 27
    first, last = np.where(bounds < 1000, bounds * 3 / 200, 15 + np.log(np.maximum(bounds, 1000) / 1000) / step)
    mels = np.linspace(first, last, spec.bands + 2)
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
