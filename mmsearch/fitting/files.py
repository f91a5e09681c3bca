"""A fit in a file of its own, to be carried to another index of the same model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mmsearch.errors import FitError
from mmsearch.fitting.fit import Fit
from mmsearch.store.fits import version_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MARK = b"mmsearch fit\n"


def write(path: Path, name: str, card: Mapping[str, Any], fit: Fit) -> None:
    """Write a fit to a new file: a line that says what it is, a line of JSON with its name, card, version; its content.

    Raises:
        FitError: the file is there already, or cannot be written.
    """
    head = json.dumps({"name": name, "version": fit.version, "card": dict(card)}).encode()
    try:
        with path.open("xb") as file:
            try:
                file.write(MARK + head + b"\n" + fit.content)
                file.flush()
            except OSError:
                path.unlink()
                raise
    except OSError as error:
        raise FitError(f"cannot write the fit to {path}: {error.strerror or error}") from error


def read(path: Path) -> tuple[str, dict[str, Any], Fit]:
    """The name, the card and the fit of a file.

    Raises:
        FitError: it cannot be read, is no fit, or is not what was written.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FitError(f"cannot read the fit {path}: {error.strerror or error}") from error
    if not data.startswith(MARK):
        raise FitError(f"{path} is no fit of mmsearch; `mmsearch fit --export` writes one")
    line, _, content = data[len(MARK) :].partition(b"\n")
    try:
        said = json.loads(line)
        name, card, version = str(said["name"]), dict(said["card"]), said["version"]
        if not isinstance(card.get("held_out", {}), dict):
            raise ValueError("its figures are none")
    except (ValueError, TypeError, KeyError) as error:
        raise FitError(f"{path} is damaged: its card cannot be read") from error
    if version_of(content) != version:
        raise FitError(f"{path} is damaged: its content is not what was written; copy it again")
    return name, card, Fit.parse(content)
