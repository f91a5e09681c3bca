"""A run goes on whatever a decoder does: crash, hang, fill the memory, or be killed from outside."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from made import picture

import mmsearch
from mmsearch.errors import MediaError, MediaUnavailable
from mmsearch.media.isolated import Isolated

BAD = {
    "crash": r"its decoder crashed (SIGSEGV)",
    "hang": "given up: its decoder delivered nothing for 1 s",
    "exit": "its decoder ended",
    "bomb": "not enough memory to decode it",
}


@pytest.mark.usefixtures("hostile_text")
def test_every_kind_of_end_costs_one_file(index, media):
    for name in BAD:
        (media / f"{name}.txt").write_text(name)
    report = index.add([media], timeout=1.0)
    assert report.added == 8
    assert {failure.path.stem: failure.reason for failure in report.failed} == BAD
    assert index.verify() == []
    again = index.add([media], timeout=1.0)  # what failed is known, and not opened: that would crash again
    assert (again.unchanged, again.added) == (8, 0)
    assert set(again.failed) == set(report.failed)  # files are done in the order in which decoders are


@pytest.mark.usefixtures("hostile_text")
def test_a_file_that_was_too_slow_is_tried_again_with_more_time(index, media):
    (media / "slow.txt").write_text("slow")
    assert [failure.path.name for failure in index.add([media], timeout=1.0).failed] == ["slow.txt"]
    assert len(index.add([media], timeout=1.0).failed) == 1
    report = index.add([media], timeout=30.0)
    assert (report.added, report.failed) == (1, ())


def test_a_file_that_could_not_be_had_is_tried_again(index, media, monkeypatch):
    real = Isolated.open

    def refuse(self, source, modality):
        if source.name in ("red.png", "blue.png"):
            raise MediaUnavailable("too many open files")
        return real(self, source, modality)

    index.add([media / "blue.png"])
    picture("green", (70, 50)).save(media / "blue.png")  # it has changed, and cannot be read now
    monkeypatch.setattr(Isolated, "open", refuse)
    report = index.add([media])
    assert (report.added, len(report.failed)) == (6, 2)
    assert len(index) == 7  # what was known of the changed one is still there
    monkeypatch.undo()
    report = index.add([media])
    assert (report.added, report.updated, report.failed) == (1, 1, ())


def test_a_module_in_the_current_folder_is_not_imported(tmp_path, media):
    for name in ("json", "struct", "numpy", "mmsearch"):
        (media / f"{name}.py").write_text("raise SystemExit('imported')")
    command = Path(sys.executable).with_name("mmsearch")
    done = subprocess.run(
        [command, "index", ".", "--model", "fake", "--index", tmp_path / "ix"],
        cwd=media, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.partition("\n")[0]) == (0, "8 added")


def test_paths_of_any_kind_on_the_path_of_imports(index, media, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path, None])
    assert index.add([media]).added == 8


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_positive(index, media, timeout):
    with pytest.raises(MediaError, match="timeout must be more than 0"):
        index.add([media], timeout=timeout)


@pytest.mark.usefixtures("hostile_text")
def test_a_record_that_crashes_its_decoder(index, media, tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    records = [
        mmsearch.Record(id="bad", image=tmp_path / "x.png"),
        mmsearch.Record(id="good", image=(media / "red.png").read_bytes()),
    ]
    report = index.add_items(records)
    assert (report.added, [failure.id for failure in report.failed]) == (1, ["bad"])


def test_decoders_that_are_killed_during_a_run(index, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(400):
        picture("red", (300, 200 + number)).save(folder / f"{number:03}.png")

    def kill(now):
        if now.added and not killed:
            killed.update(child.pid for child in psutil.Process().children())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    killed = set()
    report = index.add([folder], progress=kill)
    assert killed
    assert report.added + len(report.failed) == 400
    assert len(report.failed) <= len(killed)
    assert all("was killed" in failure.reason for failure in report.failed)
    assert index.verify() == []


@pytest.mark.usefixtures("hostile_text")
def test_interrupted_while_a_decoder_hangs(index, media):
    (media / "a.txt").write_text("hang")
    seen = threading.Event()

    def stop(now):
        if now.added == 8:
            seen.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.add([media], progress=stop)
    assert seen.is_set()
    assert index.counts().items == 8  # what was finished is there, and the file that hung counts as never seen
    assert index.verify() == []


def test_decoding_in_this_process(index, media):
    before = {child.pid for child in psutil.Process().children()}
    assert index.add([media], isolate=False).added == 8
    assert {child.pid for child in psutil.Process().children()} <= before
