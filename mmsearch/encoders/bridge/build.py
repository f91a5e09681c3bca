"""Makes the bridge of a model: its two text towers encode the same texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.encoders.base import Batch, Head, Model
from mmsearch.encoders.bridge.bridge import Bridge, made
from mmsearch.encoders.bridge.fit import LEAST_TEXTS, fit
from mmsearch.errors import ModelError
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from mmsearch.types import FloatArray


def build(
    model: Model, texts: Sequence[str], bank: str = "own texts", progress: Callable[[int, int], None] | None = None
) -> Bridge:
    """Encode `texts` in both spaces of `model` and fit the maps between them.

    Args:
        model: one with exactly two spaces that have text, such as `clip+clap`.
        texts: what to show both. A text that comes twice counts once: it would be both learnt from and held out.
        bank: what the texts are, for people and for whoever asks whether the bridge is of the same ones.
        progress: called after every batch with how many texts were encoded, and how many there are to encode, over
            both spaces.

    Raises:
        ModelError: the model has not two spaces with text, or there are fewer than 200 distinct texts.
        BridgeRefused: what was fitted is hardly better than chance.
    """
    first, second = ends(model)
    distinct = list(dict.fromkeys(texts))
    if len(distinct) < LEAST_TEXTS:
        raise ModelError(
            f"{len(distinct)} distinct texts are too few to join two spaces: at least {LEAST_TEXTS} are needed"
        )
    report = progress or (lambda done, total: None)
    total = 2 * len(distinct)
    a = _vectors(model, first, distinct, lambda done: report(done, total))
    b = _vectors(model, second, distinct, lambda done: report(len(distinct) + done, total))
    return made(first.space, second.space, fit(a, b), len(distinct), bank)


def ends(model: Model) -> tuple[Head, Head]:
    """The heads of the two spaces that can be joined.

    Raises:
        ModelError: there are not exactly two that have text.
    """
    heads = [head for head in model.heads if Modality.TEXT in head.space.modalities]
    if len(heads) != 2:
        spaces = ", ".join(head.space.name for head in heads) or "none"
        raise ModelError(f"a bridge joins two spaces that have text; {model.name} has {len(heads)}: {spaces}")
    return heads[0], heads[1]


def _vectors(model: Model, head: Head, texts: list[str], report: Callable[[int], None]) -> FloatArray:
    encoder = next(one for one in model.encoders if one.name == head.encoders[Modality.TEXT])
    vectors = np.empty((len(texts), head.space.dim), np.float32)
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))  # texts of like length need little padding
    for start in range(0, len(order), encoder.batch_size):
        rows = order[start : start + encoder.batch_size]
        features = encoder.encode(Batch(Modality.TEXT, [texts[row] for row in rows]), Role.DOCUMENT)
        vectors[rows] = head.project(features, Modality.TEXT)
        report(start + len(rows))
    return vectors
