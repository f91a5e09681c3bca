import numpy as np
import pytest

from mmsearch.fitting.adapter import Adapter, prepared, unit

RANDOM = np.random.default_rng(0)


def test_features_are_raised_with_their_sign_and_scaled():
    features = np.array([[4.0, -9.0, 0.0]])
    np.testing.assert_allclose(prepared(features, 0.5), np.array([[2, -3, 0]]) / np.sqrt(13), rtol=1e-6)
    np.testing.assert_allclose(prepared(features, 1.0), features / np.sqrt(97), rtol=1e-6)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_what_is_projected_is_of_length_one(kind):
    adapter = Adapter(0.5, RANDOM.random(5, np.float32), RANDOM.random((5, 3), np.float32))
    features = RANDOM.standard_normal((7, 5)).astype(kind)
    found = adapter.project(features)
    wanted = (np.sign(features) * np.sqrt(np.abs(features))).astype(np.float64)
    wanted = (wanted / np.linalg.norm(wanted, axis=1, keepdims=True) - adapter.mean) @ adapter.matrix
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=2e-3)


def test_nothing_stays_nothing():
    assert unit(np.zeros((2, 3))).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert prepared(np.zeros((1, 3)), 0.5).tolist() == [[0, 0, 0]]
    assert Adapter(1.0, np.zeros(3, np.float32), np.eye(3, dtype=np.float32)).project(np.zeros((1, 3))).sum() == 0
