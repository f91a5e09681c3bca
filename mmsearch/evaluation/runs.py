"""A run: what one direction was asked, what is right, and what was answered; TREC's words.

Everything that looks at an evaluation again (reports, files, comparisons) reads runs, and nothing is searched twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.types import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.evaluation.judging import JudgedRun
    from mmsearch.types import FloatArray

TOP = 100  # answers of a query that are kept unless told otherwise; measures know of all, down to the depth


@dataclass(frozen=True, slots=True)
class Run:
    """One direction, q queries; its measures are computed from `judged`.

    Attributes:
        query: the modality that asks.
        target: the modality that answers.
        asked: ids of the records that ask, in the order of the dataset.
        relevant: for each query the grades, at least 1, by id of the items that answer it, as far as the index goes.
        judged: at which ranks those stand.
        items: `(q, t)` objects, ids of the best answers, best first, as many as are kept; empty strings where there are
            fewer.
        scores: `(q, t)` float32 of them, falling; NaN where there are fewer.
        relevant_scores: `(f,)` float32, of the relevant items that were found, in the order of `judged.ranks`.
        groups: `(q,)` int64, the same number for queries that are about the same thing, such as the captions of one
            picture: they are no independent observations.
        unjudged: ids of queries that were left out, since the index holds no answer to them or not themselves.
    """

    query: Modality
    target: Modality
    asked: tuple[str, ...]
    relevant: tuple[Mapping[str, int], ...] = field(repr=False)
    judged: JudgedRun = field(repr=False)
    items: NDArray[np.object_] = field(repr=False)
    scores: FloatArray = field(repr=False)
    relevant_scores: FloatArray = field(repr=False)
    groups: NDArray[np.int64] = field(repr=False)
    unjudged: tuple[str, ...] = ()

    @property
    def direction(self) -> str:
        """Such as `text->image`."""
        return f"{self.query}->{self.target}"

    def __len__(self) -> int:
        return len(self.asked)
