"""The hub of models: its cache as it lies on disk, and a hub that is not there."""

import hashlib
import socket
import threading
import time

import pytest
from huggingface_hub import constants

from mmsearch.encoders import hub
from mmsearch.errors import WeightsDamaged, WeightsMissing

REPOSITORY = "someone/model"
WANTED = hub.Wanted(REPOSITORY, [["config.json"], ["model.safetensors", "pytorch_model.bin"]])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and a hub at a port where nobody listens."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{_free_port()}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    import huggingface_hub

    real = huggingface_hub.try_to_load_from_cache
    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda repo, name: real(repo, name, cache_dir=tmp_path / "hub")
    )
    return tmp_path / "hub" / "models--someone--model"


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def put(cache, name, content):
    """As the hub's client stores a large file: under its sha256, with a link by its name."""
    blob = cache / "blobs" / hashlib.sha256(content).hexdigest()
    link = cache / "snapshots" / "abc" / name
    for path in (blob, link, cache / "refs" / "main"):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link.symlink_to(blob)
    (cache / "refs" / "main").write_text("abc")
    return blob


def test_what_is_in_the_cache_needs_no_hub(cache):
    put(cache, "config.json", b"{}")
    put(cache, "pytorch_model.bin", b"weights")
    folder = hub.fetch(WANTED, "clip:x", "or name a file")
    assert (folder / "config.json").read_bytes() == b"{}" and (folder / "pytorch_model.bin").is_file()


def test_a_file_with_another_hash_is_refused(cache):
    put(cache, "config.json", b"{}")
    blob = put(cache, "model.safetensors", b"weights")
    blob.write_bytes(b"Weights")
    with pytest.raises(WeightsDamaged, match="does not have the sha256 by which it is stored"):
        hub.fetch(WANTED, "clip:x", "or name a file")


def test_nobody_answers(cache):
    began = time.monotonic()
    with pytest.raises(WeightsMissing) as caught:
        hub.fetch(WANTED, "clip:ViT-B-32/laion2b", "or name a file of your own: clip:A/F.safetensors")
    assert time.monotonic() - began < 5
    said = str(caught.value)
    assert "clip:ViT-B-32/laion2b (config.json, model.safetensors) are not in the cache" in said
    assert constants.HF_HUB_CACHE in said and "cannot be reached" in said
    assert 'mmsearch models pull "clip:ViT-B-32/laion2b"' in said and "clip:A/F.safetensors" in said


def test_a_hub_that_never_answers_is_given_up(monkeypatch):
    """Such as behind a firewall that drops what it does not like."""
    monkeypatch.setattr(hub, "PATIENCE_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(WeightsMissing, match="cannot be reached"):
            hub.fetch(WANTED, "clip:x", "or name a file")
        assert time.monotonic() - began < 3


def test_a_name_that_is_never_resolved_is_given_up(monkeypatch):
    monkeypatch.setattr(hub, "PATIENCE_SECONDS", 0.2)
    never = threading.Event()

    class Hub:
        get_session = staticmethod(lambda: never.wait(20))
        try_to_load_from_cache = staticmethod(lambda *_: None)

    monkeypatch.setattr(hub, "_hub", Hub)
    with pytest.raises(WeightsMissing, match=r"did not answer within"):
        hub.fetch(WANTED, "clip:x", "or name a file")
    never.set()


def test_offline_means_offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsMissing, match="HF_HUB_OFFLINE is set"):
        hub.fetch(WANTED, "clip:x", "or name a file")


def test_files_of_two_commits_are_not_taken_together(cache, monkeypatch):
    """One was cached long ago, the other is fetched now: both are taken at the commit of now."""
    put(cache, "config.json", b"old")
    asked = []

    def download(repository, name, revision=None):
        asked.append((name, revision))
        if name == "model.safetensors":
            raise hub._hub().errors.EntryNotFoundError("no such file")
        path = cache / "snapshots" / "def" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"new")
        return str(path)

    import huggingface_hub

    monkeypatch.setattr(hub, "_reach", lambda *_: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    folder = hub.fetch(WANTED, "clip:x", "or name a file")
    assert (folder / "config.json").read_bytes() == b"new" and (folder / "pytorch_model.bin").is_file()
    assert asked == [("config.json", None), ("model.safetensors", "def"), ("pytorch_model.bin", "def")]
