"""What a cosine is worth within one item: what unrelated questions find in the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search.calibrate.tail import Tail
from mmsearch.store.backgrounds import bank
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.route import Route
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray

FITS = 0.8  # the confidence that the best moment of an item must reach; see benchmarks/results/moments.md


def unrelated(view: View, query: Embedded, way: Route, vectors: FloatArray, mean: FloatArray) -> Tail | None:
    """The distribution of the best centred cosines of made questions in one item.

    It needs no more than the share of questions that do better there: what may be expected of each, which decides in a
    whole index, made it worse (`calibrate.yardstick`).

    Args:
        view: of the index.
        query: the question.
        way: by which it is asked.
        vectors: of the item `(n, dim)` float32, unit norm.
        mean: of the modality `(dim,)`.

    Returns:
        None where it is not known: of questions that are no single text, across bridges, and in small indexes.
    """
    if not query.plain or query.modalities != (Modality.TEXT,) or way.crossings:
        return None
    made = bank(view.query, way.space.name, way.space.version)
    if made is None or made.vectors.shape[1] != len(mean):
        return None
    questions = np.split(made.vectors.astype(np.float32), 2)[0]
    best: FloatArray = (questions @ vectors.T).max(axis=1) - questions @ mean
    return Tail.fit(best)
