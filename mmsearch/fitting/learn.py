"""From pairs to a fit that has proven itself, or to the figures that say why not."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from mmsearch.errors import FitError
from mmsearch.fitting.choose import FOLDS, THREADS, Choice, Told, choose, fit, fitted_scores, mixed, plain_scores
from mmsearch.fitting.fit import Fit
from mmsearch.fitting.gather import head_for
from mmsearch.fitting.worth import Bonus, Worth, worth
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.encoders.base import Model
    from mmsearch.fitting.paired import Paired

HELD_OUT = 0.2  # of the media; they decide, and choose nothing
MOST_HELD_OUT = 1_000
FEWEST = 40  # media; fewer leave nothing to decide by
CURVE = (125, 250, 500, 1_000, 2_000, 4_000)


@dataclass(frozen=True, slots=True)
class Learnt:
    """A fit, and what is known of it.

    Attributes:
        fit: made of all pairs, with the settings that were chosen.
        choice: what cross-validation found.
        held_out: figures on media that had no part in the choice, of a fit without them.
        curve: figures after the closed form had so many media, the held-out ones asked: the learning curve.
        media: how many it was made of.
        texts: how many it was made of.
    """

    fit: Fit
    choice: Choice
    held_out: Worth
    curve: Mapping[int, Worth]
    media: int
    texts: int

    def to_json(self) -> dict[str, Any]:
        """What is worth keeping beside the fit, as JSON values."""
        settings = self.choice.settings
        return {
            "medium": str(self.fit.medium),
            "media": self.media,
            "texts": self.texts,
            "method": settings.method,
            "settings": {
                "power": settings.power, "media_shrinkage": settings.media, "text_shrinkage": settings.texts,
                "dim": settings.dim, "weight": settings.weight, "epochs": settings.epochs,
            },
            "cross_validated_mrr": dict(self.choice.merits),
            "held_out": self.held_out.to_json(),
            "curve": {str(n): one.to_json() for n, one in self.curve.items()},
            "bytes": len(self.fit.content),
        }  # fmt: skip


def learn(
    pairs: Paired,
    model: Model,
    medium: Modality,
    *,
    current: Fit | None = None,
    seed: int = 0,
    told: Told | None = None,
) -> Learnt:
    """Fit to pairs.

    Args:
        pairs: media of one kind, and their texts.
        model: that their features are of.
        medium: image or audio.
        current: the fit that is in use, which the new one must beat; it may have learnt from what is held out.
        seed: of all that is drawn.
        told: what is being done, how much of it is done, and of how much.

    Raises:
        FitError: there are too few pairs, or nothing in them to learn from.
    """
    _check(pairs, medium)
    # With one thread to a product the same pairs give the same bits on any number of cores; folds run side by side.
    with threadpool_limits(1, "blas"):
        return _learnt(pairs, model, medium, current, seed, told)


def _learnt(pairs: Paired, model: Model, medium: Modality, current: Fit | None, seed: int, told: Told | None) -> Learnt:
    order = np.random.default_rng(seed).permutation(len(pairs.media))
    held = min(MOST_HELD_OUT, max(FEWEST // FOLDS, round(HELD_OUT * len(order))))
    asked, train = pairs.part(order[:held]), pairs.part(order[held:])
    choice = choose(train, seed=seed, told=told)
    if told is not None:
        told("measuring", 0, 1)
    settings, before = choice.settings, _before(model, asked, medium, current)
    found = worth(asked, fit(train, settings, seed), settings.weight, medium, before, seed)

    def learnt(n: int) -> Worth:
        maps = fit(train.part(np.arange(n)), replace(settings, epochs=0), seed)
        return worth(asked, maps, settings.weight, medium, before, seed)

    sizes = [n for n in CURVE if n < len(train.media)] + [len(train.media)]
    with ThreadPoolExecutor(THREADS, "mmsearch-fit") as pool:
        curve = dict(zip(sizes, pool.map(learnt, sizes), strict=True))
    media, texts = fit(pairs, settings, seed)
    head = head_for(model, medium)
    versions = {encoder.name: encoder.version for encoder in model.encoders}
    encoders = {str(m): (head.encoders[m], versions[head.encoders[m]]) for m in (Modality.TEXT, medium)}
    made = Fit(head.space.name, head.space.version, medium, encoders, settings, media, texts)
    return Learnt(made, choice, found, curve, len(pairs.media), len(pairs.texts))


def _before(model: Model, pairs: Paired, medium: Modality, current: Fit | None) -> Bonus:
    """What the index adds to the scores of pairs that the plain model gives them."""
    if current is None:
        return tag_bonus(model, pairs, medium)
    plain = plain_scores(pairs)
    change = mixed(plain, fitted_scores((current.media, current.texts), pairs), current.settings.weight) - plain
    return change, change


def tag_bonus(model: Model, pairs: Paired, medium: Modality) -> Bonus:
    """What the reranker `tags` adds to the scores of pairs, if it is among those that are on for the model."""
    from mmsearch.search.rerank.tags import factor

    tagger = model.tagger
    if tagger is None or "tags" not in model.rerank:
        return 0.0, 0.0
    texts = tagger.tags(pairs.texts.features, Modality.TEXT, medium)
    shared = texts @ tagger.tags(pairs.media.features, medium, medium).T
    ways = (tagger.weights(Modality.TEXT, medium), tagger.weights(medium, Modality.TEXT))
    return tuple(0.0 if way is None else shared * factor(way) for way in ways)  # type: ignore[return-value]


def _check(pairs: Paired, medium: Modality) -> None:
    if len(pairs.media) < FEWEST:
        raise FitError(
            f"{len(pairs.media)} {medium}s with texts are too few to learn from and to hold some out: it takes "
            f"{FEWEST} at least, and some hundreds to gain much"
        )
    for side, name in ((pairs.media, f"{medium}s"), (pairs.texts, "texts")):
        if not np.isfinite(side.features).all():
            raise FitError(f"features of {name} are not finite numbers: nothing can be learnt from them")
        if len(side) < 2 or not np.ptp(side.features, axis=0).any():
            raise FitError(f"all {name} have the same features: there is nothing to learn from")
