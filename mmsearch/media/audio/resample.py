"""A stream of samples from one rate to another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import soxr

from mmsearch.errors import MediaError

if TYPE_CHECKING:
    from mmsearch.types import FloatArray


def resampled(blocks: Iterator[FloatArray], rate: int, wanted: int) -> Iterator[FloatArray]:
    """The same samples whatever the size of the blocks: soxr keeps its state, and is told when the sound ends.

    At least one sample comes out if one goes in. Samples may overshoot [-1, 1].

    Raises:
        MediaError: soxr cannot, from `rate` to `wanted` Hz.
    """
    if rate == wanted:
        yield from blocks
        return
    sample, given = np.zeros(0, np.float32), 0
    try:
        stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32")
        for block in blocks:
            found = stream.resample_chunk(block)
            sample, given = block[:1], given + len(found)
            yield found
        rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    except (RuntimeError, ValueError) as error:
        raise MediaError(f"cannot be resampled from {rate} to {wanted} Hz: {error}") from error
    yield rest if given + len(rest) else sample  # two samples of 48 kHz are none of 16 kHz
