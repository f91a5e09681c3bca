"""`lexical`: the words of the question, by reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.search import fuse
from mmsearch.search.lexical.bm25 import matches
from mmsearch.search.lexical.hybrid import question
from mmsearch.search.rerank.slots import Verdict, reordered

if TYPE_CHECKING:
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.base import Context
    from mmsearch.types import FloatArray, Modality


class Lexical:
    """Orders the candidates of a modality by `1 / (60 + rank) + 1 / (60 + rank by words)`.

    Any of the words counts here, however few of them were found: that is another thing than `--lexical on`, which
    finds items that vectors do not, and lets words decide only where all of them were found. A question without text
    changes nothing, nor does one whose words are in none of the candidates. It takes no argument.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """Reorder by the sum of reciprocal ranks, modality by modality; the scores themselves stay."""
        asked = None if query.asked is None else question(query.asked, strict=False)
        if asked is None:
            return candidates
        pool = set(candidates.items.tolist())
        store, snapshot = self._context.store, self._context.snapshot
        found = matches(store, snapshot, asked, allowed=pool.intersection, width=2 * len(pool))
        by_item = {match.item: match for match in found}

        def judge(target: Modality, some: Candidates, cosines: FloatArray) -> Verdict:
            items = some.items.tolist()
            ours = [match for match in found if match.item in set(items)]
            ranks = dict(zip([match.item for match in ours], fuse.ranks(ours).tolist(), strict=True))
            gains = [1.0 / (fuse.K + ranks[item]) if item in ranks else 0.0 for item in items]
            values = fuse.reciprocal(np.arange(1, len(items) + 1)) + np.array(gains)
            notes = [fuse.note(by_item[item], ranks[item]) if item in ranks else {} for item in items]
            return Verdict(values, notes if self._context.explains else ())

        return reordered(candidates, judge)
