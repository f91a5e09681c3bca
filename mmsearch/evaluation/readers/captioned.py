"""Captions by file name, some of them in splits: what both of Flickr's forms come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.evaluation.gathering import Gathering
from mmsearch.evaluation.readers.places import around
from mmsearch.media.formats import modality_of
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.readers.splits import Wanted


def gather(path: Path, captions: Mapping[str, Sequence[str]], listed: Mapping[str, str], wanted: Wanted) -> Gathering:
    """Gather the files of one split.

    Args:
        path: where the captions stand.
        captions: by name of the file.
        listed: splits by name of the file, as far as there are any.
        wanted: which split.

    Raises:
        DatasetError: there is no such split.
    """
    sizes = Counter(listed.values())
    gathering = Gathering(path, around(path), wanted.choose(path, sizes, sizes.__getitem__))
    for name, texts in captions.items():
        if listed.get(name) in gathering.chosen:
            sound = modality_of(name) is Modality.AUDIO
            gathering.captions(Modality.AUDIO if sound else Modality.IMAGE, name, texts)
        elif name not in listed:
            gathering.ignore("files that no split names left out", example=name)
    return gathering
