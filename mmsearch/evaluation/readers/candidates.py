"""Which files of a folder describe a dataset, and which reader reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mmsearch.errors import DatasetError
from mmsearch.evaluation.datasets import READERS, Reader, reader
from mmsearch.evaluation.readers.entries import SUFFIXES as ENTRIES
from mmsearch.evaluation.readers.head import Head
from mmsearch.evaluation.readers.places import DESCRIPTIONS, below, matches

_SHOWN = 8  # in the message that there are too many


class Candidate(NamedTuple):
    """Files that are one dataset, and the kind of it, a key of `READERS`."""

    kind: str
    files: Sequence[Path]


def of(path: Path, *, siblings: bool) -> Candidate:
    """The dataset that a file is.

    Args:
        path: the file.
        siblings: whether the files of its other splits, beside it, belong to it.

    Raises:
        DatasetError: there is no such file, or no reader knows it.
    """
    head = Head.of(path)
    for kind in READERS:
        known = reader(kind)
        if known.knows(head):
            names = _named(_names(path.parent), known) if siblings and known.SPLIT_BY_FILE else []
            beside = [path.with_name(name) for name in names if name != path.name]
            return Candidate(kind, [path, *(one for one in beside if known.knows(Head.of(one)))])
    if path.suffix.lower() in ENTRIES:
        return Candidate("manifest", [path])  # its reader says what is wrong with it
    raise DatasetError(f"{path}: no reader knows this; there are readers of: {', '.join(READERS)}")


def within(folder: Path) -> Candidate | None:
    """The dataset that lies in a folder, or in one for descriptions below it; None if there is none.

    Raises:
        DatasetError: there are several, or a file may not be read.
    """
    found = [one for place in (folder, *below(folder, DESCRIPTIONS)) for one in _datasets(place)]
    if len(found) > 1:
        names = [str(one.files[0].relative_to(folder)) for one in found]
        more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        raise DatasetError(
            f"{folder} holds several descriptions of a dataset: {', '.join(names[:_SHOWN])}{more}; name one of them"
        )
    return found[0] if found else None


def looked_for() -> str:
    """The most usual names of files that `within` looks for, in words."""
    return ", ".join(reader(kind).NAMES[0] for kind in READERS)


def _datasets(folder: Path) -> Iterator[Candidate]:
    names = _names(folder)
    taken: set[Path] = set()
    for kind in READERS:
        known = reader(kind)
        there = [folder / name for name in _named(names, known)]
        files = [one for one in there if one not in taken and one.is_file() and known.knows(Head.of(one))]
        taken.update(files)
        for group in [files] if known.SPLIT_BY_FILE else [[one] for one in files]:
            if group:
                yield Candidate(kind, group)


def _names(folder: Path) -> list[str]:
    """Names in a folder that end as some reader's do: beside a million pictures there is no time to match patterns."""
    endings = tuple({Path(pattern).suffix for kind in READERS for pattern in reader(kind).NAMES})
    try:
        return sorted(one.name for one in folder.iterdir() if one.name.lower().endswith(endings))
    except OSError as error:
        raise DatasetError(f"{folder} cannot be read: {error.strerror or error}") from error


def _named(names: Iterable[str], known: Reader) -> list[str]:
    """Those that are named as a reader's files are."""
    return [name for name in names if matches(name, known.NAMES)]
