"""What a user means when they name something of the index."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.errors import QueryError
from mmsearch.indexing.roots import locate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmsearch.store.store import Store


def find(store: Store, paths: Iterable[str | Path], ids: Iterable[str]) -> tuple[list[int], list[int]]:
    """Item ids and file ids for public ids, files and folders.

    Raises:
        QueryError: one of them is not in the index.
    """
    items, files = [], []
    for key in ids:
        item = _item(store, key)
        if item is None:
            raise QueryError(f"no item in the index has the id {key!r}")
        items.append(item)
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


def ids(store: Store, name: str | Path) -> list[str]:
    """Public ids of the item that has that id, or else of what came from that file, or from below that folder.

    Raises:
        QueryError: there is neither.
    """
    if isinstance(name, str) and _item(store, name) is not None:
        return [name]
    try:
        _, files = find(store, [name], [])
    except (QueryError, UnicodeEncodeError):  # the latter: no file can have that name
        raise QueryError(f"nothing in the index has the id {str(name)!r} or is at that path") from None
    return [
        key for file in files for (key,) in store.query("SELECT key FROM items WHERE file_id = ? ORDER BY id", (file,))
    ]


def only(name: str | Path, ids: Sequence[str]) -> str:
    """The id of the one item that a name stands for.

    Args:
        name: as the user gave it.
        ids: what it stands for.

    Raises:
        QueryError: that are several, or none.
    """
    if not ids:
        raise QueryError(f"nothing in the index came from {name}")
    if len(ids) > 1:
        raise QueryError(f"{name} stands for {len(ids)} items; name one by its id, such as {ids[0]}")
    return ids[0]


def _item(store: Store, key: str) -> int | None:
    try:
        found = store.query("SELECT id FROM items WHERE key = ?", (key,))
    except UnicodeEncodeError:  # a name that is not UTF-8, which no id is
        return None
    return int(found[0][0]) if found else None


def _files(store: Store, root_id: int, part: bytes) -> list[int]:
    exact = store.file(root_id, part) if part else None
    if exact is not None:
        return [exact.id]
    return [file.id for file in store.files(root_id, part + b"/" if part else b"")]
