"""Data to evaluate with: what is searched, what is asked, and which answers are right.

::

    a file, or a folder in which `candidates` finds it ─► the first reader that knows it ─► Dataset
    a folder of class folders, where there is no such file ─────► readers.classes ────────────┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from mmsearch.types import Modality, Record

if TYPE_CHECKING:
    from mmsearch.evaluation.readers.head import Head
    from mmsearch.evaluation.readers.splits import Wanted


@dataclass(frozen=True, slots=True)
class Judgements:
    """The truth of one direction. Nothing is empty.

    Attributes:
        query: modality of what asks.
        target: modality of what answers.
        qrels: by id of the asking record, the ids of those that answer it.
        grades: by the same ids, how relevant an answer is, where that is not 1; greater is better. None: all are 1.
    """

    query: Modality
    target: Modality
    qrels: Mapping[str, frozenset[str]]
    grades: Mapping[str, Mapping[str, int]] | None = None

    @property
    def direction(self) -> str:
        """Such as `text->image`."""
        return f"{self.query}->{self.target}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Records to index, and judgements over their ids.

    Attributes:
        name: of the manifest and the folder that it lies in.
        records: each with an id, no two with the same; pictures and sounds as paths that exist.
        judgements: one per direction.
        warnings: what was left out, counted.
        split: the part of the data that this is; None: all of it.
    """

    name: str
    records: tuple[Record, ...]
    judgements: tuple[Judgements, ...]
    warnings: tuple[str, ...] = ()
    split: str | None = None


class Reader(Protocol):
    """A module that reads one kind of data.

    Attributes:
        NAMES: patterns of the names, in lower case, that such files have in a folder.
        SPLIT_BY_FILE: whether each split is a file of its own.
    """

    NAMES: ClassVar[Sequence[str]]
    SPLIT_BY_FILE: ClassVar[bool]

    def knows(self, head: Head) -> bool:
        """Whether a file is of this kind."""
        ...

    def read(self, files: Sequence[Path], wanted: Wanted) -> Dataset:
        """Read one file; several where each is a split.

        Raises:
            DatasetError: something in it makes no sense, all its media are missing, or it judges nothing.
        """
        ...


# Asked in this order: a file is read by the first that knows it.
READERS: dict[str, str] = {
    "Karpathy's JSON": "mmsearch.evaluation.readers.karpathy",
    "COCO captions": "mmsearch.evaluation.readers.coco",
    "Clotho": "mmsearch.evaluation.readers.clotho",
    "AudioCaps": "mmsearch.evaluation.readers.audiocaps",
    "ESC-50": "mmsearch.evaluation.readers.esc50",
    "Flickr token file": "mmsearch.evaluation.readers.flickr_token",
    "table of captions": "mmsearch.evaluation.readers.caption_table",
    "manifest": "mmsearch.evaluation.readers.manifest",
}

# The splits that are taken when none is named: those with which the field reports, and those that it learns from.
MEASURED = ("test", "val")
LEARNED = ("train+restval", "train")


def reader(kind: str) -> Reader:
    """The reader of that name in `READERS`."""
    return cast(Reader, import_module(READERS[kind]))


def read(path: Path, *, split: str | None = None, usual: Sequence[str] = MEASURED) -> Dataset:
    """Read evaluation data, of whatever kind in `READERS` it is, or a folder with a folder for each class.

    Media that are missing on disk are left out and counted.

    Args:
        path: a file, or the folder that it lies in.
        split: the name of a split, or the beginning of it; several joined by `+`; `all` for everything.
        usual: what is taken when no split is named: the first of these that there is, else everything.

    Raises:
        DatasetError: it is missing, malformed or contradicts itself, the split does not exist, a folder holds nothing
            that can be read or too much, all media are missing, or nothing is judged.
    """
    from mmsearch.evaluation.readers import candidates, classes
    from mmsearch.evaluation.readers.splits import Wanted

    wanted = Wanted(split, tuple(usual))
    if path.is_dir():
        found = candidates.within(path)
        if found is None:
            return classes.read(path, wanted)
    else:
        found = candidates.of(path, siblings=split is not None)
    return reader(found.kind).read(found.files, wanted)


def given(
    data: str | Path | Dataset, *, split: str | None = None, usual: Sequence[str] = MEASURED
) -> tuple[Path | None, Dataset]:
    """A dataset that a caller names or brings, and where it was read from, if it was.

    Raises:
        DatasetError: as `read`.
    """
    if isinstance(data, Dataset):
        return None, data
    path = Path(data).expanduser()
    return path, read(path, split=split, usual=usual)
