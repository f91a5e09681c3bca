"""Data sets of a few real media in the layouts of the papers', to try out what reads those."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

from ingredients import media

KINDS = ("dog", "rooster", "rain", "sea_waves")


def write(place: Path, pictures: int = 40, sounds: int = 12) -> Path:
    """Write them below `place` / data; the captions are Flickr8k's where it is, else the names of the files."""
    folder = place / "data"
    found = media.originals(place)[:pictures]
    described = media.CAPTIONED / "captions.json"
    said = {}
    if described.is_file():
        said = {Path(one["image"]).name: one["captions"] for one in json.loads(described.read_text("utf-8"))}
    for name, below in (("flickr30k", "flickr30k-images"), ("coco", "val2014")):
        (folder / name / below).mkdir(parents=True)
        entries = []
        for path in found:
            shutil.copy(path, folder / name / below / path.name)
            sentences = [{"raw": caption} for caption in said.get(path.name, [path.stem.replace("-", " ")])]
            entry = {"split": "test", "filename": path.name, "sentences": sentences}
            entries.append(entry | ({"filepath": below} if name == "coco" else {}))
        (folder / name / f"dataset_{name}.json").write_text(json.dumps({"images": entries}), "utf-8")
    heard = media.recordings(place)[:sounds]
    for below in ("audiocaps/test", "clotho/evaluation", "esc50/audio", "esc50/meta"):
        (folder / below).mkdir(parents=True)
    for number, path in enumerate(heard):
        shutil.copy(path, folder / "audiocaps/test" / f"Y{number}{path.suffix}")
        shutil.copy(path, folder / "clotho/evaluation" / path.name)
        shutil.copy(path, folder / "esc50/audio" / path.name)
    kinds = [KINDS[number % len(KINDS)] for number in range(len(heard))]
    _table(
        folder / "audiocaps/test.csv",
        [
            {"audiocap_id": 10 * number + say, "youtube_id": number, "start_time": 0, "caption": f"{kind} {say}"}
            for number, kind in enumerate(kinds)
            for say in range(5)
        ],
    )
    _table(
        folder / "clotho/clotho_captions_evaluation.csv",
        [
            {"file_name": path.name} | {f"caption_{say}": f"{kind} {say}" for say in range(1, 6)}
            for path, kind in zip(heard, kinds, strict=True)
        ],
    )
    _table(
        folder / "esc50/meta/esc50.csv",
        [{"filename": path.name, "fold": 1, "category": kind} for path, kind in zip(heard, kinds, strict=True)],
    )
    return folder


def _table(path: Path, rows: list[dict]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
