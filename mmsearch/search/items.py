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


def settle(store: Reading, query: Query) -> tuple[Query, list[int]]:
    """The same, with the id and the modality of every item; and the numbers of the items that take part.

    Raises:
        QueryError: there is no such item, or there are several of that file, or it has no medium of the modality that
            is wanted.
    """
    settled, by_key = Query(), dict[str, int]()
    for part in query.parts:
        if part.kind is Kind.ITEM:
            try:
                number, part = _known(store, part)
            except QueryError as error:
                raise part.error(str(error)) from error
            by_key[part.content] = number
        settled = settled + Query((part,))
    settled = settled.weighty  # an item may have been named twice, once to be taken off
    return settled, [by_key[str(key)] for key in settled.items]


def _known(store: Reading, part: Part) -> tuple[int, Part]:
    """The number of the item of a part, and the part with its id and its modality."""
    key = only(part.content, ids(store, part.content))
    found = store.query(
        "SELECT DISTINCT i.id, s.modality FROM items i LEFT JOIN segments s ON s.item_id = i.id WHERE i.key = ?", (key,)
    )
    has = {modality for _, modality in found if modality is not None}
    if not has:
        raise QueryError(f"nothing is left of the item {str(part.content)!r}")
    if part.modality is not None and part.modality not in has:
        raise QueryError(f"the item {part.content} has no {part.modality}, only {', '.join(sorted(has))}")
    modality = part.modality or next(modality for modality in FIRST if modality in has)
    return found[0][0], replace(part, content=key, modality=modality)


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
