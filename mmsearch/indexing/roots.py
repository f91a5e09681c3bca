"""Root folders: which one a path belongs to. Roots never overlap, so no file is in an index twice."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mmsearch.indexing.plan import Root
from mmsearch.store.named import locate, slashed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from mmsearch.store.store import Store
    from mmsearch.store.writer import Writer


def resolve(store: Store, writer: Writer, paths: Sequence[Path]) -> list[Root]:
    """The root for each of several paths, of which none lies inside another one."""
    for path in paths:
        _resolve(store, writer, path)
    return [_resolve(store, writer, path) for path in paths]  # a later one may have taken over the root of another


def _resolve(store: Store, writer: Writer, path: Path) -> Root:
    """The root for a path to be indexed: one that holds it, or a new one, which takes over the roots inside it."""
    place = os.path.abspath(os.fsencode(path))  # noqa: PTH100  (bytes; links are kept as they were named)
    is_folder = path.is_dir()
    known = locate(store, place)
    if known is not None:
        root_id, root, part = known
        return Root(root_id, root, part + b"/" if part and is_folder else part)
    folder = place if is_folder else os.path.dirname(place)  # noqa: PTH120  (bytes)
    inner = {id_: root for id_, root in store.roots().items() if root.startswith(slashed(folder))}
    index = os.fsencode(store.folder.absolute())
    root_id = writer.root(folder, os.path.relpath(folder, index))
    for id_, root in inner.items():
        writer.absorb_root(id_, root_id, root[len(slashed(folder)) :] + b"/")
    return Root(root_id, folder, b"" if is_folder else place[len(slashed(folder)) :])


def outermost(paths: Iterable[Path]) -> list[Path]:
    """The paths without those that are another one's, or lie inside another one."""
    places = {os.path.abspath(os.fsencode(path)): path for path in paths}  # noqa: PTH100  (bytes, as in `resolve`)
    return [
        path
        for place, path in places.items()
        if not any(place.startswith(slashed(other)) for other in places if other != place)
    ]
