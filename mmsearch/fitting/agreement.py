"""How much of what the model knew is left: whether questions of other things than the pairs get the same answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.fitting.choose import fitted_scores, mixed, plain_scores
from mmsearch.fitting.gather import Gatherer, head_for
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.encoders.base import Model
    from mmsearch.fitting.fit import Fit
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray

QUESTIONS = 200
ITEMS = 5_000
DEPTH = 10


def agreement(view: View, model: Model, fit: Fit) -> dict[str, float] | None:
    """The share of the ten best answers that stay, for made captions of all kinds of things, asked of the index itself.

    Returns:
        `alone` for the fitted part alone and `mixed` for both; None where the word lists for captions are not
        installed, or the index has too few items to tell. Of vectors that were imported nothing can be told either.
    """
    from mmsearch import captions

    kinds = captions.bank_if_installed(2 * QUESTIONS)
    if not kinds:
        return None
    head = head_for(model, fit.medium)
    kept = ("features", head.encoders[fit.medium]) if head.keeps_features else ("vectors", head.space.name)
    found = view.query(
        "SELECT DISTINCT g.item_id FROM segments g JOIN rows r ON r.segment_id = g.id JOIN shards s "
        "ON s.id = r.shard_id WHERE g.modality = ? AND s.kind = ? AND s.name = ? ORDER BY g.item_id",
        (str(fit.medium), *kept),
    )
    items = np.array(found, np.int64).reshape(-1)
    if len(items) <= 2 * DEPTH:
        return None
    some = np.sort(np.random.default_rng(0).permutation(items)[:ITEMS])
    questions = kinds[0 if fit.medium is Modality.IMAGE else 1 :: 2]
    pairs = Gatherer(view, model).asked(fit.medium, some.tolist(), questions)
    plain, alone = plain_scores(pairs), fitted_scores((fit.media, fit.texts), pairs)
    before = _best(plain)
    ways = {"alone": alone, "mixed": mixed(plain, alone, fit.settings.weight)}
    return {
        way: float(np.mean([len(np.intersect1d(*both)) for both in zip(before, _best(scores), strict=True)]) / DEPTH)
        for way, scores in ways.items()
    }


def _best(scores: FloatArray) -> np.ndarray:
    return np.argpartition(-scores, DEPTH, axis=1)[:, :DEPTH]
