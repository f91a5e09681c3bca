"""Clotho: sounds of Freesound with five captions each.

Drossos, Lipping and Virtanen, "Clotho: an Audio Captioning Dataset", ICASSP 2020; https://zenodo.org/records/4783391::

    clotho_captions_development.csv, ..._validation.csv, ..._evaluation.csv: file_name,caption_1,...,caption_5
    development/*.wav, validation/*.wav, evaluation/*.wav      or below clotho_audio_files/, or clotho_audio_.../

Papers learn from development and report evaluation. Some names begin with a blank, in the table and on disk, as they do
at Freesound; some programs that unpack the archives drop it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsearch.evaluation.gathering import Gathering
from mmsearch.evaluation.readers import splits, table
from mmsearch.evaluation.readers.places import around
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.readers.head import Head
    from mmsearch.evaluation.readers.splits import Wanted

NAMES: Final = ("*clotho*captions*.csv", "*captions*clotho*.csv")
SPLIT_BY_FILE: Final = True

_NEEDED: Final = ("file_name", "caption_1")
_PREFIX: Final = re.compile(r"clotho_captions_|_?clotho_?|_?captions_?", re.IGNORECASE)
_CAPTION: Final = re.compile(r"caption_\d+")


def knows(head: Head) -> bool:
    """Whether the first line names the columns of Clotho."""
    return set(_NEEDED) <= set(table.columns(head.first_line))


def read(files: Sequence[Path], wanted: Wanted) -> Dataset:
    """Read the file of one split, the splits being those for which there are files.

    Raises:
        DatasetError: it is malformed, there is no such split, all its sounds are missing, or none has a caption.
    """
    chosen, taken = wanted.choose_files(files, _split, lambda path: len(table.read(path, _NEEDED).rows))
    gathering = Gathering(splits.source(taken), around(files[0]), chosen)
    for split, path in taken.items():
        found = table.read(path, _NEEDED)
        gathering.broken(path, found.broken)
        for row in found.rows:
            name = row["file_name"]
            captions = [text.strip() for column, text in row.items() if _CAPTION.fullmatch(column)]
            gathering.captions(Modality.AUDIO, f"{split}/{name}", captions, names=tuple(_names(split, name)))
    return gathering.dataset()


def _split(path: Path) -> str:
    return _PREFIX.sub("", path.stem)


def _names(split: str, name: str) -> Iterator[str]:
    for spelled in dict.fromkeys((name, name.strip())):
        yield from (f"{split}/{spelled}", f"clotho_audio_{split}/{spelled}", spelled)
