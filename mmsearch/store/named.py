"""What a user means when they name something of the index."""

from __future__ import annotations

import json
import os
import reprlib
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmsearch.store.reading import Reading

PREFIX = "id:"  # of an item in a sum
_FILES = "SELECT id FROM files WHERE root_id = ?"


def locate(store: Reading, place: bytes) -> tuple[int, bytes, bytes] | None:
    """The root that holds an absolute path: its id, its place, and the path below it."""
    for root_id, root in store.roots().items():
        if place == root:
            return root_id, root, b""
        if place.startswith(slashed(root)):
            return root_id, root, place[len(slashed(root)) :]
    return None


def slashed(folder: bytes) -> bytes:
    """A folder's path, so that what begins with it is inside."""
    return folder if folder.endswith(b"/") else folder + b"/"


def find(
    store: Reading, paths: str | Path | Iterable[str | Path], ids: str | Iterable[str]
) -> tuple[list[int], list[int]]:
    """Item ids and file ids for public ids, files and folders.

    Raises:
        QueryError: one of them is not in the index.
    """
    items, files = [], []
    for key in [ids] if isinstance(ids, str) else ids:
        item = _item(store, key)
        if item is None:
            raise QueryError(f"no item in the index has the id {key!r}")
        items.append(item)
    for path in [paths] if isinstance(paths, (str, Path)) else paths:  # not each letter of one, the root "/" among them
        inside = _at(store, path)
        if not inside:
            raise QueryError(f"nothing in the index is at {str(path)!r}")  # printed even if it is no valid text
        files += inside
    return items, files


def ids(store: Reading, name: str | Path) -> list[str]:
    """Public ids of the item that has that id, or else of what came from that file, or from below that folder.

    A name that is none of these may be written `id:NAME`, as in a sum.

    Raises:
        QueryError: there is neither.
    """
    if isinstance(name, str) and _item(store, name) is not None:
        return [name]
    files = _at(store, name)
    if files:
        found = store.query(
            "SELECT i.key FROM json_each(?) f CROSS JOIN items i ON i.file_id = f.value ORDER BY f.key, i.id",
            (json.dumps(files),),
        )
        return [key for (key,) in found]
    if isinstance(name, str) and name.startswith(PREFIX):
        return ids(store, name.removeprefix(PREFIX).strip())
    raise QueryError(f"nothing in the index has the id {str(name)!r} or is at that path")


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


def _item(store: Reading, key: str) -> int | None:
    try:
        found = store.query("SELECT id FROM items WHERE key = ?", (key,))
    except UnicodeEncodeError:  # a name that is not UTF-8, which no id is
        return None
    return int(found[0][0]) if found else None


def _at(store: Reading, path: str | Path) -> list[int]:
    """The file at a path, or those below the folder there, in the order of their paths; none if there are none.

    Raises:
        QueryError: it is no path, or blank.
    """
    if not isinstance(path, (str, Path)):
        raise QueryError(f"a path is a str or a Path, not {reprlib.repr(path)}")
    if not str(path).strip():
        raise QueryError("a blank path names nothing")  # an unset variable of a shell, not the current folder
    try:
        named = os.path.expanduser(os.fsencode(path))  # noqa: PTH111  (raises nothing where there is no such user)
    except ValueError:  # half a surrogate pair, or a user whose name has a NUL: no file can be called that
        return []
    place = os.path.abspath(named)  # noqa: PTH100  (bytes; links are kept as they were named)
    known = locate(store, place)
    if known is not None:
        return _files(store, known[0], known[2])
    roots = [id_ for id_, root in store.roots().items() if root.startswith(slashed(place))]
    return [file for root_id in roots for file in _files(store, root_id, b"")]


def _files(store: Reading, root_id: int, part: bytes) -> list[int]:
    """The file at a path below a root; or else those below the folder there, in the order of their paths."""
    if not part:
        found = store.query(f"{_FILES} ORDER BY path", (root_id,))
    else:
        found = store.query(f"{_FILES} AND path = ?", (root_id, part)) or store.query(
            f"{_FILES} AND path > ? AND path < ? ORDER BY path",
            (root_id, part + b"/", part + b"0"),  # the byte behind /
        )
    return [id_ for (id_,) in found]
