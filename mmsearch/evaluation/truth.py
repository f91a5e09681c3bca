"""A dataset's truth in terms of one index: which items its records became, and what can be asked and found there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset, Judgements


class Listed(Protocol):
    """What evaluation needs to know of an item in an index."""

    @property
    def id(self) -> str:
        """The id that a ranked list names it by."""
        ...

    @property
    def path(self) -> Path | None:
        """Its file; None if it has none."""
        ...

    @property
    def modalities(self) -> Collection[Modality]:
        """Those of its segments."""
        ...

    @property
    def number(self) -> int:
        """What a `Ranking` names it by; items are listed with rising numbers."""
        ...


def match(dataset: Dataset, items: Iterable[Listed]) -> dict[str, str]:
    """Find a dataset's records in an index that was built without it: item ids by record id.

    A record is the item of its id, or else that of its picture or sound.
    """
    listed = list(items)
    ids = {item.id for item in listed}
    at = {item.path.resolve(): item.id for item in listed if item.path is not None}
    found = {}
    for record in dataset.records:
        files = (file.resolve() for file in (record.image, record.audio) if at and isinstance(file, Path))
        known = [record.id] if record.id in ids else [at[file] for file in files if file in at]
        if record.id is not None and known:
            found[record.id] = known[-1]
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    """One query that an index can answer.

    Attributes:
        id: of the record that asks.
        own: the item that this record became, which is never its own answer; None if it is not in the index.
        relevant: grades, at least 1, by id of the items that answer it, in a fixed order.
    """

    id: str
    own: str | None
    relevant: Mapping[str, int]


class Truth:
    """Records and items side by side.

    Args:
        dataset: what was stated.
        items: of the index.
        match: item ids by record id, where they differ; None when all of the dataset's records were added, with their
            own ids.
    """

    def __init__(self, dataset: Dataset, items: Iterable[Listed], match: Mapping[str, str] | None = None) -> None:
        self.dataset, self._match = dataset, match
        self.listed: Mapping[str, Listed] = {item.id: item for item in items}
        self.numbers: Mapping[str | None, int] = {item.id: item.number for item in self.listed.values()}
        self._holding = {m: {id for id, item in self.listed.items() if m in item.modalities} for m in Modality}
        self._narrowed: dict[tuple[Modality, Modality], list[Asked]] = {}

    def item(self, record_id: str) -> str | None:
        """The item that a record became, None if it is not in the index."""
        id = record_id if self._match is None else self._match.get(record_id, record_id)
        return id if id in self.listed else None

    def narrow(self, judgements: Judgements) -> list[Asked]:
        """The queries of a direction, as far as the index goes: those that can be asked and have an answer there."""
        key = judgements.query, judgements.target
        if key not in self._narrowed:
            asked = (self._narrow(judgements, id) for id in judgements.qrels)
            self._narrowed[key] = [one for one in asked if one is not None]
        return self._narrowed[key]

    def left_out(self, judgements: Judgements) -> tuple[str, ...]:
        """The ids of its other queries."""
        kept = {one.id for one in self.narrow(judgements)}
        return tuple(id for id in judgements.qrels if id not in kept)

    def warnings(self) -> Iterator[str]:
        """Records that should be in the index and are not, and directions that lose queries by it; counted."""
        expected = [r.id for r in self.dataset.records if r.id and (self._match is None or r.text is None)]
        absent = [id for id in expected if self.item(id) is None]
        if absent:
            yield f"not in the index and left out: {len(absent):,} of {len(expected):,}, the first: {absent[0]}"
        for judgements in self.dataset.judgements:
            lost = self.left_out(judgements)
            if len(lost) == len(judgements.qrels):
                yield f"{judgements.direction} left out: its questions or all their answers are not in the index"
            elif lost:
                yield (
                    f"{judgements.direction}: queries left out, they or their answers are not in the index: "
                    f"{len(lost):,}, the first: {lost[0]}"
                )

    def _narrow(self, judgements: Judgements, record_id: str) -> Asked | None:
        own, target = self.item(record_id), self._holding[judgements.target]
        if not self._askable(own, judgements.query):
            return None
        grades = judgements.grades.get(record_id, {}) if judgements.grades else {}
        found: dict[str, int] = {}
        for answer in sorted(judgements.qrels[record_id]):
            id = answer if self._match is None else self._match.get(answer, answer)
            if id in target and id != own:
                found[id] = max(grades.get(answer, 1), found.get(id, 1))
        return Asked(record_id, own, found) if found else None

    def _askable(self, own: str | None, modality: Modality) -> bool:
        """What could not be indexed cannot be asked with; but texts ask an index that was built without them."""
        if own is None:
            return self._match is not None and modality is Modality.TEXT
        return own in self._holding[modality]
