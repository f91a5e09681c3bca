"""Photos with classes, where none are to be had: those of a captioned set whose captions agree on what is to be seen.

A photo is of a class if at least three of its captions say so and fewer than two say so of any other. That keeps photos
that are plainly of one thing, and leaves out the rest: figures on them are kinder than on photos as they come. At most
`MOST` of a class are taken, in the order of the file, for otherwise dogs were a third of all.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

AGREE, OTHER, MOST, LEAST = 3, 2, 40, 5

CLASSES = {
    "dog": r"dogs?|pupp(?:y|ies)",
    "snow": r"snow|snowy|ski(?:er|ing|s)?|snowboard\w*|sled\w*",
    "beach": r"beach|shore|sand|ocean",
    "swimming pool": r"pool",
    "bicycle": r"bikes?|bicycl\w+|biker|cyclist",
    "skateboard": r"skateboard\w*",
    "soccer": r"soccer",
    "basketball": r"basketball",
    "baseball": r"baseball|softball",
    "tennis": r"tennis",
    "rock climbing": r"climb\w*",
    "American football": r"football",
    "surfing": r"surf\w*",
    "playground": r"playground|swings?|slide",
    "motorcycle": r"motorcycles?|motorbike|dirtbike",
    "horse": r"horses?",
    "boat": r"boats?|kayak\w*|canoe\w*|raft\w*",
    "guitar": r"guitars?",
}


def photos(folder: Path) -> list[tuple[Path, str, list[str]]]:
    """Photo, class and captions, from a folder with `captions.json`; classes with fewer than `LEAST` are left out."""
    patterns = {name: re.compile(rf"\b(?:{words})\b") for name, words in CLASSES.items()}
    found: dict[str, list[tuple[Path, str, list[str]]]] = {name: [] for name in CLASSES}
    for row in json.loads((folder / "captions.json").read_text("utf-8")):
        said = {name: sum(bool(p.search(text.lower())) for text in row["captions"]) for name, p in patterns.items()}
        first, second = sorted(said.values(), reverse=True)[:2]
        name = max(said, key=said.__getitem__)
        if first >= AGREE and second < OTHER and len(found[name]) < MOST:
            found[name].append((folder / row["image"], name, row["captions"]))
    return [photo for some in found.values() if len(some) >= LEAST for photo in some]
