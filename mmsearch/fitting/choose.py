"""Which fit: its strength, its size, its weight beside the scores without a fit, chosen by cross-validation.

The merit of a choice is the mean reciprocal rank over both directions, on pairs that it was not fitted to. Pairs are
divided by medium: two captions of one picture are never on both sides.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from mmsearch.fitting.closed import Correlation
from mmsearch.fitting.contrastive import most_epochs, refine
from mmsearch.fitting.paired import Paired, Ranks, ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.fitting.adapter import Adapter
    from mmsearch.types import FloatArray

THREADS = os.cpu_count() or 1  # folds are worked on side by side
FOLDS = 4
MOST_ASKED = 500  # media of a fold that are ranked: enough to choose by, and it bounds the time
POWERS = (1.0, 0.5)
MEDIA_SHRINKAGE = (1.0, 3.0, 10.0, 30.0)
TEXT_SHRINKAGE = (0.1, 0.5, 2.0)
DIM = 128
LARGE_DIM = 256
LARGE = 2_000  # media from which on more directions are told from noise
WEIGHTS = tuple(n / 10 for n in range(1, 10))
COARSE = (0.3, 0.5, 0.7)
STRIDE = 5  # epochs between two looks
LARGE_FOLDS = 2  # of many pairs fewer folds tell as much

Told: TypeAlias = Callable[[str, int, int], None]
_Merits: TypeAlias = "dict[Settings, NDArray[np.float64]]"  # by medium
_Results: TypeAlias = "dict[Settings, list[NDArray[np.float64]]]"  # the same, fold after fold
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a fit is made.

    Attributes:
        power: of the media's features, see `Adapter`.
        media: shrinkage of the media's covariance, see `Correlation.solve`.
        texts: shrinkage of the texts' covariance.
        dim: of the fitted part.
        weight: of the fitted part in the score; the rest is the score without a fit.
        epochs: of the contrastive refinement; 0 for the closed form alone.
    """

    power: float
    media: float
    texts: float
    dim: int
    weight: float
    epochs: int = 0

    @property
    def method(self) -> str:
        """`cca`, or `cca+infonce`."""
        return "cca+infonce" if self.epochs else "cca"


@dataclass(frozen=True, slots=True)
class Choice:
    """What cross-validation found: the settings, and the merit of each method at its best, `zero-shot` among them."""

    settings: Settings
    merits: dict[str, float]


def fit(pairs: Paired, settings: Settings, seed: int = 0) -> tuple[Adapter, Adapter]:
    """The adapters of media and texts."""
    found = Correlation(pairs, settings.power).solve(settings.media, settings.texts, settings.dim)
    for moved in refine(found, pairs, epochs=settings.epochs, seed=seed):
        found = moved
    return found


def fitted_scores(adapters: tuple[Adapter, Adapter], pairs: Paired) -> FloatArray:
    """The scores `(m, n)` of the fitted part alone."""
    media, texts = adapters
    return texts.project(pairs.texts.features) @ media.project(pairs.media.features).T


def plain_scores(pairs: Paired) -> FloatArray:
    """The scores `(m, n)` without a fit."""
    return pairs.texts.vectors @ pairs.media.vectors.T


def mixed(plain: FloatArray, fitted: FloatArray, weight: float) -> FloatArray:
    """The scores that searches use."""
    share = np.float32(weight)
    return (1 - share) * plain + share * fitted


def choose(pairs: Paired, *, seed: int = 0, told: Told | None = None) -> Choice:
    """Choose settings by cross-validation over `pairs`.

    A refinement is taken where its merit is larger than that of the closed form. Of weights whose loss against the best
    one is within the standard error of the difference the smallest is taken (the rule of one standard error: Breiman et
    al., "Classification and Regression Trees", 1984): it forgets least of what lies outside the pairs.
    """
    large = len(pairs.media) >= LARGE
    folds = [_Fold.of(pairs, *part) for part in _folds(len(pairs.media), seed)][: LARGE_FOLDS if large else FOLDS]
    dim = LARGE_DIM if large else DIM
    grid = [Settings(*values, dim, 0.0) for values in product(POWERS, MEDIA_SHRINKAGE, TEXT_SHRINKAGE)]
    with ThreadPoolExecutor(THREADS, "mmsearch-fit") as pool:
        closed = _joined(_told_of(pool.map(lambda fold: fold.tried(grid), folds), "choosing the strength", folds, told))
        best, epochs = _best(closed), most_epochs(len(pairs.media))
        moving = pool.map(lambda fold: fold.moved(best, epochs, seed), folds)
        found = list(_told_of(moving, "refining", folds, told))
    closed |= _joined(still for still, _ in found)
    refined = _joined(moved for _, moved in found)
    best, moved = _best(closed), _best(refined)
    alone = [by_medium(ranks(fold.plain, fold.asked), fold.asked) for fold in folds]
    merits = {"zero-shot": _mean(alone), best.method: _mean(closed[best]), moved.method: _mean(refined[moved])}
    is_better = merits[moved.method] > merits[best.method]
    return Choice(_lightest(moved, refined) if is_better else _lightest(best, closed), merits)


class _Fold:
    """What is fitted to, and what is asked then."""

    def __init__(self, train: Paired, asked: Paired) -> None:
        self.train, self.asked, self.plain = train, asked, plain_scores(asked)
        self._correlations: dict[float, Correlation] = {}

    @classmethod
    def of(cls, pairs: Paired, rest: NDArray[np.int64], held: NDArray[np.int64]) -> _Fold:
        return cls(pairs.part(rest), pairs.part(held[:MOST_ASKED]))

    def closed(self, settings: Settings) -> tuple[Adapter, Adapter]:
        if settings.power not in self._correlations:
            self._correlations[settings.power] = Correlation(self.train, settings.power)
        return self._correlations[settings.power].solve(settings.media, settings.texts, settings.dim)

    def tried(self, grid: Sequence[Settings]) -> _Merits:
        """The merits of closed forms, with a few weights each."""
        found: _Merits = {}
        for settings in grid:
            found |= self._merits(settings, self.closed(settings), COARSE)
        return found

    def moved(self, settings: Settings, epochs: int, seed: int) -> tuple[_Merits, _Merits]:
        """The merits of one closed form with all weights, and of what it becomes, every few epochs."""
        start = self.closed(settings)
        moved: _Merits = {}
        for epoch, adapters in enumerate(refine(start, self.train, epochs=epochs, seed=seed), 1):
            if epoch % STRIDE == 0 or epoch == epochs:
                moved |= self._merits(replace(settings, epochs=epoch), adapters, WEIGHTS)
        return self._merits(settings, start, WEIGHTS), moved

    def _merits(self, settings: Settings, adapters: tuple[Adapter, Adapter], weights: Sequence[float]) -> _Merits:
        fitted = fitted_scores(adapters, self.asked)
        return {
            replace(settings, weight=weight): by_medium(
                ranks(mixed(self.plain, fitted, weight), self.asked), self.asked
            )
            for weight in weights
        }


def _told_of(results: Iterator[T], what: str, of: Sequence[object], told: Told | None) -> Iterator[T]:
    """Results as they come, told one by one."""
    for number, result in enumerate(results):
        if told is not None:
            told(what, number + 1, len(of))
        yield result


def _joined(parts: Iterable[_Merits]) -> _Results:
    """The merits of all folds, settings by settings."""
    joined: _Results = {}
    for part in parts:
        for settings, merits in part.items():
            joined.setdefault(settings, []).append(merits)
    return joined


def by_medium(found: Ranks, pairs: Paired) -> NDArray[np.float64]:
    """Reciprocal ranks by medium `(n,)`: half of its own, and half of the mean of those texts that are first its own.

    A medium all of whose texts are first another's counts with its own rank alone.
    """
    count = np.bincount(pairs.first_media, minlength=len(pairs.media))
    total = np.bincount(pairs.first_media, 1 / found.of_texts, minlength=len(pairs.media))
    own = 1 / found.of_media
    return np.where(count > 0, (own + total / np.maximum(count, 1)) / 2, own)


def _best(results: _Results) -> Settings:
    """That of the largest merit, among those that all folds have measured."""
    return max(results, key=lambda one: _mean(results[one]))


def _lightest(best: Settings, results: _Results) -> Settings:
    for weight in WEIGHTS:
        candidate = replace(best, weight=weight)
        loss, error = _difference(results[best], results[candidate])
        if loss <= error:
            return candidate
    return best


def _difference(ours: list[NDArray[np.float64]], others: list[NDArray[np.float64]]) -> tuple[float, float]:
    """Mean difference over media, and its standard error."""
    values = np.concatenate(ours) - np.concatenate(others)
    return float(values.mean()), float(values.std() / np.sqrt(len(values)))


def _mean(merits: list[NDArray[np.float64]]) -> float:
    return float(np.concatenate(merits).mean())


def _folds(media: int, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """What is fitted to and what is asked, `FOLDS` times."""
    order = np.random.default_rng(seed).permutation(media)
    parts = np.array_split(order, FOLDS)
    for number, held in enumerate(parts):
        yield np.sort(np.concatenate([part for other, part in enumerate(parts) if other != number])), held
