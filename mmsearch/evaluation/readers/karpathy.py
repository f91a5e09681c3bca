"""Karpathy's JSON of Flickr8k, Flickr30k and COCO: captions and the splits that most papers report.

Karpathy and Fei-Fei, "Deep Visual-Semantic Alignments for Generating Image Descriptions", CVPR 2015::

    {"images": [{"filepath": "val2014", "filename": "COCO_val2014_000000391895.jpg", "split": "test",
                 "sentences": [{"raw": "A man with a red helmet on a small moped on a dirt road. ", "tokens": [...]}],
                 ...}, ...], "dataset": "coco"}

`filepath` is COCO's only. Its splits are train, restval, val and test; papers learn from train+restval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmsearch.evaluation.gathering import Gathering
from mmsearch.evaluation.readers import coco, json_text
from mmsearch.evaluation.readers.places import around
from mmsearch.evaluation.readers.splits import exclusive
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.readers.head import Head
    from mmsearch.evaluation.readers.splits import Wanted

NAMES: Final = ("dataset_*.json", "dataset.json", "*karpathy*.json")
SPLIT_BY_FILE: Final = False
EXPECTED: Final = 'Karpathy\'s {"images": [{"filename", "split", "sentences": [{"raw"}]}]}'


def knows(head: Head) -> bool:
    """Whether images with sentences stand at the beginning."""
    return head.is_json_object and {"images", "sentences"} <= head.keys


def read(files: Sequence[Path], wanted: Wanted) -> Dataset:
    """Read one split of one file.

    Raises:
        DatasetError: it is malformed, there is no such split, all pictures of the split are missing, or none has a
            caption.
    """
    [path] = files
    fields = json_text.value(json_text.text(path, EXPECTED), str(path), EXPECTED)
    images = json_text.rows(path, fields, "images", {"filename": str, "split": str, "sentences": list})
    exclusive(path, ((image["filename"], image["split"]) for image in images))
    sizes = Counter(image["split"] for image in images)
    gathering = Gathering(path, around(path), wanted.choose(path, sizes, sizes.__getitem__))
    for number, image in enumerate(images, 1):
        if image["split"] in gathering.chosen:
            place = f'{path}, "images" {number}, sentence'
            captions = [_text(one) for one in json_text.objects(image["sentences"], place)]
            if fields.get("dataset") == "coco":
                captions = coco.first(captions, gathering)
            gathering.captions(Modality.IMAGE, image["filename"], captions, names=tuple(_names(image)))
    return gathering.dataset()


def _text(sentence: Mapping[str, Any]) -> str:
    raw = sentence.get("raw")
    if isinstance(raw, str):
        return raw.strip()
    tokens = sentence.get("tokens")
    return " ".join(map(str, tokens)) if isinstance(tokens, list) else ""


def _names(image: Mapping[str, Any]) -> Iterator[str]:
    name = image["filename"]
    if image.get("filepath"):
        yield f"{image['filepath']}/{name}"
    yield name
    yield from coco.renamed(name)
