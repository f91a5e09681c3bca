"""CLIP and CLAP as a user has them: random weights on disk, an index of pictures, sounds and texts, every direction."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import made_clap
import made_clip
import numpy as np
import pytest
import soundfile
from made import RATE, picture, tone
from typer.testing import CliRunner

import mmsearch
from mmsearch.cli.app import app
from mmsearch.encoders import registry, weights
from mmsearch.encoders.prepared import digest
from mmsearch.errors import (
    BridgeRefused,
    DeviceUnavailable,
    ModelMismatch,
    UnknownModel,
    WeightsDamaged,
    WeightsMissing,
)

DIRECTIONS = [(asked, target) for asked in ("text", "image", "audio") for target in ("text", "image", "audio")]
QUESTIONS = {"text": "red low", "image": picture("red"), "audio": (tone("low"), RATE)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A tiny CLIP, a tiny CLAP, a cache, and the name of both together."""
    root = tmp_path_factory.mktemp("models")
    made_clip.save(root / "clip")
    (root / "clap").mkdir()
    made_clap.save(root / "clap")
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def in_cache(cache, monkeypatch):
    monkeypatch.setenv("MMSEARCH_CACHE", str(cache))


@pytest.fixture
def name(folders):
    return f"clip:{folders / 'clip'} + clap:{folders / 'clap'}"


@pytest.fixture
def library(tmp_path, media, name):
    with mmsearch.open(tmp_path / "library", model=name) as opened:
        report = opened.add([media])
        assert not report.failed and report.added == 8
        yield opened


def test_each_medium_is_classified_in_its_own_space_at_the_temperature_of_its_weights(library, media):
    scales = library.model.scales
    assert set(scales) == {("clip", "image"), ("clap", "audio")}
    assert scales["clip", "image"] == pytest.approx(1 / 0.07, rel=1e-3)  # as open_clip makes it
    tagged = library.tag("red,green,blue")
    assert tagged.items == 6  # of the texts no temperature is known
    found = {one.path.suffix for one in library.classify("red,green,blue")}
    assert found == {".png", ".wav"}


def test_nine_directions(library, monkeypatch):
    """Between random towers a bridge is no better than chance, which is what it is refused for otherwise."""
    texts = [f"{a} {b} {n}" for a in ("red", "green", "dog", "rain") for b in ("low", "high", "sea") for n in range(40)]
    monkeypatch.setattr("mmsearch.captions.bank", lambda *_: tuple(texts))
    with pytest.raises(BridgeRefused):
        library.fit_bridge()
    monkeypatch.setattr("mmsearch.encoders.bridge.quality.TIMES_CHANCE", -1)
    library.fit_bridge()
    for asked, target in DIRECTIONS:
        hits = library.search(**{asked: QUESTIONS[asked]}, target=target, k=2)
        assert len(hits) == 2, (asked, target)
        carried = any("carried over" in said for said in hits[0].why)
        assert carried == ({asked, target} == {"image", "audio"}), (asked, target)


def test_what_is_indexed_finds_itself(library, media):
    for path in sorted(media.rglob("*.png")):
        assert library.search(image=path, target="image", k=1)[0].path == path
    for path in sorted(media.rglob("*.wav")):
        assert library.search(audio=path, target="audio", k=1)[0].path == path
    assert library.search("a red fire engine", target="text", k=1)[0].path == media / "fire.txt"


def test_verify_and_reopening(library, media):
    assert library.verify() == []
    library.close()
    with mmsearch.open(library.folder) as again:
        assert again.add([media]).unchanged == 8
        assert len(again.search("red", k=3)) == 3


def test_the_same_file_gives_the_same_bits_in_every_run_and_order(tmp_path, media, name):
    def vectors(folder, paths):
        with mmsearch.open(folder, model=name) as opened:
            for path in paths:
                opened.add([path])
            found = {}
            for shard in opened._store.snapshot().by_id.values():
                if shard.group.modality == "audio":
                    items = opened._store.ids(shard.id, 0, shard.rows)[:, 1].tolist()
                    keys = {item.id: item.path.name for item in opened.items() if item.path}
                    for item, row in zip(items, np.array(shard.matrix), strict=True):
                        found.setdefault(keys[opened._store.keys([item])[item]], []).append(row)
            return {key: np.array(rows) for key, rows in found.items()}

    for number in range(3):
        noise = np.random.default_rng(number).normal(0, 0.1, 16_000 * (4 + 9 * number)).astype(np.float32)
        soundfile.write(media / f"noise{number}.wav", noise, 16_000)
    sounds = sorted(media.rglob("*.wav"))
    together = vectors(tmp_path / "a", [media])
    backwards = vectors(tmp_path / "b", sounds[::-1])
    assert together.keys() == backwards.keys() == {path.name for path in sounds}
    for key in together:
        assert np.array_equal(together[key], backwards[key]), key


def test_files_that_the_model_does_not_know_are_counted_and_left_out(tmp_path, media, folders):
    with mmsearch.open(tmp_path / "pictures", model=f"clip:{folders / 'clip'}") as opened:
        report = opened.add([media])
        assert report.added == 6 and not report.failed
        assert "2 files of the kind audio left out" in " ".join(report.warnings)
        assert opened.add([media]).unchanged == 6


@pytest.mark.parametrize("ask", [["red"], ["red", "--target", "audio"], ["--image", "red.png"]])
def test_a_question_is_answered_without_torch(library, media, cache, ask):
    """In a process of its own, in which importing torch is an error."""
    ask = [str(media / part) if part.endswith(".png") else part for part in ask]
    library.close()
    code = (
        "import sys\n"
        "for name in ('torch', 'open_clip', 'transformers', 'faiss'): sys.modules[name] = None\n"
        "from mmsearch.cli import main\n"
        f"sys.argv = ['mmsearch', 'search', *{ask!r}, '-i', {str(library.folder)!r}, '--json', '-k', '2']\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["hits"]) == 2


def test_templates_are_a_mean(library):
    space = library.model.heads[0].space
    searcher = library.searcher

    def vector(text, templates=()):
        from mmsearch.search.query import Query

        query = Query.text(text, templates=templates)
        routes = searcher._asking.routes(("text",), ("image",))
        return searcher._asking.embed([query], routes)[0].along(routes["image"], lambda *_: None)

    both = vector("photo of red") + vector("red drawing")
    assert np.allclose(vector("red", ("photo of {}", "{} drawing")), both / np.linalg.norm(both), atol=1e-6)
    assert vector("red").shape == (space.dim,)
    with pytest.raises(mmsearch.MmsearchError, match="does not say where the text goes"):
        library.search("red", templates=["a photo"])


def test_a_text_beyond_the_context_is_cut_into_passages(library, tmp_path):
    long = tmp_path / "long.txt"
    long.write_text(" ".join(f"The dog number {n} runs over the hill." for n in range(30)))
    report = library.add([long])
    assert report.added == 1
    held = [hit for hit in library.search("dog", target="text", k=50) if hit.path == long]
    assert len(held) == 1 and report.segments > 10
    count, limit = library.model.inputs.text.count_tokens, library.model.inputs.text.max_tokens
    spans = library._store.query(
        "SELECT start, end FROM segments WHERE modality = 'text' AND item_id = (SELECT max(id) FROM items)"
    )
    said = long.read_text()
    assert all(count(said[int(start) : int(end)]) <= limit for start, end in spans)
    assert "".join(said[int(start) : int(end)].replace(" ", "") for start, end in sorted(spans)) == said.replace(
        " ", ""
    )


def test_questions_are_remembered(library, monkeypatch):
    library.search("red", target="image")
    encoder = library.model.encoders[0]
    monkeypatch.setattr(encoder, "encode", lambda *_: pytest.fail("encoded again"))
    assert library.search("red", target="image", k=1)
    with pytest.raises(pytest.fail.Exception):
        library.search("green", target="image")


def test_the_model_may_have_moved(library, folders, tmp_path):
    library.close()
    moved = tmp_path / "elsewhere"
    shutil.copytree(folders / "clip", moved)
    with mmsearch.open(library.folder, model=f"clip:{moved} + clap:{folders / 'clap'}") as again:
        assert again.search("red", k=1)


def test_an_index_of_other_weights_is_refused(library, folders, tmp_path):
    library.close()
    made_clip.save(tmp_path / "other", seed=1)
    with pytest.raises(ModelMismatch, match="weights differ"):
        mmsearch.open(library.folder, model=f"clip:{tmp_path / 'other'} + clap:{folders / 'clap'}")
    with pytest.raises(ModelMismatch, match="another kind of model"):
        mmsearch.open(library.folder, model=f"clip:{tmp_path / 'other'}")


def test_weights_that_changed_under_an_index(tmp_path, media, folders):
    own = tmp_path / "own"
    shutil.copytree(folders / "clip", own)
    with mmsearch.open(tmp_path / "index", model=f"clip:{own}") as opened:
        opened.add([media / "red.png"])
    made_clip.save(own, seed=2)
    with mmsearch.open(tmp_path / "index") as again, pytest.raises(ModelMismatch, match="another version of clip:"):
        again.search("red")
    shutil.rmtree(own)
    with mmsearch.open(tmp_path / "index") as again, pytest.raises(WeightsMissing, match="own"):
        again.search("red")


def test_what_was_made_ready_is_verified_before_anything_is_encoded(tmp_path, media, folders, monkeypatch):
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path / "own cache"))
    model = f"clip:{folders / 'clip'}"
    weights.pull(model)
    (image,) = (tmp_path / "own cache").rglob("image.onnx.data")
    content = bytearray(image.read_bytes())
    content[len(content) // 2] ^= 1
    image.write_bytes(content)
    with (
        mmsearch.open(tmp_path / "index", model=model) as opened,
        pytest.raises(WeightsDamaged, match="image.onnx.data"),
    ):
        opened.add([media])
    with mmsearch.open(tmp_path / "index", create=False) as opened:
        assert len(opened) == 0 and "image.onnx.data" in " ".join(opened.verify())


def test_identity_follows_the_weights_and_not_the_device(folders):
    model = registry.load(f"clip:{folders / 'clip'}")
    other = registry.load(f"clip:{folders / 'clip'}", "cpu/bfloat16")
    assert model.heads[0].space == other.heads[0].space
    assert model.weights == {"open_clip_model.safetensors": digest(folders / "clip" / "open_clip_model.safetensors")}


def test_bfloat16_on_the_cpu_is_close(folders):
    from mmsearch.encoders.base import Batch
    from mmsearch.types import Modality, Role

    batch = Batch(Modality.IMAGE, list(np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)))
    plain, half = (
        registry.load(f"clip:{folders / 'clip'}", device).encoders[0].encode(batch, Role.DOCUMENT)
        for device in ("cpu", "cpu/bfloat16")
    )
    assert 0.99 < (plain * half).sum(axis=1).min() < 1 - 1e-7


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        ("clip:ViT-B-23", UnknownModel, "no architecture 'ViT-B-23'; the nearest are .*ViT-B-32"),
        ("clip:ViT-B-32/laion2b", UnknownModel, "no tag 'laion2b'.*laion2b_s34b_b79k"),
        ("clip:ViT-B-32/./none.safetensors", WeightsMissing, "none.safetensors"),
        ("clip:./nowhere", WeightsMissing, "nowhere"),
        ("clap:./nowhere", WeightsMissing, "there is no folder .*nowhere"),
        ("clap:not a repository", UnknownModel, "names neither a folder"),
    ],
)
def test_bad_names(tmp_path, model, error, said):
    with pytest.raises(error, match=said):
        mmsearch.open(tmp_path / "index", model=model)
    assert not (tmp_path / "index").exists()


def test_a_folder_that_is_no_model(tmp_path, media):
    for family, said in (
        ("clip", "has no open_clip_config.json"),
        ("clap", "config.json, model.safetensors, preproc"),
    ):
        with pytest.raises(WeightsMissing, match=said):
            mmsearch.open(tmp_path / "index", model=f"{family}:{media}")
    (media / "open_clip_config.json").write_text("{}")
    with pytest.raises(WeightsMissing, match="has no weights; they are called open_clip_model"):
        mmsearch.open(tmp_path / "index", model=f"clip:{media}")


def test_a_device_that_is_not_there(tmp_path, folders):
    from mmsearch.encoders import heavy

    if heavy.torch().cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(DeviceUnavailable, match="cuda was asked for"):
        mmsearch.open(tmp_path / "index", model=f"clip:{folders / 'clip'}", device="cuda")


def test_too_little_memory(tmp_path, folders, monkeypatch):
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr("mmsearch.encoders.clip.weights.read", lambda file: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(DeviceUnavailable, match="not enough memory for clip:"):
        mmsearch.open(tmp_path / "index", model=f"clip:{folders / 'clip'}")


def test_commands(folders, name, tmp_path, media):
    run = CliRunner()
    assert "is ready in" in run.invoke(app, ["models", "pull", name]).output
    shown = run.invoke(app, ["models", "show", name, "--json"])
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.output)
    assert told["installed"] and told["dim"] == 64 and set(told["segments_per_second"]) == {"image", "text", "audio"}
    assert all(rate > 0 for rate in told["segments_per_second"].values())
    assert "windows of sound a second" in run.invoke(app, ["models", "show", f"clap:{folders / 'clap'}"]).output
    refused = run.invoke(app, ["models", "pull", name, "--from", str(tmp_path)])
    assert refused.exit_code == 1 and "no --from" in str(refused.exception)
    index = str(tmp_path / "x" / "index")
    done = run.invoke(app, ["index", str(media), "-i", index, "--model", name, "--device", "cpu"])
    assert done.exit_code == 0, done.output
    found = run.invoke(app, ["search", "red", "--template", "photo of {}", "-i", index, "--json"])
    assert json.loads(found.output)["query"]["templates"] == ["photo of {}"]


def test_a_folder_cannot_run_code_of_its_own(tmp_path, folders):
    """Neither by a setting that lets transformers, nor by its asking on standard input."""
    own = tmp_path / "own"
    shutil.copytree(folders / "clip", own)
    config = json.loads((own / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"] |= {"hf_tokenizer_name": "x/y", "tokenizer_kwargs": {"trust_remote_code": True}}
    (own / "open_clip_config.json").write_text(json.dumps(config))
    (own / "tokenizer.json").write_text("{}")
    (own / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass")
    (own / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Evil", None]}})
    )
    with pytest.raises(WeightsDamaged, match="sets trust_remote_code of its tokenizer"):
        weights.pull(f"clip:{own}")
    config["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {}
    (own / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsDamaged, match="wants to run code of its own"):
        weights.pull(f"clip:{own}")
    assert not (tmp_path / "ran").exists()


def test_a_folder_whose_parts_do_not_fit_is_one_clear_error(tmp_path, folders):
    own = tmp_path / "own"
    shutil.copytree(folders / "clip", own)
    config = json.loads((own / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["mean"] = ["x", "y", "z"]
    (own / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsDamaged, match="cannot be made ready .ValueError"):
        weights.pull(f"clip:{own}")


def test_other_weights_beside_those_that_were_made_ready(tmp_path, folders, media):
    """Whatever a loader would prefer: an index gets vectors of the weights that it names, or none."""
    from mmsearch.encoders.base import Batch
    from mmsearch.encoders.clap.family import CLAP
    from mmsearch.types import Modality, Role

    own = tmp_path / "own"
    shutil.copytree(folders / "clap", own)
    ready = CLAP._ready(CLAP.source(str(own)))
    (own / "model.safetensors").rename(own / "pytorch_model.bin")
    with pytest.raises(WeightsDamaged, match="weights are in pytorch_model.bin now"):
        CLAP.same_weights(ready, [own / "pytorch_model.bin"])
    model = registry.load(f"clap:{folders / 'clap'}", "cpu/bfloat16")
    assert model.encoders[0].encode(Batch(Modality.TEXT, ["rain"]), Role.DOCUMENT).shape == (1, 64)


def test_a_first_run_that_fails_leaves_no_index(tmp_path, media, folders, monkeypatch):
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path / "own cache"))
    model = f"clip:{folders / 'clip'}"
    weights.pull(model)
    (image,) = (tmp_path / "own cache").rglob("image.onnx.data")
    image.write_bytes(b"nothing")
    run, index = CliRunner(), str(tmp_path / "half" / "index")
    failed = run.invoke(app, ["index", str(media), "-i", index, "--model", model])
    assert isinstance(failed.exception, WeightsDamaged) and not Path(index).exists()
    assert run.invoke(app, ["index", str(media), "-i", index, "--model", "fake"]).exit_code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_onnx_runtime_out_of_memory_is_known_as_such(folders):
    """In a process that may hardly have any: what does not fit is tried in halves, and then is a clear error."""
    code = (
        "import resource, sys\n"
        "import numpy as np\n"
        "from mmsearch.encoders import registry\n"
        "from mmsearch.encoders.prepared_family import PreparedFamily\n"
        "from mmsearch.encoders.towers import OnnxTower, FEW\n"
        "from mmsearch.encoders.clip.family import CLIP\n"
        f"ready = CLIP._ready(CLIP.source({str(folders / 'clip')!r}))\n"
        "tower = OnnxTower(ready.file('image.onnx'), rows=20000)\n"
        "few = np.zeros((16, 32, 32, 3), np.uint8)\n"
        "tower.run({'pictures': few})\n"
        "many = np.zeros((20000, 32, 32, 3), np.uint8)\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (400 << 20), used + (400 << 20)))\n"
        "found = tower.run({'pictures': many})\n"
        "print(len(found), tower._chunks.size)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    rows, size = map(int, done.stdout.split())
    assert rows == 20_000 and size < 20_000


@pytest.mark.pretrained
def test_pretrained(tmp_path):
    """With the published weights a red square is a red square."""
    name = "clip:ViT-B-32/laion2b_s34b_b79k"
    try:
        weights.pull(name)
    except WeightsMissing as error:
        pytest.skip(f"no pretrained weights: {error}")
    with mmsearch.open(tmp_path / "index", model=name) as opened:
        opened.add_items([mmsearch.Record(id=colour, image=picture(colour)) for colour in ("red", "green", "blue")])
        for colour in ("red", "green", "blue"):
            assert opened.search(f"a {colour} square", k=1)[0].id == colour
