import subprocess
import sys
import threading

import made_clap
import numpy as np
import pytest
from safetensors.numpy import load_file

from mmsearch.encoders import heavy
from mmsearch.encoders.base import Batch
from mmsearch.encoders.clap import AUDIO, TEXT, TOKENIZER, encoder, prepare, towers, weights
from mmsearch.encoders.clap.features import MelSpec, read_spec
from mmsearch.encoders.export import export
from mmsearch.encoders.towers import OnnxTower
from mmsearch.types import Modality, Role

SOUNDS = made_clap.windows()
TEXTS = [*made_clap.CORPUS, "a dog", "", "rain " * 500, "☃", "the bridge"]


class InTorch:
    def __init__(self, module):
        self.module = module

    def run(self, feed, role=None):
        torch = heavy.torch()
        with torch.inference_mode():
            return self.module(**{name: torch.from_numpy(array) for name, array in feed.items()}).numpy()


def hear(one, sounds):
    return one.encode(Batch(Modality.AUDIO, sounds), Role.DOCUMENT)


def read(one, texts):
    return one.encode(Batch(Modality.TEXT, texts), Role.QUERY)


def cosines(left, right):
    return (np.asarray(left, np.float64) * right).sum(axis=1)


@pytest.fixture(scope="module")
def heard(make):
    return hear(make(), SOUNDS)


def test_the_card_says_what_the_encoder_needs(prepared, folder):
    card = prepared.card
    assert (card["dim"], card["limit"], card["pad"], card["fused"]) == (64, 64, 1, False)
    assert MelSpec(**card["mel"]) == MelSpec()
    assert card["parameters"] > 100_000
    assert card["scale"] == pytest.approx(np.exp(load_file(folder / "model.safetensors")["logit_scale_a"]), rel=1e-5)
    assert card["config"]["projection_dim"] == 64 and "transformers_version" not in card["config"]


def test_sounds_have_the_vectors_of_transformers(folder, heard):
    expected = made_clap.reference(weights.load(folder), folder, SOUNDS)
    assert heard.shape == (len(SOUNDS), 64) and heard.dtype == np.float32
    assert cosines(heard, expected).min() > 0.99999
    assert np.median(expected @ expected.T) < 0.99  # else the comparison would say little


def test_texts_have_the_vectors_of_transformers(folder, make):
    short = [text for text in TEXTS if len(text) < 200]
    expected = made_clap.text_reference(weights.load(folder), folder, short)
    assert cosines(read(make(), short), expected).min() > 0.99999
    assert np.median(expected @ expected.T) < 0.99


def test_fused_models_hear_as_transformers_does(tmp_path, make):
    expected = made_clap.reference(made_clap.save(tmp_path, fused=True), tmp_path, SOUNDS)
    one = make(InTorch(towers(tmp_path)[0]))
    one._mel = read_spec(tmp_path)
    assert not one._mel.slaney
    assert cosines(hear(one, SOUNDS), expected).min() > 0.99999


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_neither_order_nor_company_changes_a_bit(make, heard, rows):
    one = make(rows=rows, batch_size=4)
    order = np.random.default_rng(0).permutation(len(SOUNDS))
    alone = np.concatenate([hear(one, [sound]) for sound in SOUNDS])
    mixed = hear(one, [SOUNDS[i] for i in order])
    assert np.array_equal(alone[order], mixed)
    assert cosines(alone, heard).min() > 0.999999


def test_the_company_of_a_text_does_not_matter(make):
    one, together = make(batch_size=3), read(make(), TEXTS)
    alone = np.concatenate([read(one, [text]) for text in TEXTS])
    assert cosines(alone, together).min() > 0.999999
    assert cosines(read(one, TEXTS[::-1])[::-1], together).min() > 0.999999


class Watched:
    """A tower that keeps what it is given; the vector of a window is its loudest band, at every place."""

    def __init__(self):
        self.fed = []

    def run(self, feed, role=None):
        (features,) = feed.values()
        self.fed.append(features)
        return np.repeat(features.max(axis=(1, 2, 3))[:, None], 64, axis=1)


def test_batches_have_one_shape_and_are_filled_up_with_silence(make):
    tower = Watched()
    found = hear(make(tower, rows=4), SOUNDS)
    assert [features.shape for features in tower.fed] == [(4, 1, 1001, 64)] * 2
    assert (tower.fed[1][3:] == -100).all() and tower.fed[0].dtype == np.float32
    assert np.array_equal(found, hear(make(Watched(), rows=1), SOUNDS))


def test_features_are_made_while_the_tower_works(make, monkeypatch):
    second = threading.Event()
    real = encoder.log_mel

    def log_mel(windows, spec):
        if len(windows[0]) == 2:
            second.set()
        return real(windows, spec)

    class Waiting(Watched):
        def run(self, feed, role=None):
            assert second.wait(30)
            return super().run(feed)

    monkeypatch.setattr(encoder, "log_mel", log_mel)
    assert len(hear(make(Waiting()), [np.ones(count, np.float32) for count in (1, 2)])) == 2


def test_silence_and_nothing_have_vectors(make):
    found = hear(make(), [np.zeros(count, np.float32) for count in (0, 1, 500, 480_000)])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert np.array_equal(found, np.broadcast_to(found[0], found.shape))
    assert hear(make(), []).shape == read(make(), []).shape == (0, 64)


def test_what_is_too_long_is_refused_or_cut(make, prepared):
    with pytest.raises(ValueError, match="at most 480000"):
        hear(make(), [np.zeros(480_001, np.float32)] * 2)
    first, second = read(make(), ["rain " * 500, "rain " * 600])
    assert np.array_equal(first, second)
    assert (prepared.staging / TOKENIZER).is_file()


def test_torch_is_not_imported_to_encode(prepared):
    code = f"""
import sys
import numpy as np
from pathlib import Path
from mmsearch.encoders.base import Batch
from mmsearch.encoders.clap.encoder import ClapEncoder
from mmsearch.encoders.clap.features import MelSpec
from mmsearch.encoders.clap.tokens import Tokenizer
from mmsearch.encoders.towers import OnnxTower
from mmsearch.types import Modality, Role
at = Path({str(prepared.staging)!r})
one = ClapEncoder("clap", "1", 64, OnnxTower(at / "audio.onnx"), OnnxTower(at / "text.onnx", mapped=True),
                  Tokenizer(at / "tokenizer.json", 1, 64), MelSpec())
assert one.encode(Batch(Modality.TEXT, ["a dog"]), Role.QUERY).any()
assert one.encode(Batch(Modality.AUDIO, [np.ones(9, np.float32)] * 2), Role.QUERY).any()
assert not {{"torch", "transformers", "scipy", "librosa", "onnx"}} & set(sys.modules), "slow"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_half_precision_gives_unit_vectors_in_float32(folder, make, heard):
    found = hear(make(InTorch(towers(folder)[0].to(heavy.torch().bfloat16))), SOUNDS)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert 0.99 < cosines(found, heard).min() < 0.9999999


@pytest.mark.large
def test_the_true_architecture(tmp_path, make):
    model = made_clap.save(tmp_path, settings=made_clap.LARGE)
    staging = tmp_path / "staging"
    staging.mkdir()
    card = prepare(tmp_path, staging, export)
    assert (card["dim"], card["limit"], card["parameters"]) == (512, 64, 153_492_890)
    found = OnnxTower(staging / AUDIO, rows=1)
    one = make(found)
    one._dim = 512
    assert cosines(hear(one, SOUNDS), made_clap.reference(model, tmp_path, SOUNDS)).min() > 0.99999
    one._sentences = OnnxTower(staging / TEXT, mapped=True)
    short = TEXTS[:4]
    assert cosines(read(one, short), made_clap.text_reference(model, tmp_path, short)).min() > 0.99999
