import numpy as np
import pytest
from made_pairs import unit

from mmsearch import captions
from mmsearch.fitting import agreement
from mmsearch.fitting.choose import Settings, fitted_scores, plain_scores
from mmsearch.fitting.fit import Fit
from mmsearch.fitting.gather import Gatherer
from mmsearch.types import Modality

pytestmark = pytest.mark.skipif(not captions.installed(), reason="the word lists for captions are not installed")


def weighted(fit, weight):
    settings = Settings(fit.settings.power, 1.0, 1.0, fit.settings.dim, weight)
    return Fit(fit.space, fit.space_version, fit.medium, fit.encoders, settings, fit.media, fit.texts)


def test_the_more_the_fit_counts_the_fewer_answers_stay(kit, plain):
    with plain.hold() as view:
        found = [agreement.agreement(view, plain.model, weighted(kit[1], weight)) for weight in (0.0, 0.5, 1.0)]
    shares = [one["mixed"] for one in found]
    assert shares[0] == 1 and shares[0] > shares[1] > shares[2] == found[0]["alone"]


def test_it_is_the_share_of_the_ten_best_that_stay(kit, plain):
    with plain.hold() as view:
        items = [number for (number,) in view.query("SELECT item_id FROM segments WHERE modality = 'image'")]
        questions = captions.bank(2 * agreement.QUESTIONS)[0::2]
        pairs = Gatherer(view, plain.model).asked(Modality.IMAGE, sorted(items), questions)
        found = agreement.agreement(view, plain.model, kit[1])
    best = [
        np.argsort(-scores, axis=1, kind="stable")[:, :10]
        for scores in (plain_scores(pairs), fitted_scores((kit[1].media, kit[1].texts), pairs))
    ]
    wanted = np.mean([len(set(a.tolist()) & set(b.tolist())) / 10 for a, b in zip(*best, strict=True)])
    assert found["alone"] == pytest.approx(wanted, abs=0.15)  # most scores without the fit are ties


def test_items_without_features_are_not_asked_about(kit, plain, monkeypatch):
    rows = unit(np.random.default_rng(0).standard_normal((1000, 64)))
    monkeypatch.setattr(agreement, "ITEMS", 30)
    with plain.hold() as view:
        before = agreement.agreement(view, plain.model, kit[1])
    plain.add_vectors(rows, modality="image")
    with plain.hold() as view:
        assert agreement.agreement(view, plain.model, kit[1]) == before


def test_of_a_few_items_nothing_can_be_told(kit, plain):
    plain.remove(ids=[f"p{n}" for n in range(40)])
    with plain.hold() as view:
        assert agreement.agreement(view, plain.model, kit[1]) is None
