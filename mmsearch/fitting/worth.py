"""What a fit is worth: ranks with and without it, on pairs that it has never seen, and whether that is luck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mmsearch.evaluation.bootstrap import resamples
from mmsearch.fitting.choose import by_medium, fitted_scores, mixed, plain_scores
from mmsearch.fitting.paired import Ranks, ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.fitting.adapter import Adapter
    from mmsearch.fitting.paired import Paired
    from mmsearch.types import FloatArray, Modality

Bonus: TypeAlias = "tuple[FloatArray | float, FloatArray | float]"

CUTS = (1, 5, 10)
WAYS = ("before", "fit alone", "after")
"""As the index answers without the fit; with the fitted part alone; with both, as it answers with the fit."""
PERMUTATIONS = 9_999
SIGNIFICANT = 0.05
NEGLIGIBLE = np.float32(1e-6)  # differences of scores below are rounding


@dataclass(frozen=True, slots=True)
class Gain:
    """How much a figure grew, with its 95 % bootstrap interval over groups of media (Efron, 1979)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Worth:
    """Figures of one set of pairs.

    Attributes:
        media: how many were ranked.
        texts: how many were ranked.
        figures: hit@K and MRR, by direction, way and name, such as `["text->image"]["after"]["hit@10"]`.
        gains: by direction and name, `after` less `before`.
        groups: how many of the media are independent observations; with four nothing can be told from luck.
        p: that media and texts would gain as much by chance, in the mean of MRR over both directions: one-sided paired
            randomisation test over groups (Smucker, Allan, Carterette, CIKM 2007).
    """

    media: int
    texts: int
    figures: Mapping[str, Mapping[str, Mapping[str, float]]]
    gains: Mapping[str, Mapping[str, Gain]]
    groups: int
    p: float

    @property
    def gained(self) -> bool:
        """Whether it is better with the fit, not by chance (p < .05), and in no direction clearly worse."""
        return self.p < SIGNIFICANT and all(of_it["mrr"].high >= 0 for of_it in self.gains.values())

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        gains = {
            direction: {name: [gain.value, gain.low, gain.high] for name, gain in of_it.items()}
            for direction, of_it in self.gains.items()
        }
        return {
            "media": self.media,
            "texts": self.texts,
            "figures": self.figures,
            "gains": gains,
            "groups": self.groups,
            "p": self.p,
        }


def worth(
    pairs: Paired,
    adapters: tuple[Adapter, Adapter],
    weight: float,
    medium: Modality,
    bonus: Bonus = (0.0, 0.0),
    seed: int = 0,
) -> Worth:
    """Measure a fit on pairs.

    What scores alike before or after is put in an order by chance, the same for both: a model that takes all texts to
    one point finds as much as chance does, and must not lose to noise. In the fit alone it counts against the fit.

    Args:
        pairs: that it was not fitted to.
        adapters: of media and texts.
        weight: of the fitted part.
        medium: of the media.
        bonus: what rerankers, or another fit, add without this one to scores `(m, n)`, where texts ask, where media do.
        seed: of the resampling.
    """
    plain, fitted = plain_scores(pairs), fitted_scores(adapters, pairs)
    chance = NEGLIGIBLE * np.random.default_rng(seed).standard_normal(plain.shape, np.float32)
    found = {
        "before": Ranks(
            ranks(plain + bonus[0] + chance, pairs).of_texts, ranks(plain + bonus[1] + chance, pairs).of_media
        ),
        "fit alone": ranks(fitted, pairs),
        "after": ranks(mixed(plain, fitted, weight) + chance, pairs),
    }
    directions = (f"text->{medium}", f"{medium}->text")
    figures: dict[str, dict[str, dict[str, float]]] = {name: {} for name in directions}
    gains: dict[str, dict[str, Gain]] = {name: {} for name in directions}
    for direction, of_texts in zip(directions, (True, False), strict=True):
        columns = {way: _columns(one.of_texts if of_texts else one.of_media) for way, one in found.items()}
        owner = pairs.groups[pairs.first_media] if of_texts else pairs.groups
        for way in WAYS:
            figures[direction][way] = {name: float(values.mean()) for name, values in columns[way].items()}
        for name in columns["after"]:
            change = columns["after"][name] - columns["before"][name]
            gains[direction][name] = _gain(change, owner, seed)
    luck = _luck(found["after"], found["before"], pairs, seed)
    return Worth(len(pairs.media), len(pairs.texts), figures, gains, int(pairs.groups.max()) + 1, luck)


def _columns(found: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    columns = {f"hit@{k}": (found <= k).astype(np.float64) for k in CUTS}
    return {**columns, "mrr": 1 / found}


def _gain(change: NDArray[np.float64], owner: NDArray[np.int64], seed: int) -> Gain:
    """Groups are drawn, with all that asks of them: captions of a picture are not independent, nor clips of a label."""
    total, count = np.bincount(owner, change), np.bincount(owner).astype(np.float64)
    drawn = np.concatenate([(w @ total) / np.maximum(w @ count, 1) for w in resamples(len(count), seed=seed)])
    low, high = np.quantile(drawn, (0.025, 0.975), method="inverted_cdf")
    return Gain(float(change.mean()), float(low), float(high))


def _luck(after: Ranks, before: Ranks, pairs: Paired, seed: int) -> float:
    """If the fit were no better, each group's difference could as well have the other sign."""
    change = np.bincount(pairs.groups, by_medium(after, pairs) - by_medium(before, pairs))
    random = np.random.default_rng(seed)
    reached = 1  # the signs as they are
    for _ in range(0, PERMUTATIONS, 1_111):
        signs = random.integers(0, 2, (1_111, len(change))) * 2 - 1
        reached += int(np.count_nonzero(signs @ change >= change.sum() - 1e-12))
    return reached / (PERMUTATIONS + 1)
