"""Questions to tune and audit with, of the modality that will ask: the user's own, made captions, or stored items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.embedding import encode
from mmsearch.errors import QueryError
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch.encoders.base import Model
    from mmsearch.store.reading import Reading
    from mmsearch.store.snapshot import Shard
    from mmsearch.types import FloatArray

MOST = 400  # questions: a recall of .95 is known to a point and a half with half of them
LEAST = 20
WHOLE = 20_000  # rows, up to which the same items give the same questions, in whatever order they were added
ORDERED = 8  # numbers of a row, by which it is told from others


class Samples:
    """Questions for one index; each kind is made once.

    Raises:
        QueryError: there are texts, but too few to measure with.
    """

    def __init__(self, store: Reading, model: Model, texts: Sequence[str] = ()) -> None:
        self._store, self._model, self._texts = store, model, list(dict.fromkeys(texts))
        if 0 < len(self._texts) < LEAST:
            raise QueryError(
                f"{len(self._texts)} texts are too few to tune with: give at least {LEAST} different ones, or none"
            )
        self._made: dict[tuple[str, int], dict[str, FloatArray]] = {}

    def of(self, asked: str, space: str, seed: int = 0) -> FloatArray:
        """Unit vectors `(q, d)` of up to `MOST` questions of a modality in a space; few or none if there are not more.

        Texts are encoded as questions: those that were given, or captions, if their word lists are installed. Otherwise
        they are items of the index, which ask for themselves and their neighbours.
        """
        if asked == Modality.TEXT:
            texts = self._texts or _captions(seed)
            if texts:
                if (asked, seed) not in self._made:
                    self._made[asked, seed] = self._encoded(_drawn(texts, seed))
                if space in self._made[asked, seed]:
                    return self._made[asked, seed][space]
        return self._stored(asked, space, seed)

    def _encoded(self, texts: Sequence[str]) -> dict[str, FloatArray]:
        made: dict[str, list[FloatArray]] = {}
        for start in range(0, len(texts), 64):
            for group, rows in encode(self._model, Modality.TEXT, texts[start : start + 64], Role.QUERY):
                if group.kind == "vectors":
                    made.setdefault(group.name, []).append(np.asarray(rows, np.float32))
        return {name: np.concatenate(rows) for name, rows in made.items()}

    def _stored(self, asked: str, space: str, seed: int) -> FloatArray:
        (found,) = (one for one in self._model.spaces if one.name == space)
        shards = self._store.snapshot().of("vectors", space, found.version, asked)
        rows = np.array([shard.live for shard in shards], np.int64)
        if not rows.sum():
            return np.empty((0, found.dim), np.float32)
        random = np.random.default_rng(seed)
        if rows.sum() <= WHOLE:
            ordered = _ordered(np.concatenate([_live(shard) for shard in shards]))
            return ordered[random.permutation(len(ordered))[:MOST]]
        wanted = np.minimum(rows, random.multivariate_hypergeometric(rows, min(MOST, int(rows.sum()))))
        drawn = []
        for shard, count in zip(shards, wanted.tolist(), strict=True):
            live = np.setdiff1d(np.arange(shard.rows), shard.dead)
            drawn.append(np.asarray(shard.matrix[np.sort(random.choice(live, count, replace=False))]))
        joined = np.concatenate(drawn).astype(np.float32)
        return joined[random.permutation(len(joined))]


def _live(shard: Shard) -> FloatArray:
    return np.delete(np.asarray(shard.matrix, np.float32), shard.dead, axis=0)


def _ordered(rows: FloatArray) -> FloatArray:
    """Rows in an order that follows from themselves: that in which they were added is another one in every index."""
    return rows[np.lexsort(rows[:, :ORDERED].T)]


def _captions(seed: int) -> list[str]:
    from mmsearch import captions

    return list(captions.bank_if_installed(MOST, seed))


def _drawn(texts: Sequence[str], seed: int) -> list[str]:
    order = np.random.default_rng(seed).permutation(len(texts))[:MOST]
    return [texts[place] for place in order.tolist()]
