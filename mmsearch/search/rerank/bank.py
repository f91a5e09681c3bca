"""Reference questions, by which hubs are known: items that are near to whatever is asked.

::

    asked with texts                   400 made captions, encoded once for a model and kept in the user's cache;
                                       without their word lists, stored texts
    asked with pictures, with sounds   as many stored items of that modality

What is found out about an item by them is kept as long as the version of the index is: it is looked up for the
candidates of a question, and only new ones are compared with the bank.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from mmsearch.packages import cache_folder
from mmsearch.search.samples import MOST, Samples
from mmsearch.types import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.search.rerank.base import Context
    from mmsearch.store.snapshot import Snapshot
    from mmsearch.types import FloatArray, Space

ITSELF = np.float32(1 - 1e-5)  # a cosine above which a reference question is the item that it is compared with
_PACKAGES = ("open_clip", "torchvision", "timm", "PIL")  # whose names captions are made of

_captions: dict[str, FloatArray] = {}  # by `_key`
_banks: WeakKeyDictionary[Snapshot, dict[tuple[Modality, Modality, str], Bank]] = WeakKeyDictionary()
_guard = threading.Lock()


@dataclass(slots=True)
class Bank:
    """Reference questions of one direction, and what is known of items by them, at one version of an index.

    Attributes:
        questions: `(b, d)` float32, unit norm, in the space of the answers; few or none if there are not more.
        biases: one number for each segment, by what it is and its argument.
        activated: items that are among the first for some reference question, by how many are; see `qbnorm`.
    """

    questions: FloatArray
    biases: dict[tuple[str, float], Biases] = field(default_factory=dict)
    activated: dict[int, frozenset[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.questions)

    def bias(self, kind: str, argument: float, measure: Callable[[FloatArray], FloatArray]) -> Biases:
        """What `measure` makes of cosines `(n, b)` of items and reference questions, `(n,)`."""
        found = self.biases.get((kind, argument))
        if found is None:
            found = self.biases.setdefault((kind, argument), Biases(self.questions, measure))
        return found


class Biases:
    """A number for each segment, found out when it is first asked for. Safe to use from several threads."""

    def __init__(self, questions: FloatArray, measure: Callable[[FloatArray], FloatArray]) -> None:
        self._questions, self._measure = questions, measure
        self._known = np.zeros(0, np.float32)  # by segment; 0 of one that is not known yet

    def of(self, context: Context, target: Modality, segments: NDArray[np.int64]) -> FloatArray:
        """The numbers `(n,)` float32 of segments `(n,)` of a modality."""
        known = self._with_room(int(segments.max(initial=0)) + 1)
        missing = segments[known[segments] == 0]
        if len(missing):
            vectors = context.vectors_of(target, missing.tolist())
            cosines = vectors @ self._questions.T
            cosines[cosines > ITSELF] = -1.0  # that an item is like itself says nothing of others
            known[missing] = self._measure(cosines)
        return known[segments]

    def _with_room(self, most: int) -> FloatArray:
        known = self._known
        if len(known) < most:
            self._known, known = np.zeros(2 * most, np.float32), self._known
            self._known[: len(known)] = known
        return self._known


def bank(context: Context, asked: Modality, target: Modality) -> Bank:
    """The bank of a direction; an empty one where question and answers have no space in common."""
    space = context.space(target)
    with _guard:
        banks = _banks.setdefault(context.snapshot, {})
        key = asked, target, space.name
        if key not in banks:
            shared = asked in space.modalities
            banks[key] = Bank(_questions(context, asked, space) if shared else np.empty((0, space.dim), np.float32))
        return banks[key]


def _questions(context: Context, asked: Modality, space: Space) -> FloatArray:
    samples = Samples(context.store, context.model)
    if asked is not Modality.TEXT:
        return samples.of(asked, space.name)
    key = _key(context.model, space)
    if key not in _captions:
        found = _read(key, space.dim)
        if found is None:
            from mmsearch import captions

            found = samples.of(asked, space.name)
            if not captions.bank_if_installed(1):
                return found  # of this index only
            if context.model.weights:  # without weights encoding takes no time
                _keep(key, found)
        _captions[key] = found
    return _captions[key]


def _key(model: Model, space: Space) -> str:
    """Another one whenever captions, or their vectors in a space, would be others."""
    from mmsearch.captions import generator

    parts: list[object] = [space.name, space.version, sorted(model.weights.items()), MOST, generator.RECIPE]
    parts.append(hashlib.sha256(generator.GRAMMAR.read_bytes()).hexdigest())
    parts += [encoder.version for encoder in model.encoders if Modality.TEXT in encoder.dims]
    for package in _PACKAGES:  # reading their lists takes ten times as long as reading the vectors
        found = find_spec(package)
        parts.append(found and found.origin and (found.origin, Path(found.origin).stat().st_mtime_ns))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _place(key: str) -> Path:
    return cache_folder() / "banks" / f"{key}.npy"


def _read(key: str, dim: int) -> FloatArray | None:
    try:
        rows = np.load(_place(key), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return rows if rows.shape == (MOST, dim) and rows.dtype == np.float32 else None


def _keep(key: str, rows: FloatArray) -> None:
    """For the next process. Where the cache cannot be written, that encodes them again."""
    path = _place(key)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            np.save(file, rows)
        draft.replace(path)
