"""What a user means when they name something to remove."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.errors import QueryError
from mmsearch.indexing.roots import locate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mmsearch.store.store import Store


def find(store: Store, paths: Iterable[str | Path], ids: Iterable[str]) -> tuple[list[int], list[int]]:
    """Item ids and file ids for public ids, files and folders.

    Raises:
        QueryError: one of them is not in the index.
    """
    items, files = [], []
    for key in ids:
        found = store.query("SELECT id FROM items WHERE key = ?", (key,))
        if not found:
            raise QueryError(f"no item in the index has the id {key!r}")
        items.append(found[0][0])
    for path in paths:
        if not str(path).strip():
            raise QueryError("the path to remove is blank")  # an unset variable of a shell, not the current folder
        place = os.path.abspath(os.fsencode(Path(path).expanduser()))  # noqa: PTH100  (bytes; links are kept as they were named)
        known = locate(store, place)
        inside = _files(store, known[0], known[2]) if known is not None else []
        if known is None:
            for root_id, root in store.roots().items():
                if root.startswith(place.rstrip(b"/") + b"/"):
                    inside += _files(store, root_id, b"")
        if not inside:
            raise QueryError(f"nothing in the index is at {path}")
        files += inside
    return items, files


def _files(store: Store, root_id: int, part: bytes) -> list[int]:
    exact = store.file(root_id, part) if part else None
    if exact is not None:
        return [exact.id]
    return [file.id for file in store.files(root_id, part + b"/" if part else b"")]
