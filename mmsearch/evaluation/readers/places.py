"""Where the pictures and sounds of a dataset lie: beside its description, or in folders with the usual names."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Patterns of names of folders of descriptions within a dataset's folder; in lower case, as all names here.
DESCRIPTIONS = (
    "annotation*",
    "meta*",
    "caption*",
    "*_captions",
    "*csv_files",
    "dataset*",
    "flickr*_text*",
    "karpathy*",
    "splits",
)

# Patterns of names of folders of media: as Flickr8k, Flickr30k, COCO, Clotho, AudioCaps and ESC-50 come, and as they
# are usually unpacked. Some archives hold a folder of the same name as the one that they are unpacked to.
MEDIA = (
    "image*",
    "img*",
    "picture*",
    "photo*",
    "flick*r8k_dataset",
    "flickr8k*images",
    "flickr30k*images",
    "coco*",
    "mscoco*",
    "train20*",
    "val20*",
    "test20*",
    "audio*",
    "clotho_audio*",
    "wav*",
    "sound*",
)


@dataclass(frozen=True, slots=True)
class Places:
    """Folders in which a dataset's files are looked for, in this order."""

    folders: tuple[Path, ...]

    def find(self, names: Sequence[str]) -> Path | None:
        """The first file that has one of these names below one of the folders, or None."""
        for name in names:
            for folder in self.folders:
                try:
                    if (folder / name).is_file():
                        return folder / name
                except OSError:  # a name too long for any file, a folder that may not be entered
                    continue
        return None

    def __str__(self) -> str:
        return ", ".join(map(str, self.folders))


def around(description: Path) -> Places:
    """Where the media of a description may lie.

    Its own folder and what that holds of folders with the usual names, two deep. If it is a folder for descriptions,
    also the folder that it lies in, likewise.
    """
    folder = description.absolute().parent
    above = _usual(folder.parent) if matches(folder.name, DESCRIPTIONS) else ()
    return Places(tuple(dict.fromkeys((*_usual(folder), *above))))


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name is of one of the patterns, which are lower case; case does not matter."""
    return any(fnmatch.fnmatchcase(name.lower(), pattern) for pattern in patterns)


def below(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Folders directly in a folder whose names match, by name."""
    try:
        with os.scandir(folder) as found:
            names = [one.name for one in found if one.is_dir()]
    except OSError:
        return []
    return [folder / name for name in sorted(names) if matches(name, patterns)]


def _usual(folder: Path) -> Iterator[Path]:
    yield folder
    for one in below(folder, MEDIA):
        yield one
        yield from below(one, MEDIA)
