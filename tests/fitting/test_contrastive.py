import numpy as np
import pytest
from made_pairs import planted

from mmsearch.fitting.adapter import Adapter
from mmsearch.fitting.choose import Settings, fit, fitted_scores, mixed, plain_scores
from mmsearch.fitting.closed import Correlation
from mmsearch.fitting.contrastive import _Tower, refine, slopes
from mmsearch.fitting.paired import ranks

RANDOM = np.random.default_rng(0)
ONE_RIGHT = np.eye(6, dtype=bool)
LABELS = np.arange(6)[:, None] % 3 == np.arange(6) % 3


def loss(logits, right):
    """InfoNCE in both directions, by the definition."""
    rows = right / right.sum(axis=1, keepdims=True)
    columns = right / right.sum(axis=0, keepdims=True)
    by_row = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    by_column = logits - np.log(np.exp(logits).sum(axis=0, keepdims=True))
    return -((rows * by_row).sum() + (columns * by_column).sum()) / (2 * len(logits))


@pytest.mark.parametrize("right", [ONE_RIGHT, LABELS], ids=["one right", "labels"])
def test_slopes_are_those_of_the_loss(right):
    logits = RANDOM.standard_normal((6, 6)) * 3
    wanted = np.empty((6, 6))
    for place in np.ndindex(6, 6):
        step = np.zeros((6, 6))
        step[place] = 1e-6
        wanted[place] = (loss(logits + step, right) - loss(logits - step, right)) / 2e-6
    np.testing.assert_allclose(slopes(logits, right), wanted, atol=1e-7)


@pytest.mark.parametrize("right", [ONE_RIGHT, LABELS], ids=["one right", "labels"])
def test_slopes_are_those_of_torch(right):
    torch = pytest.importorskip("torch", reason="the loss is compared with torch's where torch is installed")
    logits = (RANDOM.standard_normal((6, 6)) * 3).astype(np.float32)
    asked = torch.tensor(logits, requires_grad=True)
    goal = torch.tensor(right, dtype=torch.float32)
    both = [
        torch.nn.functional.cross_entropy(asked, goal / goal.sum(1, keepdim=True)),
        torch.nn.functional.cross_entropy(asked.T, (goal / goal.sum(0, keepdim=True)).T),
    ]
    (sum(both) / 2).backward()
    np.testing.assert_allclose(slopes(logits, right), asked.grad.numpy(), atol=1e-7)


def test_the_gradient_goes_through_the_scaling_to_length_one():
    """Of `sum(outputs * given)` by the weights; Adam's first moment has a tenth of it."""
    pairs = planted(media=8, texts=1, dims=(5, 5))
    matrix = RANDOM.standard_normal((5, 3)).astype(np.float32)
    tower = _Tower.of(Adapter(1.0, np.zeros(5, np.float32), matrix), pairs.media)
    inputs, outputs, lengths = tower.forward(np.arange(8), RANDOM)
    given = RANDOM.standard_normal((8, 3)).astype(np.float32)
    weights = (tower.adapter.matrix * tower.scale).astype(np.float64)

    def value(some):
        made = inputs @ some
        return ((made / np.linalg.norm(made, axis=1, keepdims=True)) * given).sum()

    wanted = np.empty_like(weights)
    for place in np.ndindex(*weights.shape):
        step = np.zeros_like(weights)
        step[place] = 1e-6
        wanted[place] = (value(weights + step) - value(weights - step)) / 2e-6
    tower.backward(inputs, outputs, lengths, given)
    np.testing.assert_allclose(tower.moments[0] * 10, wanted, rtol=2e-3, atol=1e-3 * np.abs(wanted).max())


def merit(adapters, pairs):
    return ranks(mixed(plain_scores(pairs), fitted_scores(adapters, pairs), 0.5), pairs).merit


def test_epochs_find_what_a_start_at_random_does_not_have():
    pairs = planted(media=200, texts=2, noise=0.3)
    train, held = pairs.part(np.arange(150)), pairs.part(np.arange(150, 200))
    means = [np.zeros(side.features.shape[1], np.float32) for side in (pairs.media, pairs.texts)]
    start = tuple(Adapter(1.0, mean, RANDOM.standard_normal((len(mean), 32)).astype(np.float32)) for mean in means)
    *_, last = refine(start, train, epochs=300)
    assert merit(last, held) > merit(start, held) + 0.2


def test_from_the_closed_form_it_gets_no_worse_on_what_it_has_learnt():
    pairs = planted(media=100, texts=2, noise=1.5)
    start = Correlation(pairs, 1.0).solve(30, 2, 32)
    *_, last = refine(start, pairs, epochs=40)
    assert merit(last, pairs) > merit(start, pairs)


def test_the_same_seed_gives_the_same_bytes():
    pairs = planted(media=60, texts=2)
    settings = Settings(1.0, 1.0, 0.5, 16, 0.5, epochs=3)
    first, again, other = (fit(pairs, settings, seed) for seed in (1, 1, 2))
    for one, same, another in zip(first, again, other, strict=True):
        assert one.matrix.tobytes() == same.matrix.tobytes() != another.matrix.tobytes()


def test_each_epoch_is_given_and_no_epoch_changes_nothing():
    pairs = planted(media=60, texts=2)
    start = Correlation(pairs, 1.0).solve(1, 1, 16)
    assert len(list(refine(start, pairs, epochs=4))) == 4
    assert list(refine(start, pairs, epochs=0)) == []
    one, four = (fit(pairs, Settings(1.0, 1.0, 1.0, 16, 0.5, epochs=epochs)) for epochs in (1, 4))
    *_, fourth = refine(start, pairs, epochs=4)
    np.testing.assert_array_equal(four[0].matrix, fourth[0].matrix)
    assert np.abs(one[0].matrix - four[0].matrix).max() > 0


def test_more_media_than_a_batch_holds(monkeypatch):
    monkeypatch.setattr("mmsearch.fitting.contrastive.BATCH", 16)
    pairs = planted(media=50, texts=1)
    start = Correlation(pairs, 1.0).solve(1, 1, 8)
    (found,) = refine(start, pairs, epochs=1)
    assert all(np.isfinite(adapter.matrix).all() for adapter in found)
