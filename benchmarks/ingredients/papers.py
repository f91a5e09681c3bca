"""Data sets of the papers, in their usual layout, as manifests of ours.

::

    flickr30k/dataset_flickr30k.json   coco/dataset_coco.json     Karpathy's splits
    flickr30k/flickr30k-images/*.jpg   coco/val2014/*.jpg
    audiocaps/test.csv                 audiocaps/test/ID.*        ID: youtube_id, perhaps with Y before, _START behind
    clotho/clotho_captions_evaluation.csv                         clotho/evaluation/*.wav
    esc50/meta/esc50.csv               esc50/audio/*.wav
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

CAPTIONS = 5  # of each picture: papers leave out the sixth and seventh that a few of COCO's have
PROMPT = "This is a sound of {}."


def flickr30k(folder: Path) -> list[dict]:
    """The 1,000 pictures of Karpathy's test split."""
    return _karpathy(
        folder / "dataset_flickr30k.json", [folder / "flickr30k-images", folder / "flickr30k_images", folder]
    )


def coco(folder: Path) -> list[dict]:
    """The 5,000 pictures of Karpathy's test split."""
    return _karpathy(folder / "dataset_coco.json", [folder])


def audiocaps(folder: Path) -> list[dict]:
    """The clips of the test split that are there, with all their captions."""
    there = {path.stem: path for path in sorted((folder / "test").iterdir())}
    said: dict[Path, list[str]] = defaultdict(list)
    for row in _rows(folder / "test.csv"):
        name, start = row["youtube_id"], row["start_time"]
        for stem in (name, f"Y{name}", f"{name}_{start}", f"Y{name}_{start}", row["audiocap_id"]):
            if stem in there:
                said[there[stem]].append(row["caption"])
                break
    return [{"audio": str(path.absolute()), "captions": captions} for path, captions in said.items()]


def clotho(folder: Path) -> list[dict]:
    """The evaluation split."""
    return [
        {
            "audio": str((folder / "evaluation" / row["file_name"]).absolute()),
            "captions": [row[f"caption_{number}"] for number in range(1, 6)],
        }
        for row in _rows(folder / "clotho_captions_evaluation.csv")
    ]


def esc50(folder: Path) -> list[dict]:
    """All 2,000 clips, each class as a sentence: what finds its own class first is classified rightly."""
    return [
        {
            "audio": str((folder / "audio" / row["filename"]).absolute()),
            "label": PROMPT.format(row["category"].replace("_", " ")),
        }
        for row in _rows(folder / "meta" / "esc50.csv")
    ]


READERS = {"flickr30k": flickr30k, "coco": coco, "audiocaps": audiocaps, "clotho": clotho, "esc50": esc50}
"""By the name of the folder. Each raises `FileNotFoundError` if its description is not there."""


def _karpathy(path: Path, folders: list[Path]) -> list[dict]:
    found = []
    for entry in json.loads(path.read_text("utf-8"))["images"]:
        if entry["split"] == "test":
            name = Path(entry.get("filepath", ""), entry["filename"])
            place = next((folder / name for folder in folders if (folder / name).is_file()), folders[0] / name)
            captions = [sentence["raw"].strip() for sentence in entry["sentences"][:CAPTIONS]]
            found.append({"image": str(place.absolute()), "captions": captions})
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
