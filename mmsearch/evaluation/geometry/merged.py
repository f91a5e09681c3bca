"""Which modalities an answer shows when all of them are asked for at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmsearch.errors import QueryError
from mmsearch.search.wanted import Wanted
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmsearch.search.query import Query
    from mmsearch.search.searcher import Searcher

K = 10


@dataclass(frozen=True, slots=True)
class Merged:
    """The first ten answers to questions of one modality, over all modalities.

    Where scores of different modalities are not comparable (the modality gap: Liang et al., NeurIPS 2022), one of them
    fills the answer whatever was asked. `held` is what chance would give.

    Trap: it is no truth. A question may well be about what the index has of one modality only.

    Attributes:
        query: the modality that asks.
        queries: how many questions were asked.
        shares: of the answers, by modality; they sum to 1.
        held: of the items of the index; they sum to 1.
    """

    query: Modality
    queries: int
    shares: Mapping[Modality, float]
    held: Mapping[Modality, float]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "query": self.query,
            "queries": self.queries,
            "shares": {str(modality): share for modality, share in self.shares.items()},
            "held": {str(modality): share for modality, share in self.held.items()},
        }


def merged(
    searcher: Searcher,
    query: Modality,
    questions: Sequence[tuple[Query, str | None]],
    held: Mapping[Modality, int],
    rerank: Sequence[str] | None = None,
) -> Merged | None:
    """Ask for everything at once; None if nothing is found. Questions whose files are gone are left out.

    Args:
        searcher: of the index.
        query: the modality that asks.
        questions: and the item that each is itself, which is left out of its answer.
        held: number of items by modality.
        rerank: names of rerankers; None for the model's own choice.
    """
    counted: Counter[Modality] = Counter()
    asked = 0
    wanted = Wanted.of(k=K + 1, chain=rerank, lexical="off", least=0.0)
    for question, own in questions:
        with suppress(QueryError):
            hits = searcher.search(question, wanted)
            counted.update(Modality(hit.modality) for hit in [hit for hit in hits if hit.id != own][:K])
            asked += 1
    return Merged(query, asked, _shares(counted, held), _shares(held, held)) if counted else None


def _shares(counts: Mapping[Modality, int], modalities: Iterable[Modality]) -> dict[Modality, float]:
    total = sum(counts.values())
    return {modality: counts.get(modality, 0) / total for modality in modalities}
