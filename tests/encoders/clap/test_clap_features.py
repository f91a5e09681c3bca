from dataclasses import replace

import made_clap
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from mmsearch.encoders import heavy
from mmsearch.encoders.clap.features import MelSpec, log_mel, mel_weights, read_spec
from mmsearch.errors import WeightsDamaged


def extractor(tmp_path, **settings):
    made = heavy.transformers().ClapFeatureExtractor(**settings)
    made.save_pretrained(tmp_path)
    return made


@pytest.mark.parametrize(
    "settings",
    [
        {"truncation": "rand_trunc", "frequency_min": 50},
        {"truncation": "fusion", "frequency_min": 50},
        {"truncation": "rand_trunc", "padding": "repeat", "frequency_max": 20_000},
        {"truncation": "fusion", "padding": "pad", "frequency_min": 0},
        {},
    ],
    ids=str,
)
def test_features_are_those_of_transformers(tmp_path, settings):
    theirs = extractor(tmp_path, **settings)
    spec = read_spec(tmp_path)
    full = theirs.mel_filters_slaney if spec.slaney else theirs.mel_filters
    ours = mel_weights(spec)
    np.testing.assert_allclose(ours, full[: len(ours)], rtol=1e-9, atol=1e-15)
    assert not full[len(ours) :].any()
    sounds = made_clap.windows()
    expected = np.array(theirs(sounds, sampling_rate=48_000)["input_features"])
    assert (expected == expected[:, :1]).all()  # a fused model's four are the same, we give one
    found = log_mel(sounds, spec)
    assert found.shape == (len(sounds), 1, 1001, 64) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected[:, :1], atol=2e-5)
    assert np.ptp(expected) > 60


def test_the_two_scales_differ():
    sound = made_clap.windows()[:1]
    slaney, htk = (log_mel(sound, MelSpec(slaney=kind)) for kind in (True, False))
    assert np.abs(slaney - htk).mean() > 10


def test_settings_are_read_where_newer_repositories_have_them(folder, tmp_path):
    old = read_spec(folder)
    assert old == MelSpec()
    said = (folder / "preprocessor_config.json").read_text()
    (tmp_path / "processor_config.json").write_text(f'{{"feature_extractor": {said}}}')
    assert read_spec(tmp_path) == old


@pytest.mark.parametrize(
    "said", ["", "[]", '{"hop_length": 0}', '{"padding": "no"}', '{"sampling_rate": {}}', '{"frequency_min": 20000}']
)
def test_settings_that_make_no_sense(tmp_path, said):
    (tmp_path / "preprocessor_config.json").write_text(said)
    with pytest.raises(WeightsDamaged, match="preprocessor_config.json"):
        read_spec(tmp_path)


def test_a_window_alone_or_among_others_has_the_same_features():
    sounds, spec = made_clap.windows(), MelSpec()
    together = log_mel(sounds, spec)
    with threadpool_limits(1):
        assert all(np.array_equal(log_mel([one], spec)[0], row) for one, row in zip(sounds, together, strict=True))


def test_silence_and_nothing_are_the_floor():
    features = log_mel([np.zeros(480_000, np.float32), np.zeros(0, np.float32)], MelSpec())
    assert (features == -100).all()
    assert log_mel([], MelSpec()).shape == (0, 1, 1001, 64)


def test_what_is_too_long_is_refused():
    with pytest.raises(ValueError, match="480001"):
        log_mel([np.zeros(480_001, np.float32)], MelSpec())
    assert log_mel([np.zeros(480_000, np.float32)], replace(MelSpec(), seconds=20)).shape == (1, 1, 2001, 64)
