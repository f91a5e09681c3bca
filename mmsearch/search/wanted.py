"""What is wanted of a search, beside the question."""

from __future__ import annotations

import operator
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real

from mmsearch.errors import QueryError
from mmsearch.search import rerank
from mmsearch.search.lexical.hybrid import Lexical
from mmsearch.search.route import targets
from mmsearch.search.where import check as check_filter
from mmsearch.types import Modality

LARGEST_K = 100_000


def check(k: int, least: float | None = None) -> None:
    """Whether so many can be asked for, with that confidence.

    Raises:
        QueryError: they are no whole number, or none, or too many; or there is no such confidence.
    """
    try:
        whole = operator.index(k)
    except TypeError as error:
        raise QueryError(f"k must be a whole number, not {k!r}") from error
    if not 1 <= whole <= LARGEST_K:
        raise QueryError(f"k must be from 1 to {LARGEST_K}, not {k}")
    if least is not None and not isinstance(least, Real):
        raise QueryError(f"a confidence is a number from 0 to 1, not {reprlib.repr(least)}")
    if least is not None and not 0 <= least <= 1:
        raise QueryError(f"a confidence is from 0 to 1, not {least}: 0 shows everything, 0.95 what is sure")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The same for each of many questions.

    Attributes:
        targets: modalities of the answers.
        k: how many items.
        where: a filter.
        steps: of the rerankers; None for those of each direction, see `defaults`.
        lexical: what words count, see `lexical.hybrid.Lexical`.
        explain: whether hits have their `stages`.
        least: the confidence that hits must have; None to leave it to each direction, see `calibrate.cut`.
    """

    targets: tuple[Modality, ...]
    k: int = 10
    where: str | None = None
    steps: tuple[str, ...] | None = None
    lexical: str | None = None
    explain: bool = False
    least: float | None = None

    @classmethod
    def of(
        cls,
        target: str | Iterable[str] | None = None,
        k: int = 10,
        where: str | None = None,
        chain: str | Sequence[str] | None = None,
        lexical: str | None = None,
        *,
        explain: bool = False,
        least: float | None = None,
    ) -> Wanted:
        """What is said in words.

        Raises:
            QueryError: the target, k, the chain, `lexical` or the confidence makes no sense.
            FilterError: the filter is no text.
        """
        check(k, least)
        if where is not None:
            check_filter(where)
        if lexical is not None:
            Lexical.named(lexical)
        steps = None if chain is None else rerank.names(chain)
        return cls(targets(target), k, where, steps, lexical, explain, least)
