"""What there is to do: the folder as it is, merged with the catalog as it was.

Both come in the order of their path bytes, so one pass in constant memory tells new, changed, unchanged and vanished
files apart, however many there are.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mmsearch.errors import MediaError
from mmsearch.indexing.jobs import FileJob
from mmsearch.media import TIMEOUT_SECONDS, scan, sidecar
from mmsearch.media.formats import READER, Decoder, format_of
from mmsearch.store.changes import Annotate, Applied, FileState, storable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from mmsearch.store.store import KnownFile, Store
    from mmsearch.types import Metadata, Modality


@dataclass(frozen=True, slots=True)
class Root:
    """A root folder, and the part of it that is scanned: all `b""`, a folder `b"a/b/"` or one file `b"a/b.jpg"`."""

    id: int
    path: bytes
    part: bytes = b""

    def absolute(self, path: bytes) -> Path:
        """The place on disk of a path relative to the root."""
        return Path(os.fsdecode(os.path.join(self.path, path)))  # noqa: PTH118  (bytes)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A file that need not be opened."""

    known: KnownFile


@dataclass(frozen=True, slots=True)
class Gone:
    """A file that the catalog knows and that the walk did not meet."""

    known: KnownFile
    path: Path


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in the folder that cannot be indexed, or is left out on purpose."""

    path: Path
    reason: str
    on_purpose: bool = False


Step: TypeAlias = FileJob | Unchanged | Gone | Trouble | Annotate | Applied


class Plan:
    """The steps for one root; `empty` tells afterwards that there is nothing at all in the folder.

    Raises:
        MediaError: the root does not exist or is not a folder.
    """

    def __init__(
        self,
        store: Store,
        root: Root,
        exclude: Sequence[str],
        modalities: Collection[Modality],
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._store, self._root, self._timeout = store, root, timeout
        self._modalities = modalities
        self._unknown: Counter[Modality] = Counter()
        self._walk = self._of_known_modalities(_walk(store, root, exclude))
        self.empty = _is_empty(root)
        self._sidecars = _Sidecars(store, root)
        self._folder: bytes | None = None  # of the file before: files of one folder come one after the other
        self._annotated = False  # whether the metadata for the files of that folder have changed
        self._closed: list[bytes] = []

    def __iter__(self) -> Iterator[Step]:
        """Walk and compare."""
        for entry, known in _merge(self._walk, self._known()):
            if isinstance(entry, scan.Problem):
                if entry.path.endswith(b"/"):
                    self._closed.append(entry.path)
                yield Trouble(self._root.absolute(entry.path), entry.reason, entry.on_purpose)
            elif entry is None:
                assert known is not None
                # Nothing is known about what lies in a folder that could not be read.
                if not known.path.startswith(tuple(self._closed)):
                    yield Gone(known, self._root.absolute(known.path))
            else:
                yield from self._present(entry, known)
        yield from self._sidecars.applied()
        for modality, times in self._unknown.items():
            what = "1 file" if times == 1 else f"{times:,} files"
            said = f"{what} of the kind {modality} left out: the model does not know it"
            yield Trouble(self._root.absolute(self._root.part), said, on_purpose=True)

    def _of_known_modalities(self, met: Iterator[scan.Entry | scan.Problem]) -> Iterator[scan.Entry | scan.Problem]:
        for entry in met:
            if isinstance(entry, scan.Problem) or entry.modality in self._modalities:
                yield entry
            else:
                self._unknown[entry.modality] += 1

    def _present(self, entry: scan.Entry, known: KnownFile | None) -> Iterator[Step]:
        folder = entry.path[: entry.path.rfind(b"/") + 1]
        if folder != self._folder:
            yield from self._sidecars.visit(folder)
            self._folder, self._annotated = folder, self._sidecars.changed(folder)
        mtime_ns = storable(entry.mtime_ns)
        if (
            known is not None
            and known.size == entry.size
            and known.mtime_ns == mtime_ns
            and not _worth_trying(known, self._timeout)
        ):
            if self._annotated and known.error is None and not has_records(entry.path):
                yield Annotate(known.id, self._sidecars.metadata(entry.path))
            yield Unchanged(known)
        else:
            state = FileState(self._root.id, entry.path, entry.size, mtime_ns, None, READER)
            path = self._root.absolute(entry.path)
            yield FileJob(path, entry.modality, state, known, self._sidecars.metadata(entry.path))

    def _known(self) -> Iterator[KnownFile]:
        part = self._root.part
        if part and not part.endswith(b"/"):
            known = self._store.file(self._root.id, part)
            return iter((known,) if known else ())
        return self._store.files(self._root.id, part)


def files(store: Store, root: Root, exclude: Sequence[str], modalities: Collection[Modality]) -> Iterator[scan.Entry]:
    """The files of a walk alone, to be counted."""
    met = (entry for entry in _walk(store, root, exclude) if isinstance(entry, scan.Entry))
    return (entry for entry in met if entry.modality in modalities)


def _walk(store: Store, root: Root, exclude: Sequence[str]) -> Iterator[scan.Entry | scan.Problem]:
    """Everything but the index itself, where it lies below the root: its previews are no media of the user's."""
    own = os.path.relpath(os.fsencode(store.folder.absolute()), root.path) + b"/"
    return (met for met in scan.walk(root.path, root.part, exclude) if not met.path.startswith(own))


def _is_empty(root: Root) -> bool:
    """Whether a folder has no file in it, of any kind, as the place where a drive is not mounted."""
    folder = root.absolute(root.part)
    return folder.is_dir() and not any(names for _, _, names in os.walk(folder))


def _merge(
    entries: Iterator[scan.Entry | scan.Problem], known: Iterator[KnownFile]
) -> Iterator[tuple[scan.Entry | scan.Problem | None, KnownFile | None]]:
    """Pair both streams by path; problems are passed on unpaired."""
    old = next(known, None)
    for entry in entries:
        if isinstance(entry, scan.Problem):
            yield entry, None
            continue
        while old is not None and old.path < entry.path:
            yield None, old
            old = next(known, None)
        if old is not None and old.path == entry.path:
            yield entry, old
            old = next(known, None)
        else:
            yield entry, None
    while old is not None:
        yield None, old
        old = next(known, None)


class _Sidecars:
    """Metadata files in the folders of a walk and above, up to the root; each is read when its folder is first met."""

    def __init__(self, store: Store, root: Root) -> None:
        self._root = root
        self._before: dict[bytes, str] = {
            folder: signature
            for folder, signature in store.query("SELECT folder, signature FROM sidecars WHERE root_id = ?", (root.id,))
        }
        self._now: dict[bytes, str] = {}
        self._loaded: dict[bytes, Mapping[str, Metadata]] = {}

    def visit(self, of: bytes) -> Iterator[Trouble]:
        for folder in _folders(of):
            if folder in self._now:
                continue
            place = self._root.absolute(folder)
            self._now[folder] = _signature(place)
            if self._now[folder]:
                try:
                    self._loaded[folder] = sidecar.load(place)
                except MediaError as error:
                    self._now[folder] = self._before.get(folder, "")  # what was read from it before stays
                    yield Trouble(place, str(error))

    def metadata(self, path: bytes) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._loaded and not has_records(path):
            for folder in _folders(path):
                found |= self._loaded.get(folder, {}).get(os.fsdecode(path[len(folder) :]), {})
        return found

    def changed(self, folder: bytes) -> bool:
        """Whether there are other metadata for the files of a folder than there were."""
        return any(self._now[above] != self._before.get(above, "") for above in _folders(folder))

    def applied(self) -> Iterator[Applied]:
        for folder, signature in self._now.items():
            # Only a folder that was walked as a whole has had its metadata applied to all its files.
            whole = folder.startswith(self._root.part)
            if whole and signature != self._before.get(folder, ""):
                yield Applied(self._root.id, folder, signature)


def has_records(path: bytes) -> bool:
    """Whether a file holds records, which bring metadata of their own; sidecars are for all other files."""
    known = format_of(path)
    return known is not None and known.decoder is Decoder.RECORDS


def _folders(path: bytes) -> tuple[bytes, ...]:
    """The folders above a file, or a folder and those above it, the root (`b""`) first, each with its `/`."""
    parts = path.split(b"/")
    return tuple(b"".join(part + b"/" for part in parts[:depth]) for depth in range(len(parts)))


def _worth_trying(known: KnownFile, timeout: float) -> bool:
    """Whether a file failed when less could be read, when it could not be had, or when it had less time."""
    if known.error is None:
        return False
    return known.reader != READER if known.reader > 0 else not known.reader or -known.reader < timeout


def _signature(folder: Path) -> str:
    """State of the metadata files in a folder; empty without any."""
    found = []
    for name in sidecar.NAMES:
        try:
            status = (folder / name).stat()
        except OSError:
            continue
        found.append(f"{name}:{status.st_size}:{status.st_mtime_ns}")
    return " ".join(found)
