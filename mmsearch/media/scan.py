"""Walking a folder: which files are there, in an order that a catalog can be merged with.

::

    walk(root) ─► Entry(b"birds/owl.jpg", ..) · Problem(b"birds/gone.png", "broken link ..") · Entry(b"readme.md", ..)
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from mmsearch.errors import MediaError
from mmsearch.media.formats import modality_of
from mmsearch.media.sidecar import NAMES as SIDECARS
from mmsearch.media.source import reason
from mmsearch.types import Modality

_SIDECARS: Final = frozenset(os.fsencode(name) for name in SIDECARS)


class Entry(NamedTuple):
    """A file to index. A tuple and no dataclass: it is made for every file of every run.

    Attributes:
        path: relative to the root, `/` between its parts. Bytes, because a name need not be valid UTF-8.
        size: in bytes.
        mtime_ns: of the last change, in nanoseconds since 1970.
        modality: what its suffix promises.
    """

    path: bytes
    size: int
    mtime_ns: int
    modality: Modality


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or a folder that was found and cannot be indexed.

    Attributes:
        path: relative to the root; that of a folder ends in `/`, and nothing is known about what begins with it.
        reason: in words, without the path.
        on_purpose: left out by design (a link to a folder), not a failure.
    """

    path: bytes
    reason: str
    on_purpose: bool = False


def walk(root: bytes | Path, prefix: bytes = b"", exclude: str | Sequence[str] = ()) -> Iterator[Entry | Problem]:
    """Every file below `root` that mmsearch can read, and every problem met, one at a time.

    Paths are relative to `root` and come in the order of their bytes, over the whole walk. Memory holds the names of
    the folders that are open, one per level. Files and folders whose name begins with a dot are skipped, so are
    sidecars, and whatever is neither file, folder nor link is never opened. Links to files are followed, links to
    folders are problems left out on purpose.

    Args:
        root: the folder that paths are relative to.
        prefix: walk only this folder below the root, or this one file; `walk(root, b"a")` yields `a/...`.
        exclude: globs (`fnmatch`: `*` matches `/` as well, case matters). A file or folder is left out, with all that
            is in it, when one matches its name or its path relative to `root`. A `/` at the end of a glob is ignored.

    Raises:
        MediaError: root or prefix does not exist, is neither folder nor file, or must not be read. Raised by the call
            itself.
    """
    base = os.fsencode(root)
    prefix = prefix.strip(b"/")
    top = os.path.join(base, prefix) if prefix else base  # noqa: PTH118  (bytes: Path would need valid text)
    excluded = _matcher(exclude)
    try:
        status = os.stat(top)  # noqa: PTH116
        if stat.S_ISDIR(status.st_mode):
            os.scandir(top).close()
            return _folders(base, prefix + b"/" if prefix else b"", excluded)
    except (OSError, ValueError) as error:
        raise MediaError(f"{os.fsdecode(top)!r}: {reason(error)}") from error
    if not (stat.S_ISREG(status.st_mode) and prefix):
        raise MediaError(f"{os.fsdecode(top)!r}: not a folder" + (" and not a regular file" if prefix else ""))
    return _file(base, prefix, named=True)


def _folders(base: bytes, folder: bytes, excluded: Callable[[bytes, bytes], bool]) -> Iterator[Entry | Problem]:
    """Walk depth first with a stack of sorted name lists: a deep tree costs neither recursion nor speed."""
    folders = [(folder, iter(_names(base, folder, excluded)))]
    while folders:
        folder, names = folders[-1]
        for name, modality in names:
            path = folder + name
            if modality is not None:
                try:
                    status = os.stat(base + b"/" + path)  # noqa: PTH116
                except OSError:
                    yield from _file(base, path)
                else:
                    yield Entry(path, status.st_size, status.st_mtime_ns, modality)
                continue
            if not name.endswith(b"/"):
                yield from _file(base, path)
                continue
            try:
                folders.append((path, iter(_names(base, path, excluded))))
            except OSError as error:
                yield Problem(path, f"folder cannot be read: {reason(error)}")
                continue
            break
        else:
            folders.pop()


def _names(base: bytes, folder: bytes, excluded: Callable[[bytes, bytes], bool]) -> list[tuple[bytes, Modality | None]]:
    """Names worth a closer look, sorted as their paths sort: folders count with their `/` (`a.txt` < `a/b` < `a0`).

    A plain file that can be read comes with its modality, folders and links come without.
    """
    names: list[tuple[bytes, Modality | None]] = []
    with os.scandir(base + b"/" + folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(b".") or name in _SIDECARS or excluded(folder, name):
                continue
            if entry.is_file(follow_symlinks=False):
                if (modality := modality_of(name)) is not None:
                    names.append((name, modality))
            elif entry.is_dir(follow_symlinks=False):
                names.append((name + b"/", None))
            elif entry.is_symlink():
                names.append((name, None))
    names.sort()
    return names


def _file(base: bytes, path: bytes, named: bool = False) -> Iterator[Entry | Problem]:
    """The entry or the problem of one file or link; nothing for what is of no concern, unless the caller named it."""
    full = base + b"/" + path
    modality = modality_of(path)
    try:
        status = os.stat(full)  # noqa: PTH116
    except OSError as error:
        # A plain file that is gone was deleted since its folder was listed: as if it had never been there.
        if os.path.islink(full):  # noqa: PTH114
            yield Problem(path, f"broken link: {reason(error)}")
        elif not isinstance(error, FileNotFoundError):
            yield Problem(path, reason(error))
        return
    if stat.S_ISDIR(status.st_mode):
        yield Problem(path + b"/", "link to a folder, not followed", on_purpose=True)
    elif modality and stat.S_ISREG(status.st_mode):
        yield Entry(path, status.st_size, status.st_mtime_ns, modality)
    elif named:
        yield Problem(path, "no picture, sound or text by its suffix")


def _matcher(exclude: str | Sequence[str]) -> Callable[[bytes, bytes], bool]:
    """A test of (folder, name) against globs. One expression for all; text, so that `?` is a character, not a byte."""
    globs = [exclude] if isinstance(exclude, str) else exclude  # the `*` in one, taken by itself, would be everything
    if not globs:
        return lambda folder, name: False
    match = re.compile("|".join(fnmatch.translate(glob.rstrip("/")) for glob in globs)).match

    def excluded(folder: bytes, name: bytes) -> bool:
        return bool(match(os.fsdecode(name)) or (folder and match(os.fsdecode(folder + name))))

    return excluded
