import io
import os
import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from made_sounds import encoded, sine

from mmsearch.errors import MediaError
from mmsearch.media.audio import decode as audio
from mmsearch.types import AudioSpec

SPEC = AudioSpec(rate=16_000)


def windows(source, spec=SPEC):
    return list(audio.decode(source, spec).segments)


def spans(source, spec=SPEC):
    return [(segment.start, segment.end) for segment in windows(source, spec)]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.5, [(0, 0.5)]),
        (10, [(0, 10)]),
        (10.5, [(0, 10), (5, 10.5)]),
        (12, [(0, 10), (5, 12)]),
        (15, [(0, 10), (5, 15)]),
        (15.25, [(0, 10), (5, 15), (10, 15.25)]),
        (31, [(0, 10), (5, 15), (10, 20), (15, 25), (20, 30), (25, 31)]),
    ],
)
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_a_window_exists_while_there_is_new_sound(seconds, expected, rate):
    assert spans((np.zeros(round(seconds * rate), np.float32), rate)) == expected


@given(st.integers(1, 500), st.integers(1, 40), st.integers(1, 40))
def test_windows_cover_every_sample_once_in_order(samples, window, hop):
    spec = AudioSpec(rate=100, window=max(window, hop) / 100, hop=hop / 100)
    sound = np.arange(1, samples + 1, dtype=np.float32) / 1000
    found = windows((sound, 100), spec)
    heard = set()
    for k, segment in enumerate(found):
        begin = k * hop
        assert (segment.content == sound[begin : begin + max(window, hop)]).all()
        assert segment.start == begin / 100
        assert segment.end == (begin + len(segment.content)) / 100
        assert not set(range(begin, begin + len(segment.content))) <= heard
        heard |= set(range(begin, begin + len(segment.content)))
    assert heard == set(range(samples))


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_a_sine_resampled_in_blocks_equals_one_go(rate):
    sound = sine(13, rate)
    whole = soxr.resample(sound, rate, SPEC.rate)
    first, second = windows(encoded(sound, rate, subtype="FLOAT"))
    assert np.abs(first.content - whole[:160_000]).max() < 1e-6
    assert np.abs(second.content - whole[80_000:]).max() < 1e-6
    assert first.content.dtype == np.float32
    expected = sine(13, SPEC.rate)[1000:150_000]  # and it is a sine of the same pitch
    assert np.abs(first.content[1000:150_000] - expected).max() < 1e-3


@pytest.mark.parametrize("kind", ["FLAC", "MP3", "OGG"])
@settings(max_examples=6, deadline=None)
@given(st.integers(100, 30_000))
def test_windows_do_not_depend_on_the_block_size(kind, block):
    sound = np.random.default_rng(0).normal(0, 0.1, (44_100 * 3, 2)).astype(np.float32)
    data, spec = encoded(sound, 44_100, kind), AudioSpec(16_000, 1.0, 0.5)
    expected = windows(data, spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmsearch.media.audio.sound.BLOCK", block)
        found = windows(data, spec)
    assert len(found) == len(expected) >= 5
    for one, other in zip(found, expected, strict=True):
        assert (one.content == other.content).all()
        assert (one.start, one.end) == (other.start, other.end)


def test_channels_are_averaged():
    sound = np.stack([sine(1, 16_000), 0 * sine(1, 16_000), 0 * sine(1, 16_000)], axis=1)
    (segment,) = windows((sound, 16_000))
    assert np.abs(segment.content - sine(1, 16_000) / 3).max() < 1e-6


@pytest.mark.parametrize(
    ("dtype", "low", "middle", "high"),
    [
        (np.int16, -(2**15), 0, 2**15 - 1),
        (np.int32, -(2**31), 0, 2**31 - 1),
        (np.uint8, 0, 128, 255),
        (np.int8, -128, 0, 127),
    ],
)
def test_integer_pcm_is_scaled(dtype, low, middle, high):
    (segment,) = windows((np.array([low, middle, high], dtype), 16_000))
    assert segment.content[:2].tolist() == [-1, 0]
    assert 0.99 <= segment.content[2] <= 1


@pytest.mark.parametrize(("kind", "off"), [("WAV", 1e-4), ("FLAC", 1e-4), ("OGG", 0.03), ("MP3", 0.03)])
def test_every_format_is_read(kind, off, tmp_path):
    sound = sine(12, 44_100)
    path = tmp_path / "a"
    path.write_bytes(encoded(sound, 44_100, kind))
    medium = audio.decode(path, SPEC)
    assert medium.properties == {"seconds": 12.0, "rate": 44_100, "channels": 1}
    first, second = medium.segments
    assert (second.start, second.end) == (5, 12)
    # By their spectra: an MP3 begins with the encoder's delay.
    spectrum, expected = (
        np.abs(np.fft.rfft(x * np.hanning(160_000))) / 40_000 for x in (first.content, sine(10, 16_000))
    )
    assert np.abs(spectrum - expected).max() < off
    assert [s.content.tolist() for s in windows(path.read_bytes())] == [first.content.tolist(), second.content.tolist()]


def test_the_last_end_is_the_sounds_own():
    rate = 44_100
    length = 5 * rate + 17  # rounds up at 16 kHz
    medium = audio.decode((np.zeros(length, np.float32), rate), SPEC)
    (segment,) = medium.segments
    assert segment.end == medium.properties["seconds"] == length / rate


def test_overshoot_is_clipped():
    loud = np.sign(sine(1, 44_100))
    (segment,) = windows((loud, 44_100))
    assert np.abs(soxr.resample(loud, 44_100, 16_000)).max() > 1
    assert np.abs(segment.content).max() == 1


def test_memory_does_not_grow_with_the_length():
    def peak(seconds):
        data = io.BytesIO()
        with soundfile.SoundFile(data, "w", 8_000, 1, "PCM_U8", format="WAV") as out:
            for _ in range(seconds // 10):
                out.write(np.zeros(80_000, np.float32))
        content, spec = data.getvalue(), AudioSpec(8_000)
        tracemalloc.start()
        for _ in audio.decode(content, spec).segments:
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(2000) < 1.1 * peak(200)


def test_names_that_are_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9\n.wav")
    path.write_bytes(encoded(sine(1, 8_000), 8_000))
    assert spans(path) == [(0, 1)]


def test_an_iterator_left_alone_closes_its_file(tmp_path):
    (tmp_path / "a.wav").write_bytes(encoded(sine(40, 8_000), 8_000))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(20):
        audio.decode(tmp_path / "a.wav", SPEC)
        next(audio.decode(tmp_path / "a.wav", SPEC).segments)
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208


@pytest.mark.parametrize(
    "data",
    [b"", os.urandom(4000), b"RIFF" + os.urandom(100), b"OggS" + os.urandom(900), b"fLaC" + os.urandom(900), b"words"],
)
def test_noise_is_an_error_of_decode_itself(data):
    with pytest.raises(MediaError) as caught:
        audio.decode(data, SPEC)
    assert "<_io" not in str(caught.value)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_header_without_sound_is_an_error(kind):
    with pytest.raises(MediaError):
        windows(encoded(np.zeros(0, np.float32), 16_000, kind))


def test_a_flac_file_cut_short_is_an_error_while_reading():
    noise = np.random.default_rng(0).normal(0, 0.1, 44_100 * 20)
    data = encoded(noise, 44_100, "FLAC")
    medium = audio.decode(data[: len(data) // 3 * 2], SPEC)
    with pytest.raises(MediaError, match=r"damaged or cut short after 1\d\.\d s"):
        list(medium.segments)


@pytest.mark.parametrize("kind", ["WAV", "OGG"])
def test_a_wav_or_ogg_file_cut_short_holds_what_is_left(kind):
    data = encoded(np.random.default_rng(0).normal(0, 0.1, 16_000 * 8), 16_000, kind)
    ((start, end),) = spans(data[: len(data) // 2])
    assert start == 0
    assert 2 < end < 5


def test_a_rate_of_zero_in_a_file_is_an_error():
    data = bytearray(encoded(sine(1, 8_000), 8_000))
    data[24:28] = bytes(4)
    with pytest.raises(MediaError):
        audio.decode(bytes(data), SPEC)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_errors(bad):
    sound = sine(12, 16_000)
    sound[100] = bad
    with pytest.raises(MediaError, match="NaN or infinite"):
        audio.decode((sound, 16_000), SPEC)
    late = np.concatenate([sine(12, 16_000), sound])
    with pytest.raises(MediaError, match="NaN or infinite"):
        windows(encoded(late, 16_000, subtype="FLOAT"))


@pytest.mark.parametrize(
    ("samples", "rate", "reason"),
    [
        (np.zeros(0, np.float32), 16_000, "0 samples"),
        (np.zeros(9, np.float32), 0, "rate"),
        (np.zeros(9, np.float32), -8_000, "rate"),
        (np.zeros(9, np.float32), float("nan"), "rate"),
        (np.zeros((2, 16_000), np.float32), 16_000, "channels"),
        (np.zeros((2, 2, 2), np.float32), 16_000, "channels"),
        (np.zeros(9, np.complex64), 16_000, "complex64"),
        (np.zeros(9, np.int64), 16_000, "int64"),
    ],
)
def test_arrays_that_are_no_sound(samples, rate, reason):
    with pytest.raises(MediaError, match=reason):
        audio.decode((samples, rate), SPEC)


def test_files_that_cannot_be_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp3")
    (tmp_path / "gone.mp3").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.mp3").symlink_to(tmp_path / "loop.mp3")
    (tmp_path / "empty.mp3").touch()
    for name, reason in (
        ("pipe.mp3", "not a regular file"),
        ("gone.mp3", "no such file"),
        ("loop.mp3", "symbolic links"),
        ("empty.mp3", "empty: 0 bytes"),
        (".", "is a directory"),
    ):
        with pytest.raises(MediaError, match=reason):
            audio.decode(tmp_path / name, SPEC)
        with pytest.raises(MediaError, match=reason):
            audio.clip(tmp_path / name, 0, 1)


def test_a_file_that_may_not_be_read(as_nobody, tmp_path):
    (tmp_path / "a.wav").write_bytes(encoded(sine(1, 8_000), 8_000))
    (tmp_path / "a.wav").chmod(0)
    code = "try: mmsearch.media.audio.decode.clip(Path('a.wav'), 0, 1)\nexcept MediaError as e: print(e)"
    assert as_nobody(code) == "permission denied\n"


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_clips_hold_the_seconds_asked_for(rate, tmp_path):
    parts = [sine(3, rate, pitch) for pitch in (300, 900, 1500)]
    data = encoded(np.stack([np.concatenate(parts)] * 2, axis=1), rate)
    (tmp_path / "a.wav").write_bytes(data)
    for source in (tmp_path / "a.wav", data, (np.concatenate(parts), rate)):
        made, made_rate = soundfile.read(io.BytesIO(audio.clip(source, 3, 6)))
        assert made_rate == min(rate, 22_050)
        assert made.shape == (3 * made_rate,)
        assert np.abs(np.fft.rfft(made[: 2 * made_rate])).argmax() == 2 * 900
    assert len(soundfile.read(io.BytesIO(audio.clip(data, 8, 99)))[0]) == min(rate, 22_050)
    with pytest.raises(MediaError, match="no sound between 20 and 30 s"):
        audio.clip(data, 20, 30)


@pytest.mark.parametrize(("start", "end"), [(2, 1), (1, 1), (1.1, 1.0)])
def test_a_clip_that_ends_before_it_begins_is_an_error(start, end):
    for source in (encoded(sine(3, 8_000), 8_000), (sine(3, 8_000), 8_000)):
        with pytest.raises(MediaError, match="no sound between"):
            audio.clip(source, start, end)


def test_long_clips_are_encoded_whole():
    made, rate = soundfile.read(io.BytesIO(audio.clip((sine(200, 22_050), 22_050), 10, 190)))
    assert len(made) == 180 * rate
    assert np.abs(made[-rate:]).max() == pytest.approx(0.5, abs=0.05)
