"""Flickr's captions with a numbered picture before each, as the authors publish them.

Hodosh, Young and Hockenmaier, "Framing Image Description as a Ranking Task", JAIR 2013 (Flickr8k); Young, Lai, Hodosh
and Hockenmaier, "From image descriptions to visual denotations", TACL 2014 (Flickr30k)::

    Flickr8k.token.txt, results_20130124.token: 1000268201_693b08cb0e.jpg#0<tab>A child in a pink dress is ...

The splits are lists beside it, see `split_lists`. Flickr8k's file names a picture that is not there,
`2258277193_586949ec62.jpg.1`: it is counted as missing, as every other. `Flickr8k.lemma.token.txt`, beside
it, is the same in base forms, and read if it is named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsearch.evaluation.readers import captioned, split_lists, table

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.readers.head import Head
    from mmsearch.evaluation.readers.splits import Wanted

NAMES: Final = ("flickr*k.token.txt", "*.token")
SPLIT_BY_FILE: Final = False

_LINE: Final = re.compile(r"([^\t#]+)#\d+\t(.*)")


def knows(head: Head) -> bool:
    """Whether the first line is a numbered picture and a caption."""
    return _LINE.fullmatch(head.first_line.strip()) is not None


def read(files: Sequence[Path], wanted: Wanted) -> Dataset:
    """Read one split of a file.

    Raises:
        DatasetError: it cannot be read, there is no such split, a picture is in two, all pictures of the split are
            missing, or none has a caption.
    """
    [path] = files
    captions: dict[str, list[str]] = {}
    broken = []
    for number, line in enumerate(table.text(path).split("\n"), 1):
        if found := _LINE.fullmatch(line.strip()):
            captions.setdefault(found[1].strip(), []).append(found[2].strip())
        elif line.strip():
            broken.append(number)
    gathering = captioned.gather(path, captions, split_lists.beside(path, captions), wanted)
    gathering.broken(path, broken)
    return gathering.dataset()
