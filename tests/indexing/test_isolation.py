"""A run goes on whatever a decoder does: crash, hang, fill the memory, or be killed from outside."""

import os
import signal
import threading

import psutil
import pytest
from made import picture

import mmsearch

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
    again = index.add([media])  # what failed is known, and not opened: that would crash again
    assert (again.unchanged, len(again.failed), again.added) == (8, 4, 0)


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
