"""The fits of one index: made, put to use, undone, carried to other indexes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import FitError
from mmsearch.fitting.active import with_fits
from mmsearch.fitting.agreement import agreement
from mmsearch.fitting.files import read, write
from mmsearch.fitting.fit import Fit, head_of
from mmsearch.fitting.gather import Gatherer, head_for
from mmsearch.fitting.install import add_rows
from mmsearch.fitting.learn import MOST_HELD_OUT, Learnt, learn, tag_bonus
from mmsearch.fitting.matching import FIELDS, texts_of
from mmsearch.fitting.worth import Worth, worth
from mmsearch.store import fits as catalog
from mmsearch.store.fits import Kept

if TYPE_CHECKING:
    from mmsearch.encoders.base import Model
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.fitting.choose import Told
    from mmsearch.store.store import Store
    from mmsearch.store.writer import Writer
    from mmsearch.types import Item, Modality


PATIENCE_SECONDS = 60.0  # for another writer, when what was learnt is put to use


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of pairs of one medium.

    Attributes:
        name: of the fit.
        learnt: the fit, and what it is worth.
        installed: whether the index uses it now. It does not if it is no better than the index was, and was not forced.
        card: what is kept with it, as JSON values.
    """

    name: str
    learnt: Learnt
    installed: bool
    card: Mapping[str, Any]


class Fits:
    """What an index has learnt; see `Index.fits`.

    Args:
        store: of the index.
        model: of the index, without fits.
        items: of the index.
        trial: opens a temporary index of that model with a dataset, for checks.
    """

    def __init__(
        self,
        store: Store,
        model: Callable[[], Model],
        items: Callable[[], Sequence[Item]],
        trial: Callable[[Dataset], AbstractContextManager[Fits]],
    ) -> None:
        self._store, self._model, self._items, self._trial = store, model, items, trial

    def kept(self) -> tuple[Kept, ...]:
        """All that are kept, in the order in which they were made."""
        return catalog.read(self._store.query)

    def learn(
        self,
        pairs: str | Path | Dataset | None = None,
        *,
        name: str | None = None,
        split: str | None = None,
        fields: Sequence[str] = FIELDS,
        checks: Sequence[str | Path | Dataset] = (),
        force: bool = False,
        seed: int = 0,
        wait: float = 0.0,
        told: Told | None = None,
    ) -> tuple[Outcome, ...]:
        """Learn from pairs, and put what proves itself to use.

        Args:
            pairs: a dataset, or its file or folder, whose media the index holds; None for what the items of the index
                say of themselves: their texts, and captions in their metadata.
            name: of the fit; that of the pairs if it is not given.
            split: of the dataset; its part for training, if it has one.
            fields: the metadata in which captions are looked for, when there are no pairs.
            checks: other datasets, on which to measure what the fit does outside of its domain.
            force: put it to use even if it is no better.
            seed: of all that is drawn; the same gives the same fit.
            wait: seconds to wait for another writer.
            told: what is being done, how much of it is done, and of how much.

        Raises:
            FitError: there are too few pairs, or the index does not hold their media.
            DatasetError: the dataset cannot be used.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        from mmsearch.evaluation.datasets import LEARNED, MEASURED

        with self._store.writer(wait=wait):
            pass  # told now that another process is writing, and not after minutes of learning
        dataset, about = _opened(pairs, split, LEARNED)
        checked = [_opened(check, None, MEASURED)[0] for check in checks]
        outcomes, refused = [], list[FitError]()
        with self._store.view() as view:
            found, absent = texts_of(view, self._items, dataset, fields)
            names = _names(name or about.get("data") or "own", list(found))
            started, said = time.perf_counter(), () if dataset is None else dataset.warnings
            for medium, texts in found.items():
                try:
                    gathered = Gatherer(view, self._model(), told).pairs(medium, texts)
                    current = self._used(head_for(self._model(), medium).space.name, medium)
                    learnt = learn(gathered.pairs, self._model(), medium, current=current, seed=seed, told=told)
                except FitError as error:  # three sounds among a thousand pictures
                    refused.append(error)
                    continue
                worths, untold = self._checked(learnt.fit, checked)
                card = {
                    **about, **learnt.to_json(), "model": self._model().name, "made": date.today().isoformat(),
                    "seed": seed, "warnings": [*said, *absent, *gathered.warnings, *untold],
                    "agreement": agreement(view, self._model(), learnt.fit),
                    "checks": {name: one.to_json() for name, one in worths.items()},
                    "seconds": round(time.perf_counter() - started, 1),
                }  # fmt: skip
                outcomes.append((names[medium], learnt, card))
        if not outcomes:
            raise refused[0]
        for *_, card in outcomes:
            card["warnings"] += [f"left out: {error}" for error in refused]
        return tuple(self._keep(*one, force=force, wait=max(wait, PATIENCE_SECONDS), told=told) for one in outcomes)

    def measure(self, fit: Fit, dataset: Dataset) -> Worth:
        """What a fit is worth on a dataset whose media this index holds; on some of them where there are many.

        Raises:
            FitError: the index does not hold them, or the fit is for another model.
        """
        model = self._model()
        head_of(model, fit)
        with self._store.view() as view:
            texts = texts_of(view, self._items, dataset)[0].get(fit.medium)
            if texts is None:
                raise FitError(f"{dataset.name} has no {fit.medium} with a text")
            some = np.random.default_rng(0).permutation(list(texts))[:MOST_HELD_OUT]  # scores are held all at once
            pairs = Gatherer(view, model).pairs(fit.medium, {id_: texts[id_] for id_ in np.sort(some).tolist()}).pairs
        maps = (fit.media, fit.texts)
        return worth(pairs, maps, fit.settings.weight, fit.medium, tag_bonus(model, pairs, fit.medium))

    def use(self, name: str, *, wait: float = 0.0, told: Told | None = None) -> None:
        """Put a fit that is kept to use, in place of the one that is, if one is.

        Raises:
            FitError: there is none of that name, or it is for another model.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written; the index is as it was.
        """
        with self._store.writer(wait=wait) as writer:
            self._use(writer, self._named(name), told)

    def undo(self, *, wait: float = 0.0, told: Told | None = None) -> tuple[str, str | None]:
        """Go back to what was in use before the fit that was put to use last: the names of both, None for no fit.

        Raises:
            FitError: no fit is in use.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written; the index is as it was.
        """
        with self._store.writer(wait=wait) as writer:
            last = max(self.kept(), key=lambda one: one.active, default=None)
            if last is None or not last.active:
                raise FitError("no fit is in use: there is nothing to undo")
            before = next((one for one in self.kept() if one.id == last.previous), None)
            if before is not None:
                self._project(writer, before, told)
            writer.undo_fit(last.space, last.medium)
            self._calibrate(writer)
            return last.name, before.name if before is not None else None

    def forget(self, name: str, *, wait: float = 0.0) -> None:
        """Remove a fit that is not in use.

        Raises:
            FitError: there is none of that name.
            StoreError: it is in use, or the disk cannot be written.
        """
        with self._store.writer(wait=wait) as writer:
            writer.forget_fit(self._named(name).id)

    def get(self, name: str) -> Fit:
        """A fit that is kept.

        Raises:
            FitError: there is none of that name.
        """
        return Fit.parse(catalog.content(self._store.query, self._named(name).id))

    def export(self, name: str, destination: str | Path) -> None:
        """Write a fit to a file, for another index of the same model.

        Raises:
            FitError: there is none of that name, or the file is there or cannot be written.
        """
        one = self._named(name)
        write(Path(destination).expanduser(), one.name, one.card, self.get(name))

    def load(self, source: str | Path, *, name: str | None = None, wait: float = 0.0, told: Told | None = None) -> str:
        """Put a fit from a file to use; the name that it is kept by.

        Raises:
            FitError: the file cannot be read, is no fit, or is for another model.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        said, card, fit = read(Path(source).expanduser())
        return self.put(name or said, fit, card, wait=wait, told=told)

    def put(self, name: str, fit: Fit, card: Mapping[str, Any], *, wait: float = 0.0, told: Told | None = None) -> str:
        """Keep a fit, and put it to use.

        Returns:
            The name that it is kept by: with a number, where another fit has that name; that of the same fit, where it
            is kept already.

        Raises:
            FitError: it is for another model.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        head_of(self._model(), fit)
        with self._store.writer(wait=wait) as writer:
            there = self.kept()
            same = (one.name for one in there if (one.space, one.medium, one.version) == _key(fit))
            called = next(same, None)
            if called is None:
                called = _free(name, [one.name for one in there])
                writer.keep_fit(called, fit.space, fit.medium, fit.content, card)
            self._use(writer, self._named(called), told)
            return called

    def _keep(
        self, name: str, learnt: Learnt, card: Mapping[str, Any], *, force: bool, wait: float, told: Told | None
    ) -> Outcome:
        is_used = any(one.active and (one.space, one.medium, one.version) == _key(learnt.fit) for one in self.kept())
        good = learnt.held_out.gained or force or is_used
        if good:
            name = self.put(name, learnt.fit, card, wait=wait, told=told)
        return Outcome(name, learnt, good, card)

    def _use(self, writer: Writer, one: Kept, told: Told | None) -> None:
        if not one.active:
            self._project(writer, one, told)
            writer.activate_fit(one.id, one.space, one.medium)
            self._calibrate(writer)

    def _calibrate(self, writer: Writer) -> None:
        """Scores in the space of a fit have a background of their own."""
        from mmsearch.search.calibrate.update import update

        update(self._store, writer, with_fits(self._store, self._model()))

    def _project(self, writer: Writer, one: Kept, told: Told | None) -> None:
        model = self._model()
        fit = Fit.parse(catalog.content(self._store.query, one.id))
        add_rows(self._store, writer, model, head_of(model, fit), told)

    def _used(self, space: str, medium: Modality) -> Fit | None:
        """The fit of a space and a medium that is in use."""
        used = (one.name for one in self.kept() if (one.space, one.medium) == (space, medium) and one.active)
        return next(map(self.get, used), None)

    def _named(self, name: str) -> Kept:
        found = {one.name: one for one in self.kept()}
        if name not in found:
            raise FitError(f"the index keeps no fit {name!r}; there are: {', '.join(found) or 'none'}")
        return found[name]

    def _checked(self, fit: Fit, checks: Sequence[Dataset | None]) -> tuple[dict[str, Worth], list[str]]:
        """What a fit is worth on each dataset, by its name, and why that cannot be told of some."""
        found, untold = {}, []
        for check in checks:
            if check is not None:
                with self._trial(check) as fits:
                    try:
                        found[check.name] = fits.measure(fit, check)
                    except FitError as error:
                        untold.append(f"not checked: {error}")
        return found, untold


def _opened(
    pairs: str | Path | Dataset | None, split: str | None, usual: Sequence[str]
) -> tuple[Dataset | None, dict[str, Any]]:
    from mmsearch.evaluation.datasets import given

    if pairs is None:
        return None, {}
    path, dataset = given(pairs, split=split, usual=usual)
    if path is None:
        return dataset, {"data": dataset.name}
    about = {"data": path.stem if path.is_file() else path.resolve().name}
    if path.is_file():
        with path.open("rb") as file:
            about["data_sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return dataset, about


def _names(name: str, media: Sequence[Modality]) -> dict[Modality, str]:
    return {medium: name if len(media) == 1 else f"{name}-{medium}" for medium in media}


def _key(fit: Fit) -> tuple[str, str, str]:
    return fit.space, str(fit.medium), fit.version


def _free(name: str, taken: Sequence[str]) -> str:
    number, free = 2, name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free
