import os
import threading

import pytest

from mmsearch.encoders import prepared
from mmsearch.errors import WeightsDamaged, WeightsMissing


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path / "cache"))


def build(folder):
    (folder / "text.onnx").write_bytes(b"graph")
    return {"dim": 8, "weights": {"a.safetensors": "00"}}


def test_it_is_made_once_and_found(tmp_path):
    assert prepared.find("clip", "clip:x") is None
    made = prepared.make("clip", "clip:x", [], build)
    assert made.card["dim"] == 8 and made.file("text.onnx").read_bytes() == b"graph"
    assert prepared.make("clip", "clip:x", [], lambda folder: pytest.fail("made again")) == made
    assert prepared.find("clip", "clip:x") == made
    assert prepared.find("clip", "clip:y") is None
    assert made.damaged() == []


def test_other_weights_at_the_same_place_are_another_model(tmp_path):
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"one")
    made = prepared.make("clip", "clip:w", [file], build)
    assert prepared.find("clip", "clip:w", [file]) == made
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert prepared.find("clip", "clip:w", [file]) is None
    file.unlink()
    with pytest.raises(WeightsMissing, match=r"there are no weights at .*w\.safetensors"):
        prepared.find("clip", "clip:w", [file])


def test_what_fails_leaves_nothing():
    def fails(folder):
        (folder / "text.onnx").write_bytes(b"half")
        raise WeightsDamaged("cut short")

    with pytest.raises(WeightsDamaged, match="cut short"):
        prepared.make("clip", "clip:x", [], fails)
    assert prepared.find("clip", "clip:x") is None


def test_damage_is_found():
    made = prepared.make("clip", "clip:x", [], build)
    made.file("text.onnx").write_bytes(b"grapH")
    assert made.damaged() == [made.file("text.onnx")]
    made.file("card.json").write_text("{")
    with pytest.raises(WeightsDamaged, match="it is made again"):
        prepared.find("clip", "clip:x")


def test_several_make_it_at_once():
    times, results = [], []

    def slow(folder):
        times.append(1)
        return build(folder)

    threads = [
        threading.Thread(target=lambda: results.append(prepared.make("clip", "clip:x", [], slow))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 1 and len(results) == 4 and len({one.folder for one in results}) == 1
