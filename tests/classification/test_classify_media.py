"""Files, folders and records, without an index."""

import threading

import numpy as np
import psutil
import pytest
import soundfile
from made import RATE, picture, tone
from threadpoolctl import threadpool_info, threadpool_limits

import mmsearch
from mmsearch.errors import QueryError, UnknownModel
from mmsearch.types import Failure, Modality, Record

LABELS = "red,blue,low,whistle"


def test_a_folder_in_its_order_with_what_is_broken(media):
    (media / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = list(mmsearch.classify([media, media / "nothing.wav", __file__], LABELS, "fake"))
    names = [one.path.relative_to(media).as_posix() for one in found[:-2]]
    assert names == sorted(names) and len(names) == 9
    by_name = dict(zip(names, found, strict=False))
    labels = {name: one.label for name, one in by_name.items() if not isinstance(one, Failure)}
    assert {labels.pop(name) for name in ("green.png", "yellow.png")} <= set(LABELS.split(","))  # neither is asked for
    assert labels == {
        "blue.png": "blue", "red.png": "red", "fire.txt": "red", "sea.md": "blue", "sounds/low.wav": "low",
        "sounds/whistle.wav": "whistle",
    }  # fmt: skip
    assert by_name["red.png"].probability > 0.9
    assert isinstance(by_name["broken.png"], Failure) and by_name["broken.png"].reason
    assert [one.reason for one in found[-2:]] == [
        "no such file or directory",
        "no picture, sound or text by its suffix",
    ]


def test_probabilities_sum_to_one_and_all_labels_are_there(media):
    (found,) = mmsearch.classify([media / "red.png"], LABELS, "fake", isolate=False)
    assert found.modality is Modality.IMAGE and found.id is None
    assert [guess.label for guess in found.guesses][0] == "red" and len(found.guesses) == 4
    assert sum(guess.probability for guess in found.guesses) == pytest.approx(1, abs=1e-6)


def test_a_long_sound_has_the_mean_of_its_windows(tmp_path):
    """Ten seconds of one, then ten of the other: three windows, of which the middle one has both."""
    windows = {"low": tone("low", 10), "whistle": tone("whistle", 10)}
    files = {}
    for name, samples in (*windows.items(), ("both", np.concatenate(list(windows.values())))):
        files[name] = tmp_path / f"{name}.wav"
        soundfile.write(files[name], samples, RATE)
    parts = {one.path.stem: dict(one.guesses) for one in mmsearch.classify(files.values(), "low,whistle", "fake")}
    assert parts["low"]["low"] > 0.9 and parts["whistle"]["whistle"] > 0.9
    assert 0.3 < parts["both"]["low"] < 0.7


def test_records(tmp_path):
    (tmp_path / "all.jsonl").write_text('{"id": "a", "text": "something red"}\n{"text": "the blue sea"}\nno json\n')
    records = [Record(id="one", image=picture("blue")), Record(id="two"), tmp_path / "all.jsonl"]
    found = list(mmsearch.classify(records, "red,blue", "fake"))
    assert [(one.id, getattr(one, "label", None)) for one in found] == [
        ("one", "blue"), ("two", None), ("a", "red"), (None, "blue"), (None, None),
    ]  # fmt: skip
    assert found[0].path is None and isinstance(found[1], Failure)


def test_a_single_one_is_no_list_of_letters(media):
    file = media / "red.png"
    for one in (file, str(file), Record(image=file)):
        (found,) = mmsearch.classify(one, LABELS, "fake", isolate=False)
        assert found.label == "red"


def test_of_an_item_with_several_media_the_picture_is_looked_at():
    (found,) = mmsearch.classify([Record(image=picture("red"), text="blue")], "red,blue", "fake")
    assert (found.modality, found.label) == (Modality.IMAGE, "red")


def test_what_makes_no_sense_is_told_at_once(media):
    for labels, templates, model, error in (
        ("red", (), "fake", QueryError),
        ("red,blue", ("no place",), "fake", QueryError),
        ("red,blue", (), "nomodel", UnknownModel),
    ):
        with pytest.raises(error):
            mmsearch.classify([media], labels, model, templates=templates)


def test_leaving_early_ends_the_run(media):
    def running():
        return {*threading.enumerate(), *psutil.Process().children()}

    before, found = running(), mmsearch.classify([media] * 50, LABELS, "fake")
    next(found)
    assert {type(one) for one in running() - before} == {threading.Thread, psutil.Process}
    found.close()
    assert running() <= before


def test_the_threads_of_the_caller_are_left_alone(media):
    def threads():
        return {one["filepath"]: one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        before = threads()
        assert [threads() for _ in mmsearch.classify([media], LABELS, "fake")] == [before] * 8
