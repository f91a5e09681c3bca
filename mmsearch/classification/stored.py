"""Classifying what is in an index by its stored vectors and features: nothing is encoded but the labels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.classification.result import Classified
from mmsearch.search.survivors import Survivors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.classification.classifier import Classifier, Sense
    from mmsearch.store.shard import Group
    from mmsearch.store.snapshot import Shard
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray, Modality

TOGETHER = 8_192  # segments at once; bounds the memory that their features take
ASKED = 500  # items at once; SQLite allows at least 999 parameters


@dataclass(frozen=True, slots=True)
class Probable:
    """Some items of one modality.

    Attributes:
        modality: of the medium that was looked at.
        items: `(n,)` int64, their numbers, rising.
        probabilities: `(n, l)` float32, of the labels.
    """

    modality: Modality
    items: NDArray[np.int64]
    probabilities: FloatArray


@dataclass(frozen=True, slots=True)
class _Places:
    """Where rows are: shard, offset, segment and item of each, all `(n,)` int64."""

    shards: NDArray[np.int64]
    offsets: NDArray[np.int64]
    segments: NDArray[np.int64]
    items: NDArray[np.int64]

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_] | slice) -> _Places:
        return _Places(self.shards[which], self.offsets[which], self.segments[which], self.items[which])


def check(view: View, where: str | None) -> None:
    """Whether a filter can be used.

    Raises:
        FilterError: it cannot be parsed or names an unknown field.
    """
    if where is not None:
        Survivors().check(where, view)


def classified(
    view: View, classifier: Classifier, wanted: Sequence[Modality], where: str | None = None
) -> Iterator[Probable]:
    """All items that have a medium that can be classified, each once; see `classifier.ORDER`.

    Args:
        view: of the index.
        classifier: for its model.
        wanted: modalities; others are not looked at.
        where: a filter.

    Raises:
        FilterError: the filter cannot be parsed or names an unknown field.
    """
    check(view, where)
    survivors = Survivors()
    done = np.empty(0, np.int64)
    for modality, sense in classifier.senses.items():
        if modality not in wanted:
            continue
        shards = _shards(view, sense.group)
        allowed = None if where is None else survivors.rows(where, view, shards)
        places = _places(view, shards, allowed)
        places = places.take(~np.isin(places.items, done))
        places = places.take(np.lexsort((places.segments, places.items)))
        features = None if sense.features is None else _by_segment(_places(view, _shards(view, sense.features)))
        for some in _batches(places):
            yield _probable(view, classifier, modality, sense, some, features)
        done = np.union1d(done, places.items)


def named(view: View, classifier: Classifier, found: Iterable[Probable]) -> Iterator[Classified]:
    """The same items for people, with their ids and files."""
    for some in found:
        known = {id_: (key, path) for id_, key, path in _files(view, some.items.tolist())}
        for item, probabilities in zip(some.items.tolist(), some.probabilities, strict=True):
            key, path = known[item]
            yield Classified(key, path, some.modality, classifier.guesses(probabilities))


def _files(view: View, items: Sequence[int]) -> Iterator[tuple[int, str, Path | None]]:
    for start in range(0, len(items), ASKED):
        some = items[start : start + ASKED]
        for id_, key, root_id, path in view.query(
            "SELECT i.id, i.key, f.root_id, f.path FROM items i LEFT JOIN files f ON f.id = i.file_id "
            f"WHERE i.id IN ({', '.join('?' * len(some))})",
            some,
        ):
            yield id_, key, None if path is None else Path(os.fsdecode(view.root_path(root_id))) / os.fsdecode(path)


def _probable(
    view: View, classifier: Classifier, modality: Modality, sense: Sense, some: _Places, stored: _Places | None
) -> Probable:
    """Of whole items: the mean over their segments."""
    vectors = _rows(view, sense.group.dim, some)
    features = None
    if sense.features is not None and stored is not None:
        features = np.full((len(some.segments), sense.features.dim), np.nan, np.float32)
        at = np.minimum(stored.segments.searchsorted(some.segments), max(len(stored.segments) - 1, 0))
        there = np.flatnonzero(stored.segments[at] == some.segments) if len(stored.segments) else at[:0]
        features[there] = _rows(view, sense.features.dim, stored.take(at[there]))
    probabilities = classifier.probabilities(modality, vectors, features)
    items, firsts, counts = np.unique(some.items, return_index=True, return_counts=True)
    means = np.divide(np.add.reduceat(probabilities, firsts), counts[:, None], dtype=np.float32)
    return Probable(modality, items, means)


def _shards(view: View, group: Group) -> tuple[Shard, ...]:
    return view.snapshot().of(group.kind, group.name, group.version, group.modality)


def _places(view: View, shards: Sequence[Shard], allowed: Mapping[int, NDArray[np.int64]] | None = None) -> _Places:
    """Of all live rows, or of those that a filter leaves."""
    parts = []
    for shard in shards:
        ids = view.ids(shard.id, 0, shard.rows)
        offsets = np.flatnonzero(ids[:, 0] >= 0)
        if allowed is not None:
            offsets = np.intersect1d(offsets, allowed[shard.id])
        parts.append(np.column_stack([np.full(len(offsets), shard.id), offsets, ids[offsets]]))
    rows = np.concatenate(parts) if parts else np.empty((0, 4), np.int64)
    return _Places(*rows.astype(np.int64).T)


def _by_segment(places: _Places) -> _Places:
    return places.take(np.argsort(places.segments, kind="stable"))


def _batches(places: _Places) -> Iterator[_Places]:
    """Parts of about `TOGETHER` rows that leave items whole; rows are in the order of their items."""
    start, total = 0, len(places.items)
    while start < total:
        end = min(start + TOGETHER, total)
        end = int(places.items.searchsorted(places.items[end - 1], "right"))
        yield places.take(slice(start, end))
        start = end


def _rows(view: View, dim: int, places: _Places) -> FloatArray:
    """The stored rows `(n, dim)` float32."""
    found, by_id = np.empty((len(places.shards), dim), np.float32), view.snapshot().by_id
    for shard_id in np.unique(places.shards).tolist():
        here = places.shards == shard_id
        found[here] = by_id[shard_id].scattered[places.offsets[here]]
    return found
