"""OGG files without their random number, read back."""

import io
import struct

import numpy as np
import pytest
import soundfile

from mmsearch.media.audio import clip, ogg

RATE = 16_000


def encoded(seconds, channels=1):
    noise = np.random.default_rng(0).normal(size=(int(seconds * RATE), channels)) / 8
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", RATE, channels, format="OGG", subtype="VORBIS") as file:
        for start in range(0, len(noise), RATE):
            file.write(noise[start : start + RATE])
    return buffer.getvalue()


def serials(content):
    return {struct.unpack_from("<I", content, at + 14)[0] for at in pages(content)}


def pages(content):
    at = [n for n in range(len(content)) if content.startswith(b"OggS\0", n)]
    assert at[0] == 0
    return at


@pytest.mark.parametrize("seconds", [0.01, 1, 30])
def test_two_encodings_are_the_same_bytes_and_the_same_sound(seconds):
    first, second = encoded(seconds), encoded(seconds)
    assert ogg.without_serial(first) == ogg.without_serial(second)
    assert serials(ogg.without_serial(first)) == {0}
    expected, rate = soundfile.read(io.BytesIO(first))
    found, found_rate = soundfile.read(io.BytesIO(ogg.without_serial(first)))
    assert rate == found_rate
    assert len(expected) == pytest.approx(seconds * RATE, abs=1)
    assert np.array_equal(found, expected), "a page with a wrong checksum would be left out"


def test_the_checksum_is_that_of_the_encoder():
    content = encoded(30, channels=2)
    starts = [*pages(content), len(content)]
    assert len(starts) > 5
    for start, end in zip(starts, starts[1:], strict=False):
        page = bytearray(content[start:end])
        (stored,) = struct.unpack_from("<I", page, 22)
        page[22:26] = bytes(4)
        assert ogg._checksum(page) == stored


def test_clips_are_repeatable():
    samples = np.sin(np.arange(3 * RATE) / 9).astype(np.float32)
    assert clip.clip((samples, RATE), 0.5, 2) == clip.clip((samples, RATE), 0.5, 2)
