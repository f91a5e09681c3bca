"""The chains of one index: measured, kept where they help, undone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from mmsearch.errors import DatasetError
from mmsearch.evaluation.datasets import given
from mmsearch.fitting.matching import FIELDS
from mmsearch.store import chains as catalog
from mmsearch.store.chains import Tuned
from mmsearch.tuning.directions import Unreached, own, stated
from mmsearch.tuning.trials import FEWEST, Finding, chains, tried

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.search.searcher import Searcher
    from mmsearch.store.store import Store
    from mmsearch.store.view import View
    from mmsearch.tuning.directions import Direction, Told
    from mmsearch.types import Item, Space

PATIENCE_SECONDS = 60.0  # for another writer, when what was chosen is kept


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was found out.

    Attributes:
        findings: on each direction that has enough questions.
        kept: the chains that are in use from now on; none if nothing was to be changed.
        left_out: directions with too few independent questions, and how many they have.
        unreached: directions that a bridge is missing for, and what to do about it.
        data: what was asked.
        seconds: that it took.
    """

    findings: tuple[Finding, ...]
    kept: tuple[Tuned, ...]
    left_out: dict[str, int]
    unreached: dict[str, str]
    data: str
    seconds: float


class Chains:
    """The rerankers of each direction of an index, where they were tuned; see `Index.chains`.

    Args:
        store: of the index.
        searcher: of the index, with the fits of now.
        items: of the index.
    """

    def __init__(self, store: Store, searcher: Callable[[], Searcher], items: Callable[[], Sequence[Item]]) -> None:
        self._store, self._searcher, self._items = store, searcher, items

    def kept(self) -> tuple[Tuned, ...]:
        """All that are kept; those of a space that is not in use now have no effect."""
        return catalog.read(self._store.query)

    def tune(
        self,
        pairs: str | Path | Dataset | None = None,
        *,
        split: str | None = None,
        fields: Sequence[str] | None = None,
        check: bool = False,
        seed: int = 0,
        wait: float = 0.0,
        told: Told | None = None,
    ) -> Tuning:
        """Measure chains of rerankers in every direction that can be judged, and keep those that help.

        Half of the questions of a direction, and of the media or texts that they are about, choose a chain by mean
        reciprocal rank; the other half must confirm that it is better than the one in use, and not by luck (paired
        randomisation test, p < .05). Where they do not, the direction stays as it is.

        Args:
            pairs: a dataset, or its file or folder, whose media the index holds; None for what the items of the index
                say of themselves: their texts, and captions in their metadata.
            split: of the dataset.
            fields: the metadata in which captions are looked for, when there are no pairs; `matching.FIELDS` if they
                are not given.
            check: only measure.
            seed: of all that is drawn; the same gives the same answer.
            wait: seconds to wait for another writer.
            told: what is being done, how much of it is done, and of how much.

        Raises:
            DatasetError: the dataset cannot be used; nothing tells which answers are right; or no direction has enough
                questions.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        if not check:
            with self._store.writer(wait=wait):
                pass  # told now that another process is writing, and not after minutes of measuring
        started = time.perf_counter()
        dataset = None if pairs is None else given(pairs, split=split)[1]
        findings: list[Finding] = []
        kept: list[Tuned] = []
        left_out: dict[str, int] = {}
        unreached: dict[str, str] = {}
        with self._store.hold() as view:
            searcher, version = self._searcher(), view.snapshot().version
            data = "the items' own texts" if dataset is None else dataset.name
            about = {"data": data, "items": _count(view), "version": version, "made": date.today().isoformat()}
            for direction in self._directions(searcher, view, dataset, fields or FIELDS, seed, told):
                if isinstance(direction, Unreached):
                    unreached[direction.name] = direction.why
                    continue
                finding, space = _found(searcher, direction, seed, told)
                if finding is None:
                    left_out[direction.name] = len(set(direction.groups.tolist()))
                    continue
                findings.append(finding)
                if finding.gained and not check:
                    card = {**about, "seed": seed, **finding.to_json()}
                    key = direction.asked, direction.target, space.name, space.version
                    kept.append(Tuned(*key, finding.chosen, card))
        if not findings:
            counted = ", ".join(f"{count} of {name}" for name, count in left_out.items())
            apart = "".join(f"; {name} left out: {why}" for name, why in unreached.items())
            raise DatasetError(
                f"{data}: too few independent questions to choose by and to confirm with: it takes {FEWEST} in a "
                f"direction, and there are {counted or 'none that can be asked'}{apart}"
            )
        if kept:
            with self._store.writer(wait=max(wait, PATIENCE_SECONDS)) as writer:
                writer.keep_chains(kept)
        return Tuning(tuple(findings), tuple(kept), left_out, unreached, data, time.perf_counter() - started)

    def undo(self, *, wait: float = 0.0) -> tuple[Tuned, ...]:
        """Go back to the model's own chains in all directions; what was kept until now.

        Raises:
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written; the index is as it was.
        """
        with self._store.writer(wait=wait) as writer:
            before = self.kept()
            if before:
                writer.forget_chains(before)
            return before

    def _directions(
        self,
        searcher: Searcher,
        view: View,
        dataset: Dataset | None,
        fields: Sequence[str],
        seed: int,
        told: Told | None,
    ) -> Iterator[Direction | Unreached]:
        if dataset is None:
            return own(searcher, view, fields, seed=seed, told=told)
        return stated(searcher, self._items(), dataset, seed=seed, told=told)


def _found(searcher: Searcher, direction: Direction, seed: int, told: Told | None) -> tuple[Finding | None, Space]:
    """What was found out about a direction, and the space of its answers."""
    asked, target = direction.asked, direction.target
    space, _ = searcher.vectors(direction.questions[:1], target)
    before, fitted = ",".join(searcher.chain(asked, target)), any(space == one.space for one in searcher.model.fitted)
    wanted = chains(searcher.model, asked, target, fitted=fitted, before=before)
    return tried(searcher, direction, before, wanted, seed=seed, told=told), space


def _count(view: View) -> int:
    return int(view.query("SELECT count(*) FROM items")[0][0])
