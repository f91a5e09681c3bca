"""Tuned chains: the rerankers that measured best in one direction of an index, and the figures that say so.

One belongs to the space and the version in which the answers lie: after a new fit, or with another version of the
model, it is not used; it is again when that fit is undone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmsearch.errors import IndexDamaged, StoreError
from mmsearch.store.fits import card_of
from mmsearch.types import Modality

SELECT = "SELECT asked, target, space, version, chain, card FROM chains ORDER BY asked, target, space, version"
USED = "SELECT asked, target, space, version, chain FROM chains ORDER BY asked, target, space, version"


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a direction does when it is not told how to rerank.

    Attributes:
        asked: modality of questions.
        target: modality of answers.
        space: name of the space of the answers.
        version: of the space.
        chain: steps with `,` between them; empty for none.
        card: what it was measured on, and what it gained: JSON values.
    """

    asked: str
    target: str
    space: str
    version: str
    chain: str
    card: Mapping[str, Any]

    @property
    def direction(self) -> str:
        """Such as `text->image`."""
        return f"{self.asked}->{self.target}"


def used(query: Callable[[str], Iterable[Any]]) -> tuple[tuple[str, str, str, str, str], ...]:
    """Asked, target, space, version and chain of each, sorted; what a search has to know."""
    return tuple((str(a), str(t), str(s), str(v), str(c)) for a, t, s, v, c in query(USED))


def read(query: Callable[[str], Iterable[Any]]) -> tuple[Tuned, ...]:
    """All of them, sorted.

    Args:
        query: runs a SELECT.

    Raises:
        IndexDamaged: the card of one cannot be read.
    """
    return tuple(_tuned(*values) for values in query(SELECT))


def keep(sql: Callable[..., Any], found: Sequence[Tuned]) -> None:
    """Keep chains, each in place of the one of the same direction and space, inside the caller's transaction.

    Raises:
        StoreError: there is no such modality, or a card is none of JSON values.
    """
    for one in found:
        if not {one.asked, one.target} <= set(Modality):
            raise StoreError(f"a chain is for two of {', '.join(Modality)}, not {one.direction}")
        try:
            card = json.dumps(dict(one.card), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise StoreError(f"the card of the chain of {one.direction} must be JSON values: {error}") from error
        sql(
            "INSERT OR REPLACE INTO chains (asked, target, space, version, chain, card) VALUES (?, ?, ?, ?, ?, ?)",
            (one.asked, one.target, one.space, one.version, one.chain, card),
        )


def forget(sql: Callable[..., Any], found: Sequence[Tuned]) -> None:
    """Forget chains, inside the caller's transaction."""
    for one in found:
        sql(
            "DELETE FROM chains WHERE asked = ? AND target = ? AND space = ? AND version = ?",
            (one.asked, one.target, one.space, one.version),
        )


def problems(sql: Callable[..., Any]) -> Iterator[str]:
    """What cannot be read of them, as sentences."""
    for asked, target, *_ in _unreadable(sql):
        yield f"the tuned chain of {asked}->{target} cannot be read"


def cure(sql: Callable[..., Any]) -> Iterator[str]:
    """Leave out those that cannot be read; sentences."""
    for asked, target, space, version in _unreadable(sql):
        sql(
            "DELETE FROM chains WHERE asked IS ? AND target IS ? AND space IS ? AND version IS ?",
            (asked, target, space, version),
        )
        yield f"the tuned chain of {asked}->{target} could not be read and was left out: `mmsearch tune` makes another"


def _unreadable(sql: Callable[..., Any]) -> list[tuple[Any, Any, Any, Any]]:
    return [
        (asked, target, space, version)
        for asked, target, space, version, chain, card in sql(SELECT).fetchall()
        if not {asked, target} <= set(Modality)
        or not all(isinstance(text, str) for text in (space, version, chain))
        or card_of(card) is None
    ]


def _tuned(asked: str, target: str, space: str, version: str, chain: str, text: object) -> Tuned:
    card = card_of(text)
    if card is None:
        raise IndexDamaged(f"the tuned chain of {asked}->{target} cannot be read: run `mmsearch verify --repair`")
    return Tuned(asked, target, space, version, chain, card)
