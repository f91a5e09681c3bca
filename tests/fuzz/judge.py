"""Read hostile files as an indexing run does, and say how each one ended."""

import time
from typing import NamedTuple

from mmsearch.errors import MediaError
from mmsearch.media.reader import Readers
from mmsearch.media.text.document import in_passages
from mmsearch.types import AudioSpec, ImageSpec, InputSpec, Modality, TextSpec

SPEC = InputSpec(ImageSpec(64, 64), AudioSpec(8_000, 1.0, 0.5), TextSpec(64, lambda text: len(text.split()) + 2))
TIMEOUT_SECONDS = 20.0
MAX_SEGMENTS = 20_000

READ, REFUSED, CRASHED, HUNG, UNEXPECTED = "read", "refused", "crashed", "hung", "unexpected"


class Verdict(NamedTuple):
    """How it ended: `read` or `refused` are fine; a crash or a hang was contained; `unexpected` is a bug of ours."""

    ended: str
    reason: str
    segments: int
    seconds: float


class Judge:
    def __enter__(self):
        self._readers = Readers(SPEC)
        return self

    def __exit__(self, *_):
        self._readers.close()

    def read(self, data, modality, suffix):
        """Never raises, whatever the file is."""
        started, segments, problem = time.monotonic(), 0, ""
        try:
            with self._readers.take(TIMEOUT_SECONDS) as reader:
                reader.open(data, modality)
                for found in reader.read(suffix):
                    if isinstance(found, MediaError):
                        problem = problem or str(found)
                        continue
                    try:
                        medium = in_passages(found, SPEC.text) if modality is Modality.TEXT else found
                    except MediaError as error:
                        problem = problem or str(error)
                        continue
                    for segment in medium.segments:
                        _check(segment, modality)
                        segments += 1
                        if segments > MAX_SEGMENTS:
                            break
        except MediaError as error:
            problem = str(error)
        return Verdict(_ended(problem, segments), problem, segments, time.monotonic() - started)


def _ended(problem, segments):
    if "decoder failed" in problem:
        return UNEXPECTED
    if "crashed" in problem or "was killed" in problem or "decoder ended" in problem:
        return CRASHED
    if "given up" in problem:
        return HUNG
    return READ if segments else REFUSED


def _check(segment, modality):
    """What reaches an encoder is always of its shape, and finite."""
    import numpy as np

    content = segment.content
    if modality is Modality.IMAGE:
        assert content.shape == (64, 64, 3)
        assert content.dtype == np.uint8
    elif modality is Modality.AUDIO:
        assert content.ndim == 1
        assert 0 < len(content) <= 8_000
        assert content.dtype == np.float32
        assert np.isfinite(content).all()
        assert np.abs(content).max() <= 1
    else:
        assert content.strip()
        content.encode()
