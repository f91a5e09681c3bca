"""A folder with a folder of pictures or sounds for each class, as torchvision's `ImageFolder` reads it.

::

    flowers/daisy/*.jpg, flowers/red_rose/*.jpg                          labels: daisy, red rose
    flowers/train/daisy/*.jpg, flowers/val/daisy/*.jpg                   the same, with splits
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from mmsearch.errors import DatasetError
from mmsearch.evaluation.datasets import Dataset
from mmsearch.evaluation.gathering import Gathering
from mmsearch.evaluation.readers.candidates import looked_for
from mmsearch.evaluation.readers.places import DESCRIPTIONS, MEDIA, Places, matches
from mmsearch.evaluation.readers.splits import Wanted
from mmsearch.media.formats import modality_of
from mmsearch.types import Modality

SPLITS: Final = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing"})

_SHOWN = 8  # in the message that nothing was found


class _File(NamedTuple):
    modality: Modality
    parts: tuple[str, ...]  # of its path below the folder

    @property
    def name(self) -> str:
        return str(Path(*self.parts))


def read(folder: Path, wanted: Wanted) -> Dataset:
    """Read a folder. Class folders may have folders of their own; blanks stand for underscores in a label.

    Raises:
        DatasetError: there are no class folders, or only one, or there is no such split.
    """
    files = _files(folder)
    inside = [file for file in files if len(file.parts) > 1]
    split = bool(inside) and all(len(file.parts) > 2 and file.parts[0].lower() in SPLITS for file in inside)
    labels = {file.parts[split] for file in inside}
    if len(labels) < 2 or all(matches(label, MEDIA) for label in labels):
        held = f"in {', '.join(sorted(labels)[:_SHOWN])}" if labels else "in none"
        raise DatasetError(
            f"{folder}: nothing to evaluate with: no file is called {looked_for()} or such, here or in a folder such "
            f"as {', '.join(DESCRIPTIONS[:2])}; nor is there a folder for each of several classes ({held} are pictures "
            "or sounds)"
        )
    sizes = Counter(file.parts[0] for file in inside if split)
    gathering = Gathering(folder, Places((folder,)), wanted.choose(folder, sizes, sizes.__getitem__))
    for file in inside:
        if not _is_text(file.name):
            gathering.ignore("files whose names are no text left out")
        elif (file.parts[0] if split else None) in gathering.chosen:
            gathering.label(file.modality, file.name, file.parts[split].replace("_", " "))
    if len(inside) < len(files):
        gathering.ignore("files outside of class folders left out", len(files) - len(inside))
    return gathering.dataset()


def _files(folder: Path) -> list[_File]:
    """Pictures and sounds at any depth, but for hidden ones, by name."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        above = Path(place).relative_to(folder).parts
        for name in sorted(names):
            modality = modality_of(name)
            if modality in (Modality.IMAGE, Modality.AUDIO) and not name.startswith("."):
                found.append(_File(modality, (*above, name)))
    return found


def _is_text(name: str) -> bool:
    """Whether the bytes of a name on disk could be decoded: no index takes an id or a label that could not."""
    return not any("\udc80" <= character <= "\udcff" for character in name)
