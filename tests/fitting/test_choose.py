import numpy as np
from made_pairs import planted

from mmsearch.fitting.adapter import unit
from mmsearch.fitting.choose import FOLDS, _folds, by_medium, choose, fit, fitted_scores, mixed, plain_scores
from mmsearch.fitting.paired import Paired, Ranks, Side, ranks


def merit(pairs, settings, asked):
    maps = fit(pairs, settings)
    return ranks(mixed(plain_scores(asked), fitted_scores(maps, asked), settings.weight), asked).merit


def test_folds_ask_everything_once_and_of_nothing_that_was_fitted_to():
    asked = []
    for rest, held in _folds(37, seed=0):
        assert sorted([*rest.tolist(), *held.tolist()]) == list(range(37))
        asked += held.tolist()
    assert sorted(asked) == list(range(37)) and len(list(_folds(37, seed=0))) == FOLDS
    assert [held.tolist() for _, held in _folds(37, 0)] != [held.tolist() for _, held in _folds(37, 1)]


def test_captions_of_one_medium_are_on_one_side():
    pairs = planted(media=40, texts=5)
    for rest, held in _folds(40, seed=0):
        sides = [{row.tobytes() for row in pairs.part(some).texts.features} for some in (rest, held)]
        assert not sides[0] & sides[1] and len(sides[0] | sides[1]) == 200


def test_what_is_chosen_is_better_than_no_fit_and_so_it_is_on_new_pairs():
    pairs = planted(media=200, texts=2, noise=1.0)
    train, asked = pairs.part(np.arange(150)), pairs.part(np.arange(150, 200))
    found = choose(train)
    assert found.merits["zero-shot"] < found.merits["cca"] - 0.2
    assert merit(train, found.settings, asked) > ranks(plain_scores(asked), asked).merit + 0.2
    assert found.settings.method in found.merits


def test_the_strength_is_chosen_by_what_is_held_out():
    """Many features that mean nothing want a strong shrinkage."""
    clean = choose(planted(media=60, texts=1, dims=(10, 10), noise=0.05)).settings
    noisy = choose(planted(media=60, texts=1, dims=(60, 60), noise=4.0)).settings
    assert (clean.media, clean.texts) < (noisy.media, noisy.texts)


def test_a_fit_counts_little_where_the_model_knows_enough():
    pairs = planted(media=100, texts=1, noise=1.0)
    both = unit(np.random.default_rng(0).standard_normal((100, 40)))
    knowing = Paired(Side(pairs.media.features, both), Side(pairs.texts.features, both), pairs.edges)
    found = choose(knowing)
    assert found.merits["zero-shot"] == 1 and found.settings.weight == 0.1 and found.settings.epochs == 0


def test_the_scores_that_are_measured_are_those_that_are_mixed():
    plain, fitted = np.array([[0.5, 0.1]], np.float32), np.array([[0.0, 1.0]], np.float32)
    np.testing.assert_allclose(mixed(plain, fitted, 0.3), [[0.35, 0.37]], rtol=1e-6)


def test_the_same_seed_chooses_the_same():
    pairs = planted(media=40, texts=2, noise=2.0)
    first, again = choose(pairs, seed=1), choose(pairs, seed=1)
    assert (first.settings, first.merits) == (again.settings, again.merits)


def test_ranks_by_medium():
    """The first has two texts, the second none that is first its own, the third one."""
    side = Side(np.ones((3, 2), np.float32), np.ones((3, 2), np.float32))
    pairs = Paired(side, side, np.array([[0, 0], [1, 0], [1, 1], [2, 2]]))
    found = by_medium(Ranks(np.array([1, 4, 2]), np.array([2, 5, 1])), pairs)
    np.testing.assert_allclose(found, [(1 / 2 + (1 + 1 / 4) / 2) / 2, 1 / 5, (1 + 1 / 2) / 2])


def test_it_is_told_what_is_being_done():
    told = []
    choose(planted(media=40, texts=1), told=lambda *now: told.append(now))
    assert told == [
        (what, number, FOLDS) for what in ("choosing the strength", "refining") for number in range(1, FOLDS + 1)
    ]
