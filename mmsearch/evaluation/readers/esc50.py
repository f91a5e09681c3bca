"""ESC-50: environmental sounds of fifty classes, forty of each.

Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015; https://github.com/karolpiczak/ESC-50::

    meta/esc50.csv: filename,fold,target,category,esc10,src_file,take
    audio/1-100032-A-0.wav

The splits are its folds, `fold1` to `fold5`; without one all are read, as papers do that learn nothing. A class is
asked for by its name, with blanks for underscores: `vacuum cleaner`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsearch.evaluation.gathering import Gathering
from mmsearch.evaluation.readers import table
from mmsearch.evaluation.readers.places import around
from mmsearch.evaluation.readers.splits import exclusive
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.readers.head import Head
    from mmsearch.evaluation.readers.splits import Wanted

NAMES: Final = ("*esc50*.csv", "*esc-50*.csv", "*esc10*.csv", "*esc-10*.csv")
SPLIT_BY_FILE: Final = False

_NEEDED: Final = ("filename", "fold", "category")


def knows(head: Head) -> bool:
    """Whether the first line names the columns of ESC-50."""
    return set(_NEEDED) <= set(table.columns(head.first_line))


def read(files: Sequence[Path], wanted: Wanted) -> Dataset:
    """Read all folds or one.

    Raises:
        DatasetError: it is malformed, there is no such fold, a sound is in two, or all its sounds are missing.
    """
    [path] = files
    found = table.read(path, _NEEDED)
    exclusive(path, ((row["filename"], _fold(row)) for row in found.rows))
    sizes = Counter(map(_fold, found.rows))
    gathering = Gathering(path, around(path), wanted.choose(path, sizes, sizes.__getitem__))
    gathering.broken(path, found.broken)
    for row in found.rows:
        if _fold(row) in gathering.chosen:
            name, label = row["filename"].strip(), row["category"].strip().replace("_", " ")
            gathering.label(Modality.AUDIO, name, label, names=tuple(_names(name)))
    return gathering.dataset()


def _fold(row: Mapping[str, str]) -> str:
    return f"fold{row['fold'].strip()}"


def _names(name: str) -> Iterator[str]:
    yield name
    yield from (str(Path(name).with_suffix(suffix)) for suffix in (".ogg", ".flac", ".mp3"))
