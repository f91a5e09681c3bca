"""COCO's captions, and what else is written in the same form.

Chen et al., "Microsoft COCO Captions: Data Collection and Evaluation Server", 2015; https://cocodataset.org::

    captions_val2017.json: {"images": [{"id": 179765, "file_name": "000000179765.jpg"}, ...],
                            "annotations": [{"image_id": 179765, "id": 38, "caption": "A black Honda ..."}, ...]}

Each split is a file of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmsearch.errors import DatasetError
from mmsearch.evaluation.gathering import Gathering
from mmsearch.evaluation.readers import json_text, splits
from mmsearch.evaluation.readers.places import around
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.readers.head import Head
    from mmsearch.evaluation.readers.splits import Wanted

NAMES: Final = ("captions_*.json",)
SPLIT_BY_FILE: Final = True
EXPECTED: Final = 'COCO\'s {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}'
CAPTIONS: Final = 5
"""Of each picture of COCO: papers leave out the sixth and seventh that a few have."""

_ITS_OWN: Final = re.compile(r"captions_(train|val)20(14|17)")
_OF_2014: Final = re.compile(r"COCO_(?:train|val|test)2014_(\d{12}\.jpg)")


def knows(head: Head) -> bool:
    """Whether images with file names or annotations of images stand at the beginning."""
    return head.is_json_object and ({"images", "file_name"} <= head.keys or {"annotations", "image_id"} <= head.keys)


def read(files: Sequence[Path], wanted: Wanted) -> Dataset:
    """Read the file of one split, the splits being those for which there are files.

    Raises:
        DatasetError: it is malformed, there is no such split, all its pictures are missing, or none has a caption.
    """
    chosen, taken = wanted.choose_files(files, _split, lambda path: len(_load(path)["images"]))
    gathering = Gathering(splits.source(taken), around(files[0]), chosen)
    for path in taken.values():
        _gather(path, gathering)
    return gathering.dataset()


def first(captions: list[str], gathering: Gathering) -> list[str]:
    """Those of a picture of COCO that papers take."""
    if len(captions) > CAPTIONS:
        gathering.ignore(
            f"captions after a picture's first {CAPTIONS} left out, as papers do", len(captions) - CAPTIONS
        )
    return captions[:CAPTIONS]


def renamed(name: str) -> Iterator[str]:
    """What a picture of 2014 is called among those of 2017, where the same ones are."""
    if found := _OF_2014.fullmatch(name):
        yield found[1]


def _split(path: Path) -> str:
    return path.stem.removeprefix("captions_")


def _load(path: Path) -> Mapping[str, Any]:
    fields = json_text.value(json_text.text(path, EXPECTED), str(path), EXPECTED)
    images = json_text.rows(path, fields, "images", {"file_name": str})
    annotations = json_text.rows(path, fields, "annotations", {})
    bad = next((row for row in annotations if not isinstance(row.get("caption"), str)), None)
    if bad is not None:
        raise DatasetError(f"{path}: an annotation has {', '.join(bad)[:80]} and no caption; expected {EXPECTED}")
    return {"images": images, "annotations": annotations}


def _gather(path: Path, gathering: Gathering) -> None:
    fields = _load(path)
    captions: dict[str, list[str]] = {str(image.get("id")): [] for image in fields["images"]}
    if len(captions) < len(fields["images"]):
        raise DatasetError(f"{path}: several images have the same id; expected another for each")
    for annotation in fields["annotations"]:
        of = str(annotation.get("image_id"))
        if of in captions:
            captions[of].append(annotation["caption"].strip())
        else:
            gathering.ignore("captions of pictures that are not listed left out", example=f"of {of}")
    for image in fields["images"]:
        found = captions[str(image.get("id"))]
        name = image["file_name"]
        gathering.captions(
            Modality.IMAGE,
            name,
            first(found, gathering) if _ITS_OWN.match(path.stem) else found,
            names=(name, f"{_split(path)}/{name}", Path(name).name, *renamed(name)),
        )
