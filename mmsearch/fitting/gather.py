"""Pairs as numbers: features of media from the index, where they are stored, and of texts from the encoder."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.embedding import encode, feature_group, vector_group
from mmsearch.errors import FitError
from mmsearch.fitting.adapter import unit
from mmsearch.fitting.paired import Paired, Side
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from mmsearch.encoders.base import Head, Model
    from mmsearch.fitting.choose import Told
    from mmsearch.store.view import View
    from mmsearch.types import FloatArray

_TOGETHER = 1024


@dataclass(slots=True)
class Gathered:
    """Pairs of one medium.

    Attributes:
        pairs: as numbers.
        warnings: what was left out, counted.
    """

    pairs: Paired
    warnings: tuple[str, ...]


@dataclass(slots=True)
class Gatherer:
    """Looks things up in one view of an index."""

    view: View
    model: Model
    told: Told | None = None
    _left_out: Counter[str] = field(default_factory=Counter)

    def pairs(self, medium: Modality, texts_of: Mapping[int, Sequence[str]]) -> Gathered:
        """The pairs of a medium with its texts, by internal id of the item.

        Raises:
            FitError: the model cannot compare them, or nothing usable is left.
        """
        self._left_out.clear()
        head = head_for(self.model, medium)
        media = self._media(head, medium, texts_of)
        said = {item: list(dict.fromkeys(self._usable(texts_of[item]))) for item in media}
        kept = [item for item in media if said[item]]
        if not kept:
            raise FitError(f"no {medium} in the index {self.view.folder} has a text to learn from")
        texts = list(dict.fromkeys(text for item in kept for text in said[item]))
        rows = self._texts(head, texts)
        number = {text: at for at, text in enumerate(texts)}
        edges = [(number[text], at) for at, item in enumerate(kept) for text in said[item]]
        sides = Side(*(np.stack([media[item][part] for item in kept]) for part in (0, 1)))
        pairs = Paired(sides, rows, np.array(edges, np.int64).reshape(-1, 2))
        return Gathered(pairs, tuple(f"{what} left out: {times:,}" for what, times in self._left_out.items()))

    def asked(self, medium: Modality, items: Sequence[int], texts: Sequence[str]) -> Paired:
        """Items and texts that are no pairs, to be compared all the same."""
        head = head_for(self.model, medium)
        found = list(self._media(head, medium, items).values())
        media = Side(*(np.stack([one[part] for one in found]) for part in (0, 1)))
        return Paired(media, self._texts(head, texts), np.empty((0, 2), np.int64))

    def _usable(self, texts: Sequence[str]) -> Iterator[str]:
        for text in texts:
            if not text.strip():
                self._left_out["blank texts"] += 1
            elif text.encode(errors="ignore").decode() != text:  # half a surrogate pair, which JSON can name
                self._left_out["texts that are no valid Unicode"] += 1
            else:
                yield text.strip()

    def _media(self, head: Head, medium: Modality, wanted: Iterable[int]) -> dict[int, tuple[FloatArray, FloatArray]]:
        """Features and vector of each item, the mean over its segments of the medium."""
        segments: dict[int, list[int]] = defaultdict(list)
        asked = list(wanted)
        for start in range(0, len(asked), _TOGETHER):
            some = ", ".join(str(int(item)) for item in asked[start : start + _TOGETHER])
            for id_, item in self.view.query(
                f"SELECT id, item_id FROM segments WHERE modality = ? AND item_id IN ({some}) ORDER BY id",
                (str(medium),),
            ):
                segments[item].append(id_)
        order = [id_ for item in asked for id_ in segments[item]]
        vectors = self._rows(vector_group(head.space, medium), order)
        features = vectors
        if head.keeps_features:
            (encoder,) = (one for one in self.model.encoders if one.name == head.encoders[medium])
            features = self._rows(feature_group(encoder, medium), order)
        found = {}
        for item in asked:
            here = [id_ for id_ in segments[item] if id_ in features and id_ in vectors]
            if not here:
                self._left_out[f"{medium}s without stored features"] += 1
                continue
            row = np.stack([features[id_] for id_ in here]).mean(axis=0)
            vector = unit(np.stack([vectors[id_] for id_ in here]).mean(axis=0, keepdims=True))[0]
            if not (np.isfinite(row).all() and np.isfinite(vector).all()):
                self._left_out[f"{medium}s with features that are not finite"] += 1
                continue
            found[item] = (row, vector)
        return found

    def _rows(self, group: Any, segments: Sequence[int]) -> dict[int, FloatArray]:  # noqa: ANN401  (Group)
        snapshot = self.view.snapshot()
        shards = {shard.id: shard for shard in snapshot.of(group.kind, group.name, group.version, group.modality)}
        if not shards:
            return {}
        places = self.view.rows_of(segments, list(shards))
        return {
            segment: np.asarray(shards[shard].matrix[offset], np.float32)
            for segment, (shard, offset) in places.items()
            if offset < shards[shard].rows
        }

    def _texts(self, head: Head, texts: Sequence[str]) -> Side:
        features, vectors = [], []
        (encoder,) = (one for one in self.model.encoders if one.name == head.encoders[Modality.TEXT])
        of_vectors, of_features = vector_group(head.space, Modality.TEXT), feature_group(encoder, Modality.TEXT)
        for start in range(0, len(texts), encoder.batch_size):
            if self.told is not None:
                self.told("encoding texts", start, len(texts))
            some = list(texts[start : start + encoder.batch_size])
            made = dict(encode(self.model, Modality.TEXT, some, Role.QUERY, {encoder.name}))
            vectors.append(np.asarray(made[of_vectors], np.float32))
            features.append(np.asarray(made.get(of_features, made[of_vectors]), np.float32))
        return Side(np.concatenate(features), np.concatenate(vectors))


def head_for(model: Model, medium: Modality) -> Head:
    """The head in whose space a medium and text live.

    Raises:
        FitError: there is none.
    """
    for head in model.heads:
        if {Modality.TEXT, medium} <= head.space.modalities:
            return head
    raise FitError(f"{model.name} has no space that {medium} and text share: there is nothing to fit")
