"""Lists of the pictures of each split, as they come with Flickr8k and Flickr30k: a name a line.

::

    Flickr_8k.trainImages.txt, Flickr_8k.devImages.txt, Flickr_8k.testImages.txt      names
    train.txt, val.txt, test.txt; flickr30k_train.txt, ...                            names, or names without suffix
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from mmsearch.evaluation.readers import table
from mmsearch.evaluation.readers.places import DESCRIPTIONS, below
from mmsearch.evaluation.readers.splits import exclusive

_LIST: Final = re.compile(r"(?:.*[._-])?(train|dev|val|test)(?:images)?\.txt", re.IGNORECASE)


def beside(description: Path, names: Collection[str]) -> dict[str, str]:
    """The splits of pictures, by name, where a list names them.

    Lists that name none of the pictures are something else. Those that a list names and nobody describes are nothing
    to evaluate with.

    Args:
        description: the file of captions. Lists lie beside it, or in a folder for descriptions below.
        names: of the pictures that it describes.

    Raises:
        DatasetError: a picture is in two lists, or one cannot be read.
    """
    known = {spelled: name for name in names for spelled in (Path(name).stem, name)}
    folders = (description.parent, *below(description.parent, DESCRIPTIONS))
    stated = [
        (known[name], found[1].lower())
        for folder in folders
        for path in sorted(folder.iterdir())
        if path != description and (found := _LIST.fullmatch(path.name)) and path.is_file()
        for name in map(str.strip, table.text(path).split("\n"))
        if name in known
    ]
    exclusive(description.parent, stated)
    return dict(stated)
