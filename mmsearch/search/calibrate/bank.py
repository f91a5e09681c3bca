"""Questions that have nothing to do with an index: made captions of our own lists, the same in every installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.embedding import encode
from mmsearch.store.backgrounds import Bank
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.types import Space

QUESTIONS = 256
TOGETHER = 64


def name() -> str:
    """Of the bank; changes with its questions."""
    from mmsearch.captions import own_version

    return f"made-{own_version()}-{QUESTIONS}"


def banks(model: Model, spaces: Sequence[Space]) -> list[Bank]:
    """The questions in each of these spaces, encoded as questions are."""
    from mmsearch.captions import own_bank

    needed = {head.space: head.encoders for head in model.heads}
    needed |= {fitted.space: fitted.encoders for fitted in model.fitted}
    encoders = {needed[space][Modality.TEXT] for space in spaces}
    texts = own_bank(QUESTIONS)
    rows: dict[tuple[str, str], list[NDArray[np.float16]]] = {(space.name, space.version): [] for space in spaces}
    for start in range(0, len(texts), TOGETHER):
        for group, vectors in encode(model, Modality.TEXT, texts[start : start + TOGETHER], Role.QUERY, encoders):
            if group.kind == "vectors" and (group.name, group.version) in rows:
                rows[group.name, group.version].append(vectors.astype(np.float16))
    made = name()
    return [Bank(space, version, made, np.concatenate(parts)) for (space, version), parts in rows.items()]
