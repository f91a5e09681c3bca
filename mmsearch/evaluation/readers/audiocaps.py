"""AudioCaps: ten seconds of videos each, with one caption (train) or five (val, test).

Kim, Kim, Lee and Kim, "AudioCaps: Generating Captions for Audios in The Wild", NAACL 2019; the tables are those of
https://github.com/cdjkim/audiocaps::

    train.csv, val.csv, test.csv: audiocap_id,youtube_id,start_time,caption      a line for each caption

The sounds themselves are not published, and everybody who fetches them calls them differently: by `youtube_id`, with a
`Y` before it, with the start behind it in seconds or milliseconds, with the end behind that, or by `audiocap_id`, so
that the same sound is there for every caption: then the first is taken. Any kind of file that holds sound will do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsearch.evaluation.gathering import Gathering
from mmsearch.evaluation.readers import splits, table
from mmsearch.evaluation.readers.places import Places, around, below
from mmsearch.media.formats import modality_of
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.readers.head import Head
    from mmsearch.evaluation.readers.splits import Wanted

NAMES: Final = ("train.csv", "val.csv", "validation.csv", "test.csv", "*audiocaps*.csv")
SPLIT_BY_FILE: Final = True
SECONDS: Final = 10

_NEEDED: Final = ("youtube_id", "caption")
_WHOLE: Final = re.compile(r"([0-9]{1,9})(?:\.0*)?")
_SPLIT: Final = re.compile(r"train|val|test", re.IGNORECASE)


def knows(head: Head) -> bool:
    """Whether the first line names the columns of AudioCaps."""
    return set(_NEEDED) <= set(table.columns(head.first_line))


def read(files: Sequence[Path], wanted: Wanted) -> Dataset:
    """Read the file of one split, the splits being those for which there are files.

    Raises:
        DatasetError: it is malformed, there is no such split, all its sounds are missing, or none has a caption.
    """
    chosen, taken = wanted.choose_files(files, _split, lambda path: len(_clips([table.read(path, _NEEDED)])))
    tables = {path: table.read(path, _NEEDED) for path in taken.values()}
    gathering = Gathering(splits.source(taken), Stems.below(around(files[0]), taken), chosen)
    for path, found in tables.items():
        gathering.broken(path, found.broken)
    for clip, rows in _clips(tables.values()).items():
        captions = [row["caption"].strip() for row in rows]
        gathering.captions(Modality.AUDIO, clip, captions, names=tuple(_stems(rows)))
    return gathering.dataset()


@dataclass(frozen=True, slots=True)
class Stems:
    """Sounds by their names without suffix, in folders of any of which they may be; the first folder wins."""

    places: Places
    _found: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def below(cls, places: Places, taken: Iterable[str]) -> Stems:
        """Look into folders, and first into those below them that are called like a split that was taken."""
        named = [one for folder in places.folders for one in below(folder, [f"{split.lower()}*" for split in taken])]
        stems = cls(Places(tuple(dict.fromkeys((*named, *places.folders)))))
        for folder in stems.places.folders:
            for name in _names(folder):
                if modality_of(name) is Modality.AUDIO:
                    stems._found.setdefault(Path(name).stem, folder / name)
        return stems

    def find(self, names: Sequence[str]) -> Path | None:
        """The first that is there, or None."""
        return next((self._found[name] for name in names if name in self._found), None)

    def __str__(self) -> str:
        return str(self.places)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names are all that is needed of 50,000
    except OSError:  # it may not be entered
        return []


def _split(path: Path) -> str:
    found = _SPLIT.search(path.stem)
    return found[0].lower() if found else path.stem


def _clips(tables: Iterable[table.Table]) -> dict[str, list[dict[str, str]]]:
    """The rows of each clip."""
    clips: dict[str, list[dict[str, str]]] = {}
    for row in (row for one in tables for row in one.rows):
        id = "_".join(filter(None, (row["youtube_id"].strip(), row.get("start_time", "").strip())))
        clips.setdefault(id, []).append(row)
    return clips


def _stems(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """All that the file of a clip may be called, the most telling first."""
    video = rows[0]["youtube_id"].strip()
    for spelled in (video, f"Y{video}"):
        yield from (f"{spelled}_{time}" for time in _times(rows[0].get("start_time", "").strip()))
        yield spelled
    yield from (row["audiocap_id"].strip() for row in rows if row.get("audiocap_id"))


def _times(start: str) -> Iterator[str]:
    if whole := _WHOLE.fullmatch(start):
        first, last = int(whole[1]), int(whole[1]) + SECONDS
        yield from (f"{first}_{last}", f"{first}", f"{first}000_{last}000", f"{first}000", f"{first}.000_{last}.000")
