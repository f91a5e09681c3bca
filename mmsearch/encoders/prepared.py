"""Models that were made ready: a folder in the cache for each, so that only its making needs torch.

::

    models/clip-2b6f…    card.json      what the model is: dimension, input, sha256 of the weights, ..
                         image.onnx     towers, those that could be exported
                         text.onnx      (and .data)
                         tokenizer.json and what else the family needs
                         SHA256SUMS

The name of a folder follows from the spec, from size and time of local weight files, and from the versions of what made
it: other weights at the same place, or another ONNX Runtime, make another folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from mmsearch.errors import WeightsDamaged, WeightsMissing
from mmsearch.packages import cache_folder, installing

RECIPE: Final = 2
"""Raised whenever the same weights are made into other files."""

CARD, SUMS = "card.json", "SHA256SUMS"
NEEDED: Final = {"dim", "weights"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A folder with everything that a CPU needs to encode.

    Attributes:
        folder: in the cache.
        card: JSON values. Of all families: `weights` (sha256 by file name), `files` (where they were), `version` (of
            the vectors: follows from weights, architecture and preprocessing), `parameters`.
    """

    folder: Path
    card: Mapping[str, Any]

    def file(self, name: str) -> Path:
        """The path of a file, which may not be there: not every tower can be exported."""
        return self.folder / name

    def damaged(self) -> list[Path]:
        """The files that are not as they were made: hashes all of them."""
        try:
            lines = (self.folder / SUMS).read_text().splitlines()
        except OSError:
            return [self.folder / SUMS]
        files = [(self.folder / name, made) for made, name in (line.split("  ", 1) for line in lines)]
        return [path for path, made in files if not path.is_file() or digest(path) != made]


def find(family: str, spec: str, files: Sequence[Path] = ()) -> Prepared | None:
    """The model as it was made ready before.

    Args:
        family: such as `clip`.
        spec: the whole name.
        files: the weights, where they are the user's own.

    Raises:
        WeightsMissing: one of these files is not there.
        WeightsDamaged: the card cannot be read.
    """
    folder = _folder(family, spec, files)
    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise WeightsDamaged(f"{folder / CARD} cannot be read ({error}); remove {folder}, it is made again") from error
    if not isinstance(card, dict) or not card.keys() >= NEEDED:
        raise WeightsDamaged(f"{folder / CARD} is not complete; remove {folder}, it is made again")
    return Prepared(folder, card)


def make(family: str, spec: str, files: Sequence[Path], build: Callable[[Path], dict[str, Any]]) -> Prepared:
    """Make a model ready, under a lock: any number of processes may try at once, and any may be killed.

    Args:
        family: as in `find`.
        spec: as in `find`.
        files: as in `find`.
        build: writes the files into a folder and returns the card.

    Raises:
        ModelError: what `build` raises.
        WeightsMissing: the cache cannot be written.
    """
    with installing(_folder(family, spec, files)) as (_, staging):
        found = find(family, spec, files)
        if found is None:
            card = build(staging)
            (staging / CARD).write_text(json.dumps(card, indent=1, sort_keys=True), "utf-8")
            lines = [f"{digest(path)}  {path.name}\n" for path in sorted(staging.iterdir())]
            (staging / SUMS).write_text("".join(lines))
    found = find(family, spec, files)
    if found is None:
        raise WeightsDamaged(f"the files of {spec} changed while it was being made ready; try again")
    return found


def digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _folder(family: str, spec: str, files: Sequence[Path]) -> Path:
    made_of: list[Any] = [RECIPE, spec, version("onnxruntime")]
    for path in files:
        try:
            stat = path.stat()
        except OSError as error:
            raise WeightsMissing(
                f"there are no weights at {path} ({error.strerror}); name the place where they are"
            ) from error
        made_of.append((path.name, stat.st_size, stat.st_mtime_ns))
    key = hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]
    return cache_folder() / "models" / f"{family}-{key}"
