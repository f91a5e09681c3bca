import hashlib
import os
import signal
import threading
import time
from multiprocessing import spawn

import numpy as np
import pytest
import soundfile
from PIL import Image

from mmsearch.errors import DecoderError, MediaError
from mmsearch.media.reader import InProcess, Readers
from mmsearch.types import AudioSpec, ImageSpec, InputSpec, Modality, TextSpec

SPEC = InputSpec(ImageSpec(32, 40), AudioSpec(8_000, 1.0, 0.5), TextSpec(20, lambda text: len(text.split())))


@pytest.fixture(scope="module")
def readers():
    made = Readers(SPEC)
    yield made
    made.close()


def read(readers, source, modality, suffix, **options):
    with readers.take(**options) as reader:
        found = [reader.open(source, modality)]
        for medium in reader.read(suffix):
            if isinstance(medium, MediaError):
                found.append(str(medium))
            else:
                segments = [(s.content, s.start, s.end, s.page, s.time) for s in medium.segments]
                found.append((medium.modality, dict(medium.properties), medium.key, dict(medium.metadata), segments))
        return found


def pids(readers):
    return {reader._process.pid for reader in readers._idle}


@pytest.fixture
def files(tmp_path):
    noise = np.random.default_rng(0)
    Image.fromarray(noise.integers(0, 255, (60, 80, 3), np.uint8)).save(tmp_path / "a.png")
    soundfile.write(tmp_path / "a.wav", noise.uniform(-0.5, 0.5, 30_000), 8_000)
    (tmp_path / "a.txt").write_text("one two\n\nthree")
    (tmp_path / "a.jsonl").write_text('{"text": "x", "id": 7, "year": 2020}\n{\n{"text": "y\\ud83d\\ude00"}\n')
    (tmp_path / "\udcff\n'.txt").write_bytes(b"odd name")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("a.png", Modality.IMAGE),
        ("a.wav", Modality.AUDIO),
        ("a.txt", Modality.TEXT),
        ("a.jsonl", Modality.TEXT),
        ("\udcff\n'.txt", Modality.TEXT),
    ],
)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_what_is_read_is_the_same_as_in_this_process(readers, files, name, modality, as_bytes):
    source = (files / name).read_bytes() if as_bytes else files / name
    here, there = (read(one, source, modality, (files / name).suffix) for one in (InProcess(SPEC), readers))
    assert here[0] == there[0] == hashlib.blake2b((files / name).read_bytes(), digest_size=16).digest()
    assert len(here) == len(there) > 1
    for one, other in zip(here[1:], there[1:], strict=True):
        if isinstance(one, str):
            assert one == other
            continue
        assert one[:4] == other[:4]
        for (a, *place_a), (b, *place_b) in zip(one[4], other[4], strict=True):
            assert place_a == place_b
            assert np.array_equal(a, b)
            assert type(a) is type(b)


def test_a_process_is_kept_for_the_next_file(readers, files):
    read(readers, files / "a.png", Modality.IMAGE, ".png")
    before = pids(readers)
    read(readers, files / "a.txt", Modality.TEXT, ".txt")
    with pytest.raises(MediaError, match="no such file"):
        read(readers, files / "gone.png", Modality.IMAGE, ".png")
    with pytest.raises(MediaError, match="broken picture|not a picture"):
        read(readers, b"\x89PNG\r\n\x1a\n" + b"junk" * 20, Modality.IMAGE, ".png")
    assert pids(readers) == before


def test_two_threads_have_two_processes(readers, files):
    with readers.take() as one, readers.take() as other:
        assert one._process.pid != other._process.pid
        assert one.open(files / "a.png", Modality.IMAGE) == other.open(files / "a.png", Modality.IMAGE)


@pytest.fixture
def hostile(hostile_text):
    made = Readers(SPEC)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"crash", r"its decoder crashed \(SIGSEGV\)"),
        (b"hang", r"given up: its decoder delivered nothing for 0\.5 s"),
        (b"exit", "its decoder ended"),
        (b"bomb", "not enough memory"),
        (b"deep", "nested too deeply"),
        (b"bug", "its decoder failed: KeyError: 'x'"),
    ],
)
def test_a_decoder_that_fails_badly_costs_its_file_only(hostile, files, said, reason):
    read(hostile, files / "a.txt", Modality.TEXT, ".txt")
    with pytest.raises(MediaError, match=reason):
        read(hostile, said, Modality.TEXT, ".txt", timeout=0.5)
    assert read(hostile, files / "a.txt", Modality.TEXT, ".txt")[1][4][0][0] == "one two\n\nthree"


def test_a_crash_in_the_middle_of_a_sound(readers, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(8_000 * 600), 8_000)
    with pytest.raises(MediaError, match=r"crashed \(SIGBUS\)"), readers.take() as reader:
        reader.open(tmp_path / "long.wav", Modality.AUDIO)
        media = reader.read(".wav")
        for number, _ in enumerate(next(media).segments):
            if number == 3:
                os.kill(reader._process.pid, signal.SIGBUS)


def test_a_file_that_is_left_in_the_middle_does_not_answer_for_the_next(readers, files, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(8_000 * 600), 8_000)
    with readers.take() as reader:
        reader.open(tmp_path / "long.wav", Modality.AUDIO)
        next(next(reader.read(".wav")).segments)
    assert read(readers, files / "a.txt", Modality.TEXT, ".txt")[1][0] is Modality.TEXT


def test_interrupting_lets_nobody_wait(readers, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(8_000), 8_000)
    with readers.take() as reader:
        os.kill(reader._process.pid, signal.SIGSTOP)
        threading.Timer(0.2, readers.interrupt).start()
        started = time.monotonic()
        with pytest.raises(MediaError, match="killed"):
            reader.open(tmp_path / "long.wav", Modality.AUDIO)
    assert time.monotonic() - started < 30  # and not the minute that a decoder has


def test_ctrl_c_is_not_for_decoders(readers, files):
    with readers.take() as reader:
        os.kill(reader._process.pid, signal.SIGINT)
        reader.open(files / "a.png", Modality.IMAGE)
        assert next(reader.read(".png")).modality is Modality.IMAGE


def test_processes_end_with_their_readers(files):
    made = Readers(SPEC)
    read(made, files / "a.txt", Modality.TEXT, ".txt")
    (process,) = [reader._process for reader in made._idle]
    made.close()
    assert process.poll() is not None


@pytest.mark.parametrize(
    ("executable", "reason"), [("/nowhere/python", "cannot be started"), ("/bin/false", "does not start")]
)
def test_no_process_is_an_error_that_is_not_the_files(monkeypatch, executable, reason):
    monkeypatch.setattr(spawn, "get_executable", lambda: executable)
    with pytest.raises(DecoderError, match=reason), Readers(SPEC).take():
        pass
