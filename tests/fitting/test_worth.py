from itertools import product

import numpy as np
import pytest
from made_pairs import planted

from mmsearch.evaluation.bootstrap import resamples
from mmsearch.fitting.adapter import Adapter
from mmsearch.fitting.choose import Settings, by_medium, fit, fitted_scores, mixed, plain_scores
from mmsearch.fitting.paired import Paired, Ranks, Side, ranks
from mmsearch.fitting.worth import CUTS, WAYS, worth
from mmsearch.types import Modality

PAIRS = planted(media=90, texts=3, noise=1.0)
TRAIN, ASKED = PAIRS.part(np.arange(60)), PAIRS.part(np.arange(60, 90))
SETTINGS = Settings(1.0, 3.0, 0.5, 16, 0.6)
MAPS = fit(TRAIN, SETTINGS)
FOUND = worth(ASKED, MAPS, SETTINGS.weight, Modality.IMAGE)


def by_hand(scores, right):
    better = [(row >= row[list(answers)].max()).sum() for row, answers in zip(scores, right, strict=True)]
    return np.array(better) - [
        sum(row[a] >= row[list(answers)].max() for a in answers) - 1 for row, answers in zip(scores, right, strict=True)
    ]


def test_figures_are_those_of_the_scores():
    plain, fitted = plain_scores(ASKED), fitted_scores(MAPS, ASKED)
    texts, media = ASKED.edges.T
    right = {
        "text->image": [set(media[texts == text]) for text in range(len(ASKED.texts))],
        "image->text": [set(texts[media == medium]) for medium in range(len(ASKED.media))],
    }
    for way, scores in zip(WAYS, (plain, fitted, mixed(plain, fitted, 0.6)), strict=True):
        for direction, found in (("text->image", scores), ("image->text", scores.T)):
            wanted = by_hand(found, right[direction])
            figures = FOUND.figures[direction][way]
            assert figures["mrr"] == pytest.approx((1 / wanted).mean())
            for k in CUTS:
                assert figures[f"hit@{k}"] == pytest.approx((wanted <= k).mean())


def test_gains_are_differences_and_their_intervals_draw_media():
    plain, fitted = plain_scores(ASKED), fitted_scores(MAPS, ASKED)
    before, after = ranks(plain, ASKED), ranks(mixed(plain, fitted, 0.6), ASKED)
    change = (after.of_texts <= 5).astype(float) - (before.of_texts <= 5)
    gain = FOUND.gains["text->image"]["hit@5"]
    assert gain.value == pytest.approx(change.mean())
    owner = ASKED.first_media
    drawn = []
    for weights in np.concatenate(list(resamples(30, seed=0))):
        drawn.append((change * weights[owner]).sum() / weights[owner].sum())
    low, high = np.quantile(drawn, (0.025, 0.975), method="inverted_cdf")
    assert (gain.low, gain.high) == pytest.approx((low, high))
    assert gain.low < gain.value < gain.high


def test_p_is_that_of_all_signs():
    """With ten media all 1,024 ways of giving differences their signs can be counted."""
    some = PAIRS.part(np.arange(60, 70))
    maps = fit(TRAIN, Settings(1.0, 30.0, 2.0, 2, 0.1))
    found = worth(some, maps, 0.1, Modality.IMAGE)
    plain = plain_scores(some)
    after = ranks(mixed(plain, fitted_scores(maps, some), 0.1), some)
    change = by_medium(after, some) - by_medium(ranks(plain, some), some)
    all_signs = np.array(list(product((-1, 1), repeat=10))) @ change
    wanted = (all_signs >= change.sum() - 1e-12).mean()
    assert 0.001 < wanted < 0.6
    assert found.p == pytest.approx(wanted, abs=0.015)


def test_no_change_is_no_gain():
    found = worth(ASKED, MAPS, 0.0, Modality.IMAGE)
    assert found.p == 1 and not found.gained
    assert {gain.value for of_it in found.gains.values() for gain in of_it.values()} == {0}


def test_a_model_that_tells_nothing_apart_does_not_lose_to_noise():
    """All its scores are ties; they are in an order by chance, as noise is."""
    ps = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        media, texts = (
            Side(random.standard_normal((30, 5)).astype(np.float32), np.full((30, 4), 0.5, np.float32))
            for _ in range(2)
        )
        pairs = Paired(media, texts, np.stack([np.arange(30)] * 2, axis=1))
        maps = [Adapter(1.0, np.zeros(5, np.float32), random.standard_normal((5, 3)).astype("f4")) for _ in range(2)]
        ps.append(worth(pairs, tuple(maps), 0.5, Modality.IMAGE, seed=seed).p)
    assert np.mean(np.array(ps) < 0.05) < 0.15 and 0.3 < np.mean(ps) < 0.7


def test_rerankers_that_are_on_count_before_the_fit():
    """A reranker that knows all is not beaten by a fit that takes its place."""
    knows = np.zeros((len(ASKED.texts), len(ASKED.media)), np.float32)
    knows[tuple(ASKED.edges.T)] = 10
    found = worth(ASKED, MAPS, SETTINGS.weight, Modality.IMAGE, (knows, 0.0))
    assert found.figures["text->image"]["before"]["mrr"] == 1
    assert found.figures["image->text"]["before"] == FOUND.figures["image->text"]["before"]
    assert found.figures["text->image"]["after"] == FOUND.figures["text->image"]["after"]
    assert worth(ASKED, MAPS, SETTINGS.weight, Modality.IMAGE, (knows, knows)).p > 0.9


def test_a_share_of_ranks():
    assert Ranks(np.array([1, 2]), np.array([4])).merit == pytest.approx((0.75 + 0.25) / 2)


def test_media_of_one_label_have_one_sign():
    """Twelve clips of two labels are two observations, however much better all of them became."""
    texts, media = np.array([0, 1]).repeat(6), np.arange(12)
    side = Side(np.eye(12, dtype=np.float32), np.zeros((12, 3), np.float32))
    labels = Side(np.eye(2, dtype=np.float32), np.zeros((2, 3), np.float32))
    pairs = Paired(side, labels, np.stack([texts, media], axis=1))
    maps = (
        Adapter(1.0, np.zeros(12, np.float32), np.eye(2, dtype=np.float32)[texts]),
        Adapter(1.0, np.zeros(2, np.float32), np.eye(2, dtype=np.float32)),
    )
    assert worth(pairs, maps, 0.9, Modality.AUDIO).p > 0.2
