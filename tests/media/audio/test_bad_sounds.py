"""Files that are no sound, damaged, unfinished, absurd or hostile: what is left is read, or the error is clear."""

import io
import os
import socket
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from made_sounds import encoded, ffmpeg, sine

from mmsearch.errors import MediaError
from mmsearch.media.audio import decode as audio
from mmsearch.media.audio.av_file import open_with_ffmpeg
from mmsearch.media.audio.open_sound import open_sound
from mmsearch.types import AudioSpec

SPEC = AudioSpec(16_000)
TONE = np.stack([sine(6, 44_100)] * 2, axis=1)
WAV = encoded(TONE, 44_100)
FLAC = encoded(TONE, 44_100, "FLAC")


def changed(data, at, fmt, *values):
    found = bytearray(data)
    struct.pack_into(fmt, found, at, *values)
    return bytes(found)


def m4a(codec="aac"):
    return ffmpeg(TONE, 44_100, "ipod", codec)


def mp4():
    return ffmpeg(TONE, 44_100, "mp4", "aac", "libx264")


def in_wma(guid):
    """A Windows Media file whose list of codecs is said to be something else."""
    return ffmpeg(TONE, 44_100, "asf", "wmav2").replace(
        UUID("86d15240-311d-11d0-a3a4-00a0c90348f6").bytes_le, UUID(guid).bytes_le
    )


@cache
def silence_of_49_hours():
    return encoded(np.zeros(49 * 360_000, np.float32), 100, "FLAC")


UNKNOWN = "^not a sound that libsndfile reads: Format not recognised$"
NEITHER = "not a sound that libsndfile reads: .+; not a sound that FFmpeg reads: .+"

BAD = {
    "nothing": (lambda: b"", "empty: 0 bytes"),
    "noise": (lambda: np.random.default_rng(1).bytes(9_000), NEITHER),
    "a text": (lambda: b"dogs bark", UNKNOWN),
    "a picture": (
        lambda: b"\x89PNG\r\n\x1a\n" + bytes(900),
        UNKNOWN,
    ),
    "a PDF": (lambda: b"%PDF-1.7\n" + bytes(900), UNKNOWN),
    "a WAV header": (lambda: WAV[:40], NEITHER),
    "a WAV without samples": (lambda: encoded(TONE[:0], 44_100), "no sound: 0 samples"),
    "a WAV of 0 Hz": (lambda: changed(WAV, 24, "<I", 0), NEITHER),
    "a WAV of 1 Hz": (lambda: changed(WAV, 24, "<I", 1), "a sampling rate of 1 Hz; mmsearch reads 100 to 768,000 Hz"),
    "a WAV of 10 MHz": (lambda: changed(WAV, 24, "<I", 10_000_000), "a sampling rate of 10,000,000 Hz; mmsearch reads"),
    "a WAV of no channels": (lambda: changed(WAV, 22, "<H", 0), "Channel count is zero"),
    "a WAV of 65,535 channels": (lambda: changed(WAV, 22, "<H", 65_535), "Too many channels"),
    "a FLAC of 433 hours": (
        lambda: changed(changed(FLAC, 21, "B", FLAC[21] | 15), 22, ">I", 2**32 - 1),
        "^sound of 433 h; mmsearch reads up to 48 h: cut it into several files$",
    ),
    "49 hours of silence in 60 kB": (silence_of_49_hours, "sound of 49 h"),
    "the same, length hidden": (
        lambda: changed(silence_of_49_hours(), 21, ">BI", 0xF0, 0),
        "sound of 49 h",
    ),
    "samples that are no numbers": (lambda: ffmpeg(np.full((9999, 2), np.nan), 44_100, "matroska", "pcm_f32le"), "NaN"),
    "infinities that cancel out": (
        lambda: encoded(np.full((99, 2), [np.inf, -np.inf]), 44_100, subtype="FLOAT"),
        "NaN",
    ),
    "an M4P of an old shop": (lambda: m4a().replace(b"mp4a", b"drms"), "encrypted"),
    "an encrypted M4A": (lambda: m4a().replace(b"mp4a", b"enca"), "encrypted"),
    "a protected WMA": (lambda: in_wma("2211b3fb-bd23-11d2-b4b7-00a0c955fc6e"), "encrypted"),
    "a WMA protected otherwise": (lambda: in_wma("298ae614-2622-4c17-b935-dae07ee9289c"), "encrypted"),
    "an MP4 without sound": (lambda: ffmpeg(TONE, 44_100, "mp4", None, "mpeg4"), "^a video without sound$"),
    "an MKV without sound": (lambda: ffmpeg(TONE, 44_100, "matroska", None, "mpeg4"), "^a video without sound$"),
    "an unfinished MP4": (lambda: mp4()[:60_000], "cut short, its index \\(moov\\) is missing"),
    "an M4A of zeros": (lambda: zeroed(m4a()), "nothing in it can be decoded"),
}


def zeroed(data):
    begin, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    return data[:begin] + b"\xff" * (end - begin) + data[end:]


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_sound_says_why(name, tmp_path):
    make, expected = BAD[name]
    data, path = make(), tmp_path / "a.mp3"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(MediaError, match=expected):
            list(audio.decode(source, SPEC).segments)
        if name != "the same, length hidden":  # for a clip nothing is counted
            with pytest.raises(MediaError):
                audio.clip(source, 1, 2)


CUT = {  # half of each file: its seconds
    "FLV": (("flv", "aac", "libx264"), 3),
    "MKV": (("matroska", "ac3", "libx264"), 3),
    "AVI": (("avi", "libmp3lame", "mpeg4"), 3),
    "MPEG": (("mpeg", "mp2", "mpeg1video"), 3),
    "MTS": (("mpegts", "ac3", "libx264"), 3),
    "WMA": (("asf", "wmav2"), 3),
    "AAC": (("adts", "aac"), 3),
    "AC-3": (("ac3", "ac3"), 3),
    "WavPack": (("wv", "wavpack"), 3),
}


@pytest.mark.parametrize("name", CUT)
def test_a_file_cut_short_holds_what_is_left(name):
    made, seconds = CUT[name]
    data = ffmpeg(TONE, 44_100, *made)
    segments = list(audio.decode(data[: len(data) // 2], SPEC).segments)
    assert segments[-1].end == pytest.approx(seconds, abs=0.5)
    assert np.sqrt(2 * (segments[0].content[:32_000] ** 2).mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("made", "options"),
    [
        (("flv", "aac", "libx264"), {}),
        (("matroska", "ac3", "libx264"), {"cluster_time_limit": "500"}),
        (("mpegts", "ac3", "libx264"), {}),
    ],
)
def test_a_hole_in_a_video_is_silent_and_moves_nothing(made, options):
    pitch = np.repeat([440.0, 1000.0], 3 * 44_100)
    tone = np.stack([0.5 * np.sin(2 * np.pi * np.cumsum(pitch) / 44_100)] * 2, axis=1)
    data = bytearray(ffmpeg(tone, 44_100, *made, options=options))
    hole = len(data) // 4
    data[hole : hole + 15_000] = bytes(15_000)
    (segment,) = audio.decode(bytes(data), SPEC).segments
    assert segment.end == pytest.approx(6, abs=0.1)
    loud = np.abs(segment.content[: 6 * 15_600].reshape(-1, 400)).max(axis=1)
    assert 0.3 < (loud < 0.01).sum() * 400 / SPEC.rate < 1.5
    for begin, expected in ((3.2, 1000), (4.5, 1000)):
        heard = segment.content[round(begin * SPEC.rate) :][: SPEC.rate]
        assert np.abs(np.fft.rfft(heard)).argmax() == pytest.approx(expected, abs=1)


def test_a_recorder_that_stopped_before_it_wrote_the_length():
    (segment,) = audio.decode(changed(changed(WAV, 4, "<I", 0), 40, "<I", 0), SPEC).segments
    assert (segment.start, segment.end) == (0, 6)


@pytest.mark.parametrize("size", [2**32 - 1, 2**32 - 8, 2**31])
def test_a_wav_that_claims_gigabytes_holds_what_is_there(size):
    medium = audio.decode(changed(changed(WAV, 4, "<I", size), 40, "<I", size), SPEC)
    assert medium.properties["seconds"] == 6
    assert [segment.end for segment in medium.segments] == [6]


def test_a_flac_stream_that_does_not_know_its_length():
    medium = audio.decode(changed(changed(FLAC, 21, "B", FLAC[21] & 0xF0), 22, ">I", 0), SPEC)
    assert medium.properties["seconds"] == 6
    assert [segment.end for segment in medium.segments] == [6]


def test_a_header_that_lies_does_not_get_past_the_limit(monkeypatch):
    data = bytearray(ffmpeg(np.zeros((30 * 8_000, 1)), 8_000, "matroska", "pcm_u8", layout="mono"))
    struct.pack_into(">d", data, data.index(b"\x44\x89\x88") + 3, 1_000.0)  # its duration, in milliseconds
    monkeypatch.setattr("mmsearch.media.audio.sound.MAX_SECONDS", 20)
    medium = audio.decode(bytes(data), SPEC)
    assert medium.properties["seconds"] == 1
    with pytest.raises(
        MediaError, match="^sound of more than .* h; mmsearch reads up to .* h: cut it into several files$"
    ):
        list(medium.segments)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF"])
@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_a_sound_of_one_sample(kind, rate):
    (segment,) = audio.decode(encoded(sine(1, rate)[3:4], rate, kind), SPEC).segments
    assert 1 <= len(segment.content) <= 3
    assert segment.end == pytest.approx(1 / rate, abs=1 / SPEC.rate)


@pytest.mark.parametrize("made", [("ipod", "aac"), ("matroska", "flac"), ("mp4", "aac", "libx264")])
def test_silence_is_a_sound(made):
    (segment,) = audio.decode(ffmpeg(0 * TONE, 44_100, *made), SPEC).segments
    assert len(segment.content) == pytest.approx(6 * SPEC.rate, abs=1_600)
    assert not segment.content.any()


@pytest.mark.parametrize("rate", [100, 768_000])
def test_memory_at_the_rates_that_are_just_allowed(rate):
    sound = open_sound(changed(WAV, 24, "<I", rate))
    assert max(map(len, sound.blocks)) <= 10 * rate


@pytest.mark.parametrize("kind", ["mp4", "matroska"])
def test_time_begins_where_the_sound_does(kind):
    data = ffmpeg(TONE, 44_100, kind, "aac", "libx264", delay=1.5)
    medium = audio.decode(data, SPEC)
    (segment,) = medium.segments
    assert np.abs(segment.content[800:1600]).max() == pytest.approx(0.5, abs=0.05)
    assert segment.end == pytest.approx(6, abs=0.05)
    assert medium.properties["seconds"] == pytest.approx(6, abs=0.05)


def test_tags_that_are_no_utf8():
    data = ffmpeg(TONE, 44_100, "avi", "libmp3lame", "mpeg4", tags={"title": "cafeXX"})
    assert data.count(b"cafeXX") == 1
    assert len(list(audio.decode(data.replace(b"cafeXX", b"caf\xe9\xff\xfe"), SPEC).segments)) == 1


@pytest.mark.parametrize(("kind", "sound"), [("adts", "aac"), ("mp3", "libmp3lame")])
def test_an_empty_id3_tag_in_front(kind, sound):
    data = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + ffmpeg(TONE, 44_100, kind, sound)
    (segment,) = audio.decode(data, SPEC).segments
    assert segment.end == pytest.approx(6, abs=0.1)


REFERRING = {
    "an HLS list": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n",
    "a concat script": "ffconcat version 1.0\nfile {url}\n",
    "a DASH list": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    '<AdaptationSet mimeType="audio/wav"><Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "a session": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
}


@pytest.mark.parametrize("name", REFERRING)
def test_what_a_file_refers_to_is_not_opened(name, tmp_path):
    other = tmp_path / "other.wav"
    other.write_bytes(WAV)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        for url in (f"file://{other}", str(other), other.name, f"http://127.0.0.1:{port}/a.wav"):
            data = REFERRING[name].format(url=url, port=port).encode()
            (tmp_path / "list.mp4").write_bytes(data)
            with pytest.raises(MediaError, match="not a sound that libsndfile reads"):
                audio.decode(tmp_path / "list.mp4", SPEC)
            with pytest.raises(MediaError, match="not a sound that FFmpeg reads"):  # if it ever came to that
                open_with_ffmpeg(io.BytesIO(data))
        with pytest.raises(BlockingIOError):  # nobody called
            server.accept()


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    for name, data in (("a.wav", WAV), ("a.mkv", ffmpeg(TONE, 44_100, "matroska", "pcm_s16le"))):
        (tmp_path / name).write_bytes(data)
        segments = audio.decode(tmp_path / name, AudioSpec(16_000, 0.5, 0.5)).segments
        next(segments)
        os.truncate(tmp_path / name, 200_000)
        assert sum(1 for _ in segments) < 11


def test_nothing_is_printed(tmp_path):
    hole = bytearray(mp4())
    hole[20_000:40_000] = os.urandom(20_000)
    (tmp_path / "a.mp4").write_bytes(hole)
    (tmp_path / "b.mp4").write_bytes(mp4()[:60_000])
    code = """
import sys
from mmsearch.media.audio import decode as audio
from mmsearch.types import AudioSpec
assert "av" not in sys.modules
for name in ("a.mp4", "b.mp4"):
    try: list(audio.decode(name, AudioSpec(16_000)).segments)
    except audio.MediaError as error: print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_files_are_closed(tmp_path):
    (tmp_path / "a.mp4").write_bytes(mp4())
    (tmp_path / "b.mp4").write_bytes(mp4()[:60_000])
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        next(audio.decode(tmp_path / "a.mp4", AudioSpec(16_000, 1, 1)).segments)
        audio.clip(tmp_path / "a.mp4", 3, 4)
        with pytest.raises(MediaError):
            audio.decode(tmp_path / "b.mp4", SPEC)
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208


def test_memory_does_not_grow_with_the_frames():
    code = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import numpy as np
from made_sounds import ffmpeg
from mmsearch.media.audio import decode as audio
from mmsearch.types import AudioSpec
data = ffmpeg(np.zeros((8_000 * 300, 1), np.float32), 8_000, "matroska", "libmp3lame", layout="mono")
peaks = []
for _ in range(8):
    assert sum(1 for _ in audio.decode(data, AudioSpec(48_000, 10, 10)).segments) in (30, 31)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(peaks[-1] - peaks[1])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 8  # MiB; the samples of one time are 55
