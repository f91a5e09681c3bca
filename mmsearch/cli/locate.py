"""Which index a command means."""

from __future__ import annotations

import os
from pathlib import Path

from mmsearch.errors import IndexNotFound

HOME = Path("indexes")
CATALOG = "catalog.sqlite"


def place(named: str) -> Path:
    """A bare word is a name below `indexes/`; anything with a separator is a path."""
    if not named.strip():
        raise IndexNotFound("the name of the index is blank")
    separators = [separator for separator in (os.sep, os.altsep) if separator]
    is_path = named in (".", "..", "~") or any(separator in named for separator in separators)
    return Path(named).expanduser() if is_path else HOME / named


def locate(named: str | None) -> Path:
    """The index that is meant; without a name, the only one there is.

    Raises:
        IndexNotFound: it is not there, or there is none, or there are several.
    """
    if named is not None:
        folder = place(named)
        if not is_index(folder):
            raise IndexNotFound(f"there is no index at {folder}{_listed()}")
        return folder
    found = existing()
    if len(found) == 1:
        return found[0]
    if not found:
        raise IndexNotFound("there is no index here yet; make one with `mmsearch index FOLDER`")
    raise IndexNotFound(f"say which index with --index{_listed()}")


def is_index(folder: Path) -> bool:
    """Whether there is an index in a folder."""
    return (folder / CATALOG).is_file()


def existing() -> list[Path]:
    """The indexes below `indexes/`."""
    return sorted(path.parent for path in HOME.glob(f"*/{CATALOG}"))


def _listed() -> str:
    found = existing()
    return (
        f"; there are: {', '.join(path.name for path in found)}" if found else "; make one with `mmsearch index FOLDER`"
    )
