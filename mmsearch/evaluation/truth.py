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


def match_by_path(dataset: Dataset, items: Iterable[Listed]) -> dict[str, str]:
    """Find a dataset's pictures and sounds in an index that was built without it: item ids by record id."""
    at = {item.path.resolve(): item.id for item in items if item.path is not None}
    found = {}
    for record in dataset.records:
        for file in (record.image, record.audio):
            if record.id is not None and isinstance(file, Path) and file.resolve() in at:
                found[record.id] = at[file.resolve()]
    return found


@dataclass(frozen=True, slots=True)
class Truth:
    """Records and items side by side.

    Attributes:
        dataset: what was stated.
        listed: modalities of the index's items by id.
        match: item ids by record id; None when the dataset's records were added with their own ids.
    """

    dataset: Dataset
    listed: Mapping[str, frozenset[Modality]]
    match: Mapping[str, str] | None = None

    def item(self, record_id: str) -> str | None:
        """The item that a record became, None if it is not in the index."""
        id = record_id if self.match is None else self.match.get(record_id)
        return id if id in self.listed else None

    def narrow(self, judgements: Judgements) -> dict[str, frozenset[str]]:
        """The ids of relevant items by record id of the query, as far as the index goes."""
        narrowed = {}
        for asking, answers in judgements.qrels.items():
            own = self.item(asking)
            items = {id for id in map(self.item, answers) if id is not None and judgements.target in self.listed[id]}
            if self._askable(asking, judgements.query) and items - {own}:
                narrowed[asking] = frozenset(items - {own})
        return narrowed

    def warnings(self) -> Iterator[str]:
        """Records that should be in the index and are not, and directions that lose queries by it; counted."""
        expected = [r.id for r in self.dataset.records if r.id and (self.match is None or r.text is None)]
        absent = [id for id in expected if self.item(id) is None]
        if absent:
            yield f"not in the index and left out: {len(absent):,} of {len(expected):,}, the first: {absent[0]}"
        for judgements in self.dataset.judgements:
            kept = len(self.narrow(judgements))
            lost = len(judgements.qrels) - kept
            if not kept:
                yield f"{judgements.direction} left out: its questions or all their answers are not in the index"
            elif lost:
                yield f"{judgements.direction}: queries left out, they or their answers are not in the index: {lost:,}"

    def _askable(self, record_id: str, modality: Modality) -> bool:
        """What could not be indexed cannot be asked with; but texts ask an index that was built without them."""
        id = self.item(record_id)
        if id is None:
            return self.match is not None and modality is Modality.TEXT
        return modality in self.listed[id]
