"""Put vectors that were computed elsewhere into an index, with what is known of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.embedding import vector_group
from mmsearch.errors import ModelMismatch
from mmsearch.exchange import rows
from mmsearch.store.changes import NewItem, NewSegment, Put, Remove
from mmsearch.types import Failure, Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.exchange.batch import Batch, Source
    from mmsearch.store.changes import Change
    from mmsearch.store.shard import Group
    from mmsearch.store.store import Store
    from mmsearch.store.writer import Writer

NAMED = 1000  # failures; beyond, they are counted
UNIT = 1e-5  # a vector whose norm is so close to 1 stays as it is, bit by bit
NUMBERS = ("width", "height", "seconds", "characters", "pages")
KEYS = 500  # in one query


@dataclass(frozen=True, slots=True)
class Loaded:
    """What an import did.

    Attributes:
        added: items that are new.
        replaced: items whose id was in the index.
        segments: vectors that came in.
        rejected: rows that could not be used.
        failed: the first of those, each with its reason.
        seconds: by the clock.
    """

    added: int
    replaced: int
    segments: int
    rejected: int
    failed: tuple[Failure, ...]
    seconds: float


class Load:
    """One import. Make it, call `run` once, and drop it.

    Args:
        store: the index.
        writer: its writer.
        model: its model; vectors must be of its spaces.
        progress: told "importing", and how many rows of how many are done.
    """

    def __init__(
        self, store: Store, writer: Writer, model: Model, progress: Callable[[str, int, int], None] | None = None
    ) -> None:
        self._store, self._writer, self._model, self._progress = store, writer, model, progress
        self._groups: dict[tuple[Any, Any], Group | str] = {}
        self._before = int(store.query("SELECT coalesce(max(id), 0) FROM items")[0][0])
        self._added = self._replaced = self._segments = self._rejected = 0
        self._failed: list[Failure] = []

    def run(self, source: Source) -> Loaded:
        """Add all items of a source; what was committed stays if it is interrupted, and is replaced by the next run.

        Raises:
            MediaError: the source cannot be read, or none of its vectors has the length that is needed.
            ModelMismatch: its vectors are of another model.
            StoreError: the disk is full or cannot be written.
        """
        started = time.perf_counter()
        self._check_model(source)
        for items in self._items(source):
            self._commit(items)
        return Loaded(
            self._added, self._replaced, self._segments, self._rejected, tuple(self._failed),
            time.perf_counter() - started,
        )  # fmt: skip

    def _check_model(self, source: Source) -> None:
        for name, about in ((source.model or {}).get("spaces") or {}).items():
            for head in self._model.heads:
                if head.space.name == name and head.space.version != about.get("version"):
                    raise ModelMismatch(
                        f"the vectors of {source.place} are of another version of {name} than the index: "
                        f"{about.get('version')}, not {head.space.version}"
                    )

    def _items(self, source: Source) -> Iterator[list[NewItem]]:
        """Items in batches; one whose rows go on in the next batch is kept for that."""
        dims = {head.space.dim for head in self._model.heads}
        if len(dims) != 1:
            raise ModelMismatch(f"the spaces of {self._model.name} have vectors of different lengths: {sorted(dims)}")
        (dim,) = dims
        last: tuple[str, list[tuple[dict[str, Any], NDArray[np.float32], Group]]] | None = None
        for batch in source.batches(dim):
            items = []
            usable = self._usable(batch)
            for key, some in groupby(usable, key=lambda row: row[0]["id"]) if source.joins else _alone(usable):
                parts = list(some)
                if last is not None and last[0] == key and source.joins:
                    last[1].extend(parts)
                    continue
                if last is not None:
                    items.append(_item(*last))
                last = key, parts
            yield items
            if self._progress is not None:
                self._progress("importing", batch.first + len(batch.entries), source.rows)
        if last is not None:
            yield [_item(*last)]

    def _usable(self, batch: Batch) -> Iterator[tuple[dict[str, Any], NDArray[np.float32], Group]]:
        wide = np.asarray(batch.vectors, np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
            unit = (wide / np.where(norms > 0, norms, 1.0)[:, None]).astype(np.float32)
        kept = np.abs(norms - 1) <= UNIT
        unit[kept] = wide[kept]
        for i, (entry, norm) in enumerate(zip(batch.entries, norms, strict=True)):
            key = entry.get("id")
            group = self._group(entry.get("modality"), entry.get("space"))
            if i in batch.wrong:
                self._reject(batch.first + i, key, batch.wrong[i])
            elif not np.isfinite(norm) or norm == 0:
                self._reject(
                    batch.first + i, key, "its vector is all zero" if norm == 0 else "its vector is not finite"
                )
            elif key is None or key == "" or not isinstance(key, (str, int)):
                self._reject(batch.first + i, None, "it has no id")
            elif isinstance(group, str):
                self._reject(batch.first + i, key, group)
            else:
                yield {**entry, "id": str(key)}, unit[i], group

    def _group(self, modality: Any, space: Any) -> Group | str:  # noqa: ANN401  (whatever a file says)
        """Where a vector belongs, or why it belongs nowhere."""
        if (modality, space) not in self._groups:
            self._groups[modality, space] = self._find_group(modality, space)
        return self._groups[modality, space]

    def _find_group(self, modality: Any, space: Any) -> Group | str:  # noqa: ANN401  (whatever a file says)
        if modality not in set(Modality):
            return f"{modality!r} is no modality; there are: {', '.join(Modality)}"
        spaces = [head.space for head in self._model.heads if modality in head.space.modalities]
        named = [one for one in spaces if space in (None, one.name)]
        if len(named) == 1:
            return vector_group(named[0], Modality(modality))
        there = ", ".join(one.name for one in spaces) or "none"
        return f"the model {self._model.name} has no single space {space or ''} for {modality}; there is: {there}"

    def _commit(self, items: list[NewItem]) -> None:
        known = self._known([item.key for item in items if item.key is not None])
        changes: list[Change] = []
        replaced: list[int] = []
        here: set[str] = set()
        for item in items:
            assert item.key is not None
            if item.key in here or known.get(item.key, 0) > self._before:
                self._reject(None, item.key, "its id came before in the same source", len(item.segments))
                continue
            here.add(item.key)
            if item.key in known:
                replaced.append(known[item.key])
            changes.append(Put((item,)))
        if replaced:  # at once: six times as fast as one by one
            changes.insert(0, Remove(tuple(replaced)))
        if changes:
            self._segments += self._writer.commit(changes)
            self._replaced += len(replaced)
            self._added += len(here) - len(replaced)

    def _known(self, keys: list[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for start in range(0, len(keys), KEYS):
            some = keys[start : start + KEYS]
            marks = ", ".join("?" * len(some))
            found |= dict(self._store.query(f"SELECT key, id FROM items WHERE key IN ({marks})", some))
        return found

    def _reject(self, number: int | None, key: object, reason: str, count: int = 1) -> None:
        self._rejected += count
        if len(self._failed) < NAMED:
            where = "" if number is None else f"row {number}: "
            self._failed.append(Failure(None, None if key is None else str(key), f"{where}{reason}"))


def _alone(usable: Iterator[Any]) -> Iterator[tuple[str, list[Any]]]:
    return ((row[0]["id"], [row]) for row in usable)


def _item(key: str, parts: list[tuple[dict[str, Any], NDArray[np.float32], Group]]) -> NewItem:
    """An item of rows of one id: neighbours of one place in different spaces are one segment."""
    segments: list[tuple[tuple[Any, ...], dict[Group, NDArray[np.float32]]]] = []
    for entry, vector, group in parts:
        place = tuple(entry.get(name) for name in rows.PLACE)
        if not segments or segments[-1][0] != place or group in segments[-1][1]:
            segments.append((place, {}))
        segments[-1][1][group] = vector
    first = parts[0][0]
    properties = {
        name: value
        for name, value in (first.get("properties") or {}).items()
        if (name in NUMBERS and isinstance(value, (int, float))) or (name == "taken" and isinstance(value, str))
    }
    made = tuple(
        NewSegment(
            modality, _number(start), _number(end), _text(excerpt), found, page if isinstance(page, int) else None,
            None if _number(began) is None or _number(ended) is None else (began, ended),
        )
        for (modality, start, end, page, began, ended, excerpt), found in segments
    )  # fmt: skip
    return NewItem(made, key, properties, first.get("metadata") or {})


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
