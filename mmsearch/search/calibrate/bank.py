"""Questions that have nothing to do with an index: made captions of our own lists, the same in every installation.

People ask with captions and with a few words, and a few words are not like captions. So there is each caption, of which
what it finds is kept, and the first words of each, which tell what is asked in words at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.embedding import encode
from mmsearch.search.calibrate.yardstick import RECIPE
from mmsearch.search.lexical.language import STOP
from mmsearch.store.backgrounds import Bank
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.types import Space

QUESTIONS = 256
TOGETHER = 64
LONGEST = 3  # words of a short question


def name() -> str:
    """Of the bank; changes with its questions, and with what is kept of what they find."""
    from mmsearch.captions import own_version

    return f"made-{own_version()}-{QUESTIONS}-{LONGEST}-{RECIPE}"


def questions() -> list[str]:
    """The captions, and then the first one to three words of each that mean something."""
    from mmsearch.captions import own_bank

    captions = own_bank(QUESTIONS)
    return [*captions, *(_first(caption, 1 + number % LONGEST) for number, caption in enumerate(captions))]


def banks(model: Model, spaces: Sequence[Space]) -> list[Bank]:
    """The questions in each of these spaces, encoded as questions are."""
    needed = {head.space: head.encoders for head in model.heads}
    needed |= {fitted.space: fitted.encoders for fitted in model.fitted}
    encoders = {needed[space][Modality.TEXT] for space in spaces}
    texts = questions()
    rows: dict[tuple[str, str], list[NDArray[np.float16]]] = {(space.name, space.version): [] for space in spaces}
    for start in range(0, len(texts), TOGETHER):
        for group, vectors in encode(model, Modality.TEXT, texts[start : start + TOGETHER], Role.QUERY, encoders):
            if group.kind == "vectors" and (group.name, group.version) in rows:
                rows[group.name, group.version].append(vectors.astype(np.float16))
    made = name()
    return [Bank(space, version, made, np.concatenate(parts)) for (space, version), parts in rows.items()]


def _first(caption: str, count: int) -> str:
    said = [word for word in re.findall(r"[^\W_]+", caption.lower()) if word not in STOP]
    return " ".join(said[:count])
