"""Questions in which items of the index take part: which these are, and of which modality."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mmsearch.errors import QueryError
from mmsearch.search.query import Kind, Query
from mmsearch.store.named import ids, only
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch.search.query import Part
    from mmsearch.store.reading import Reading

FIRST = (Modality.IMAGE, Modality.AUDIO, Modality.TEXT)  # of an item's media, the one that asks


def settle(store: Reading, query: Query) -> Query:
    """The same, with the id and the modality of every item.

    Raises:
        QueryError: there is no such item, or there are several of that file, or it has no medium of the modality that
            is wanted.
    """
    parts = (_settled(store, part) if part.kind is Kind.ITEM else part for part in query.parts)
    return sum((Query((part,)) for part in parts), Query())


def _settled(store: Reading, part: Part) -> Part:
    try:
        return _known(store, part)
    except QueryError as error:
        raise part.error(str(error)) from error


def _known(store: Reading, part: Part) -> Part:
    key = only(part.content, ids(store, part.content))
    (item,) = numbers(store, [key])
    found = store.query("SELECT DISTINCT modality FROM segments WHERE item_id = ?", (item,))
    has = {modality for (modality,) in found}
    if not has:
        raise QueryError(f"nothing is left of the item {part.content!r}")
    if part.modality is not None and part.modality not in has:
        raise QueryError(f"the item {part.content} has no {part.modality}, only {', '.join(sorted(has))}")
    return replace(part, content=key, modality=part.modality or next(modality for modality in FIRST if modality in has))


def numbers(store: Reading, ids: Sequence[str]) -> list[int]:
    """The numbers of items in the catalog, by their ids.

    Raises:
        QueryError: one of them is gone.
    """
    found = []
    for id_ in ids:
        try:
            rows = store.query("SELECT id FROM items WHERE key = ?", (id_,))
        except UnicodeEncodeError:  # it holds half a surrogate pair, and no id does
            rows = []
        if not rows:
            raise QueryError(f"no item in the index has the id {id_!r}")
        found.append(int(rows[0][0]))
    return found
