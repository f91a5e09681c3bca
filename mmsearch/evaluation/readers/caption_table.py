"""Tables with a file and a caption of it in each row.

Flickr's captions as they come from Kaggle, and what is written likewise::

    results.csv of Flickr30k: image_name| comment_number| comment
    captions.txt of Flickr8k: image,caption             captions.txt of Flickr30k: image_name,comment_number,comment
    metadata.csv of Hugging Face's folders: file_name,text

The splits are in a column `split`, or lists beside it, see `split_lists`. A line of Flickr30k's lacks its second bar,
and is mended: `2199200615.jpg| 4   A dog runs across the grass .`
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsearch.evaluation.readers import captioned, table
from mmsearch.evaluation.readers.head import Head
from mmsearch.evaluation.readers.split_lists import beside
from mmsearch.evaluation.readers.splits import exclusive

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.readers.splits import Wanted

NAMES: Final = ("results.csv", "captions.txt", "captions.csv", "metadata.csv")
SPLIT_BY_FILE: Final = False

FILE: Final = ("image", "image_name", "file_name", "filename", "audio")
CAPTION: Final = ("caption", "comment", "text")
NUMBER: Final = "comment_number"

_UNDIVIDED: Final = re.compile(r"\s*\d+\s+(.*\S)\s*")


def knows(head: Head) -> bool:
    """Whether the first line names a column of files and one of captions."""
    names = table.columns(head.first_line)
    return bool(_one(FILE, names) and _one(CAPTION, names))


def read(files: Sequence[Path], wanted: Wanted) -> Dataset:
    """Read one split of a file.

    Raises:
        DatasetError: it cannot be read, there is no such split, a file is in two, all files of the split are missing,
            or none has a caption.
    """
    [path] = files
    names = table.columns(Head.of(path).first_line)
    name, caption = _one(FILE, names), _one(CAPTION, names)
    found = table.read(path, [name])
    captions: dict[str, list[str]] = {}
    mended = []
    for row in found.rows:
        if caption not in row and (undivided := _UNDIVIDED.fullmatch(row.get(NUMBER, ""))):
            mended.append(row[name])
            row[caption] = undivided[1]
        captions.setdefault(row[name].strip(), []).append(row.get(caption, "").strip())
    gathering = captioned.gather(path, captions, _listed(path, found.rows, name) or beside(path, captions), wanted)
    gathering.broken(path, found.broken)
    if mended:
        gathering.ignore("captions taken from lines without their second bar", len(mended), example=mended[0])
    return gathering.dataset()


def _listed(path: Path, rows: Iterable[Mapping[str, str]], name: str) -> dict[str, str]:
    """The splits that a column states."""
    stated = [(row[name].strip(), row["split"].strip()) for row in rows if row.get("split", "").strip()]
    exclusive(path, stated)
    return dict(stated)


def _one(wanted: Iterable[str], names: Sequence[str]) -> str:
    """The first of the columns wanted that there is; empty if there is none."""
    return next((name for name in wanted if name in names), "")
