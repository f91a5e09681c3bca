"""Questions and items as they are shown: by record id and by item id."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mmsearch.search.exhibit import escaped, passage, picture, placeholder, player
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mmsearch.engine import Index
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.types import AudioInput, ImageInput, Record

_SECONDS = 8.0  # of a sound
_SIDE = 240  # pixels of a picture

_TEXT = (
    "SELECT s.excerpt FROM segments s JOIN items i ON i.id = s.item_id WHERE i.key = ? AND s.modality = 'text' "
    "ORDER BY s.id LIMIT 1"
)


class Shelf:
    """Finds the media of a dataset, and of what else is in the index, and makes cards of them."""

    def __init__(self, index: Index, dataset: Dataset, match: Mapping[str, str] | None = None) -> None:
        self._index = index
        self._records = {record.id: record for record in dataset.records if record.id is not None}
        self._record_of = {id: id for id in self._records} if match is None else {b: a for a, b in match.items()}
        self._shown: dict[tuple[str, str, Modality], str] = {}

    def question(self, record_id: str, modality: Modality) -> str:
        """The part of a record that asks."""
        return self._kept("record", record_id, modality)

    def item(self, item_id: str, modality: Modality) -> str:
        """An item, as far as it is of that modality."""
        return self._kept("item", item_id, modality)

    def _kept(self, kind: str, id: str, modality: Modality) -> str:
        key = (kind, id, modality)
        if key not in self._shown:
            record = self._records.get(id if kind == "record" else self._record_of.get(id, ""))
            self._shown[key] = self._of_record(record, modality) or self._of_index(id, modality)
        return self._shown[key]

    def _of_record(self, record: Record | None, modality: Modality) -> str:
        """Empty if the record has nothing of that modality: then the index may know more."""
        medium = None if record is None else getattr(record, modality)
        if record is None or medium is None:
            return ""
        if modality is Modality.TEXT:
            return passage(medium)
        return _shown(medium, Path(medium).name if isinstance(medium, str | Path) else str(record.id), modality)

    def _of_index(self, id: str, modality: Modality) -> str:
        if modality is not Modality.TEXT:
            path = self._paths.get(id)
            return (
                placeholder(f"{modality} without a file") + _name(id)
                if path is None
                else _shown(path, path.name, modality)
            )
        with self._index.hold() as view:
            found = view.query(_TEXT, (id,))
        return passage(str(found[0][0] or "")) if found else placeholder("no text") + _name(id)

    @cached_property
    def _paths(self) -> dict[str, Path]:
        return {item.id: item.path for item in self._index.items() if item.path is not None}


def _shown(medium: ImageInput | AudioInput, name: str, modality: Modality) -> str:
    if modality is Modality.IMAGE:
        return picture(cast("ImageInput", medium), name, _SIDE) + _name(name)
    return "".join(player(cast("AudioInput", medium), 0.0, _SECONDS)) + _name(name)


def _name(said: str) -> str:
    return f'<div class="name" dir=auto>{escaped(said)}</div>'
