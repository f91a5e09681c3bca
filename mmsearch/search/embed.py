"""Questions are encoded: many at once, each modality in batches."""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.embedding import encode
from mmsearch.errors import MediaError, QueryError
from mmsearch.search.embedded import Embedded, EmbeddedPart, unit
from mmsearch.search.query import Kind
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.search.query import Part, Query
    from mmsearch.store.shard import Group
    from mmsearch.types import FloatArray, InputSpec


def embed(
    queries: Sequence[Query],
    model: Model,
    encoders: Mapping[Modality, frozenset[str]],
    remembered: Remembered | None = None,
    of_items: Callable[[Sequence[Part]], Sequence[EmbeddedPart]] | None = None,
) -> list[Embedded]:
    """Encode many questions at once.

    Args:
        queries: checked, the modalities of their items known.
        model: of the index.
        encoders: by modality, the names of those that are needed.
        remembered: texts that were asked before; what is new is added.
        of_items: the stored rows of parts that are items.

    Raises:
        QueryError: one of the parts cannot be read.
    """
    remembered = remembered or Remembered()
    made = [[_unencoded(part) for part in query.parts] for query in queries]
    asked: dict[Modality, list[tuple[int, int]]] = defaultdict(list)
    items: list[tuple[int, int]] = []
    for number, query in enumerate(queries):
        for place, part in enumerate(query.parts):
            if part.kind is Kind.ITEM:
                items.append((number, place))
            elif part.modality is not None:
                known = remembered.get(part, encoders[part.modality])
                if known is None:
                    asked[part.modality].append((number, place))
                else:
                    made[number][place] = known
    for modality, places in asked.items():
        parts = [queries[number].parts[place] for number, place in places]
        for (number, place), part, found in zip(
            places, parts, _encoded(parts, modality, model, encoders[modality]), strict=True
        ):
            made[number][place] = found
            remembered.put(part, encoders[modality], found)
    if items and of_items is not None:
        stored = of_items([queries[number].parts[place] for number, place in items])
        for (number, place), found in zip(items, stored, strict=True):
            made[number][place] = found
    return [
        Embedded(
            query.modalities,
            tuple(
                one if part.weight == 1 else replace(one, weight=part.weight)
                for part, one in zip(query.parts, made[number], strict=True)
                if part.weight
            ),
            query,
        )
        for number, query in enumerate(queries)
    ]


class Remembered:
    """Texts that were asked lately. Safe to use from several threads."""

    def __init__(self, room: int = 1024) -> None:
        self._room = room
        self._made: OrderedDict[tuple[str, tuple[str, ...], frozenset[str]], EmbeddedPart] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, part: Part, encoders: frozenset[str]) -> EmbeddedPart | None:
        """A part of weight 1 by these encoders, if it is a text that was asked lately."""
        if part.kind is not Kind.TEXT:
            return None
        key = part.content, part.templates, encoders
        with self._guard:
            if key in self._made:
                self._made.move_to_end(key)
            return self._made.get(key)

    def put(self, part: Part, encoders: frozenset[str], made: EmbeddedPart) -> None:
        """Keep it, if it is a text, and forget what has not been asked for the longest time."""
        if part.kind is not Kind.TEXT:
            return
        with self._guard:
            self._made[part.content, part.templates, encoders] = made
            if len(self._made) > self._room:
                self._made.popitem(last=False)


def _encoded(parts: Sequence[Part], modality: Modality, model: Model, encoders: frozenset[str]) -> list[EmbeddedPart]:
    """Each part, of weight 1. Its rows are the means of those of its segments and templates, vectors of unit norm."""
    contents: list[NDArray[Any] | str] = []
    edges = [0]
    for part in parts:
        for said in [template.replace("{}", part.content) for template in part.templates] or [part.content]:
            contents += _contents(part, said, modality, model.inputs)
        edges.append(len(contents))
    matrices = _matrices(model, modality, contents, encoders)
    found = []
    for part, first, end in zip(parts, edges, edges[1:], strict=False):
        means = {group: matrix[first:end].astype(np.float32).mean(axis=0) for group, matrix in matrices.items()}
        rows = {group: unit(mean) if group.kind == "vectors" else mean for group, mean in means.items()}
        several = end - first > 1 and not part.templates
        vectors = [(group, matrix) for group, matrix in matrices.items() if several and group.kind == "vectors"]
        segments = {group: matrix[first:end].astype(np.float32) for group, matrix in vectors}
        found.append(EmbeddedPart(modality, rows, segments=segments))
    return found


def _matrices(
    model: Model, modality: Modality, contents: list[NDArray[Any] | str], encoders: frozenset[str]
) -> dict[Group, NDArray[Any]]:
    size = min(encoder.batch_size for encoder in model.encoders if encoder.name in encoders)
    if modality is Modality.TEXT:  # encoders put texts of like length together, the better the more they see
        size = max(1, len(contents))
    parts: dict[Group, list[NDArray[Any]]] = defaultdict(list)
    for start in range(0, len(contents), size):
        for group, rows in encode(model, modality, contents[start : start + size], Role.QUERY, encoders):
            parts[group].append(rows)
    return {group: np.concatenate(rows) for group, rows in parts.items()}


def _contents(part: Part, said: Any, modality: Modality, inputs: InputSpec) -> list[NDArray[Any] | str]:  # noqa: ANN401
    """What the content of a part of a query is cut into; the same way as when it is indexed."""
    from mmsearch.media.decode import decode  # a vector needs none of it

    is_path = isinstance(said, str) and modality is not Modality.TEXT
    source = Path(os.path.expanduser(said)) if is_path else said  # noqa: PTH111  (never raises)
    try:
        return [segment.content for segment in decode(source, modality, inputs).segments]
    except MediaError as error:
        shown = f" {source}" if isinstance(source, Path) else ""
        raise part.error(f"cannot ask with the {modality}{shown}: {error}") from error


def _unencoded(part: Part) -> EmbeddedPart:
    return EmbeddedPart(None, {}, vector=_vector(part) if part.kind is Kind.VECTOR else None)


def _vector(part: Part) -> FloatArray:
    row = np.asarray(part.content, np.float32)
    norm = math.sqrt(row @ row) if row.ndim == 1 else math.nan
    if not 0 < norm < math.inf:
        raise QueryError("a query vector must have one dimension, be finite and not all zero")
    return row / np.float32(norm)
