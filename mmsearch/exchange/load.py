"""Put vectors that were computed elsewhere into an index, with what is known of them."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mmsearch.embedding import vector_group
from mmsearch.errors import ModelMismatch, QueryError
from mmsearch.exchange import rows
from mmsearch.exchange.batch import BATCH_ROWS
from mmsearch.exchange.completion import completed
from mmsearch.store.bulk import PutRows
from mmsearch.store.changes import NewItem, NewSegment, Put
from mmsearch.types import Failure, Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.exchange.batch import Batch, Source
    from mmsearch.store.changes import Change
    from mmsearch.store.shard import Group
    from mmsearch.store.store import Store
    from mmsearch.store.writer import Writer

    _Row: TypeAlias = tuple[str, dict[str, Any], int, Group]  # id, entry, place in the batch, where it belongs
    _Part: TypeAlias = tuple[dict[str, Any], NDArray[np.float32], Group]  # of an item: entry, vector, where it belongs

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


@dataclass(slots=True)
class _Ready:
    """Items that can be committed, what was rejected before them, and how many rows of the source these were.

    Attributes:
        keys: of the items.
        segments: of each item; one, if it is empty.
        changes: what puts some of the items, given their places.
        rejected: numbers of rows, their ids, and why.
        done: rows of the source.
    """

    done: int
    keys: list[str] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    changes: Callable[[list[int]], list[Change | PutRows]] = lambda _: []
    rejected: list[tuple[int, object, str]] = field(default_factory=list)


class Load:
    """One import. Make it, call `run` once, and drop it.

    Of a large source, the next rows are read and checked in a thread of their own while the last ones are written.

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
        with closing(self._ready(source)) as parts, closing(_ahead(parts, source.rows)) as some:
            for ready in some:
                self._commit(ready)
                if self._progress is not None:
                    self._progress("importing", ready.done, source.rows)
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

    def _ready(self, source: Source) -> Generator[_Ready, None, None]:
        """Items in batches; one whose rows go on in the next batch is kept for that."""
        dims = {head.space.dim for head in self._model.heads}
        if len(dims) != 1:
            raise ModelMismatch(f"the spaces of {self._model.name} have vectors of different lengths: {sorted(dims)}")
        (dim,) = dims
        last: tuple[str, list[_Part]] | None = None
        for batch in source.batches(dim):
            rejected: list[tuple[int, object, str]] = []
            done = batch.first + len(batch.entries)
            unit, norms = _unit(batch.vectors)
            usable = self._usable(batch, norms, rejected)
            if not source.joins:
                yield _alone(list(usable), unit, done, rejected)
                continue
            items = []
            for key, some in groupby(usable, key=itemgetter(0)):
                parts = [(entry, unit[i], group) for _, entry, i, group in some]
                if last is not None and last[0] == key:
                    last[1].extend(parts)
                    continue
                if last is not None:
                    items.append(_item(*last))
                last = key, parts
            yield _joined(items, done, rejected)
        if last is not None:
            yield _joined([_item(*last)], source.rows, [])

    def _usable(
        self, batch: Batch, norms: NDArray[np.float64], rejected: list[tuple[int, object, str]]
    ) -> Iterator[_Row]:
        """The rows that can be used; why the others cannot is added to `rejected`."""
        group_of = cache(self._group)
        for i, (entry, norm) in enumerate(zip(batch.entries, norms.tolist(), strict=True)):
            key, group = entry.get("id"), group_of(entry.get("modality"), entry.get("space"))
            if i in batch.wrong:
                wrong = batch.wrong[i]
            elif not 0 < norm < math.inf:
                wrong = "its vector is all zero" if norm == 0 else "its vector is not finite"
            elif key is None or key == "" or not isinstance(key, (str, int)):
                key, wrong = None, "it has no id"
            elif isinstance(group, str):
                wrong = group
            else:
                yield str(key), entry, i, group
                continue
            rejected.append((batch.first + i, key, wrong))

    def _group(self, modality: Any, space: Any) -> Group | str:  # noqa: ANN401  (whatever a file says)
        """Where a vector belongs, or why it belongs nowhere."""
        try:
            of = Modality.named(modality)
        except QueryError as error:
            return str(error)
        spaces = [head.space for head in self._model.heads if of in head.space.modalities]
        named = [one for one in spaces if space in (None, one.name)]
        if len(named) == 1:
            return vector_group(named[0], of)
        there = ", ".join(one.name for one in spaces) or "none"
        return f"the model {self._model.name} has no single space {space or ''} for {modality}; there is: {there}"

    def _commit(self, ready: _Ready) -> None:
        for number, key, reason in ready.rejected:
            self._reject(f"row {number}: {reason}", key)
        known, before = self._known(ready.keys), self._before()
        fresh: dict[str, int] = {}
        for i, key in enumerate(ready.keys):
            if key in fresh or known.get(key, 0) > before:
                count = ready.segments[i] if ready.segments else 1
                self._reject("its id came before in the same source", key, count)
            else:
                fresh[key] = i
        if fresh:
            changes = ready.changes(list(fresh.values()))
            self._segments += self._writer.commit([completed(change, self._model) for change in changes])
            replaced = sum(key in fresh for key in known)
            self._replaced += replaced
            self._added += len(fresh) - replaced

    def _before(self) -> float:
        """The last id that an item had before this import, whose own follow without a gap; infinity as it begins."""
        put = self._added + self._replaced
        if put == 0:
            return math.inf
        ((last,),) = self._store.query("SELECT seq FROM sqlite_sequence WHERE name = 'items'")
        return float(last - put)

    def _known(self, keys: list[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for start in range(0, len(keys), KEYS):
            some = keys[start : start + KEYS]
            marks = ", ".join("?" * len(some))
            found |= dict(self._store.query(f"SELECT key, id FROM items WHERE key IN ({marks})", some))
        return found

    def _reject(self, reason: str, key: object, count: int = 1) -> None:
        self._rejected += count
        if len(self._failed) < NAMED:
            self._failed.append(Failure(None, None if key is None else str(key), reason))


def _ahead(parts: Generator[_Ready, None, None], rows: int) -> Generator[_Ready, None, None]:
    """The parts of so many rows; if there are several, the next is made in a thread while one is worked with."""
    if rows <= BATCH_ROWS:
        yield from parts
        return
    with ThreadPoolExecutor(1, "mmsearch-load") as thread:
        coming = thread.submit(next, parts, None)
        while (ready := coming.result()) is not None:
            coming = thread.submit(next, parts, None)
            yield ready


def _unit(vectors: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Vectors `(n, d)` of unit norm, and what their norms `(n,)` were; without meaning where that is 0 or infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        unit = np.asarray(vectors, np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", unit, unit)).astype(np.float64)
        others = np.flatnonzero(~(np.abs(norms - 1) <= UNIT))
        if len(others):
            exact = vectors[others].astype(np.float64)
            lengths = norms[others] = np.sqrt(np.einsum("ij,ij->i", exact, exact))
            unit = unit.copy()
            unit[others] = exact / np.where(lengths > 0, lengths, 1.0)[:, None]
    return unit, norms


def _alone(found: list[_Row], unit: NDArray[np.float32], done: int, rejected: list[tuple[int, object, str]]) -> _Ready:
    """Rows that are items each; they are all of one group, as a source has one modality then, and names no spaces."""

    def changes(places: list[int]) -> list[Change | PutRows]:
        some = found if len(places) == len(found) else [found[i] for i in places]
        keys, entries, numbers, groups = zip(*some, strict=True)
        metadata, excerpts = [entry["metadata"] for entry in entries], [entry.get("excerpt") for entry in entries]
        return [PutRows(keys, metadata, excerpts, groups[0], unit if len(some) == len(unit) else unit[[*numbers]])]

    return _Ready(done, [row[0] for row in found], [], changes, rejected)


def _joined(items: list[NewItem], done: int, rejected: list[tuple[int, object, str]]) -> _Ready:
    keys = [str(item.key) for item in items]
    segments = [len(item.segments) for item in items]
    return _Ready(done, keys, segments, lambda places: [Put((items[i],)) for i in places], rejected)


def _item(key: str, parts: list[_Part]) -> NewItem:
    """An item of rows of one id: neighbours of one place in different spaces are one segment."""
    segments: list[tuple[tuple[Any, ...], dict[Group, NDArray[np.float32]]]] = []
    for entry, vector, group in parts:
        place = tuple(map(entry.get, rows.PLACE))
        if segments and segments[-1][0] == place and group not in segments[-1][1]:
            segments[-1][1][group] = vector
        else:
            segments.append((place, {group: vector}))
    first = parts[0][0]
    properties = first.get("properties")
    return NewItem(
        tuple(_segment(place, found) for place, found in segments),
        key,
        _properties(properties) if properties else {},
        first.get("metadata") or {},
    )


def _segment(place: tuple[Any, ...], found: dict[Group, NDArray[np.float32]]) -> NewSegment:
    modality, start, end, page, began, ended, excerpt = place
    shown = None if _number(began) is None or _number(ended) is None else (began, ended)
    return NewSegment(
        modality, _number(start), _number(end), excerpt if isinstance(excerpt, str) else None, found,
        page if isinstance(page, int) else None, shown,
    )  # fmt: skip


def _properties(said: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in said.items()
        if (name in NUMBERS and isinstance(value, (int, float))) or (name == "taken" and isinstance(value, str))
    }


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
