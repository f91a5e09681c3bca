"""Where bridges are kept: one for each pair of spaces in the cache, and a copy in every index that was joined."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsearch.encoders.bridge import bridge
from mmsearch.encoders.bridge.bridge import Bridge
from mmsearch.errors import ModelError
from mmsearch.packages import cache_folder

if TYPE_CHECKING:
    from mmsearch.encoders.base import Model
    from mmsearch.types import Space

FILE: Final = "bridge.npz"
"""In the folder of an index."""


def find(a: Space, b: Space, index: Path) -> Bridge | None:
    """The bridge between two spaces: of the index, else of the cache; None if there is none, or none that is intact."""
    for path in (index / FILE, place(a, b)):
        try:
            found = bridge.load(path)
        except ModelError:  # it can be made again at any time
            continue
        if found.joins(a, b):
            return found
    return None


def fit(
    model: Model,
    own: Sequence[str] = (),
    index: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Bridge:
    """The bridge of a model with two spaces; made if it is not in the cache, or was made of other texts.

    Args:
        model: such as `clip+clap`.
        own: the user's own texts, beside the built-in captions. With them the bridge is that of the index alone.
        index: the folder of the index that gets a copy.
        progress: see `build`.

    Raises:
        ModelError: as `build`, or it cannot be written.
    """
    from mmsearch import captions
    from mmsearch.encoders.bridge.build import build, ends

    first, second = ends(model)
    # The user's own texts are about this index: other indexes of the model must not answer otherwise for them.
    path = index / FILE if own and index is not None else place(first.space, second.space)
    bank = f"captions {captions.version()}"
    if own:
        bank += f", own texts {hashlib.sha256(repr(list(own)).encode()).hexdigest()[:12]}"
    try:
        found = bridge.load(path)
    except ModelError:
        found = None
    if found is None or found.bank != bank or not found.joins(first.space, second.space):
        found = build(model, [*captions.bank(), *own], bank, progress)
        found.save(path)
    if index is not None and path != index / FILE:
        found.save(index / FILE)
    return found


def place(a: Space, b: Space) -> Path:
    """Where in the cache the bridge between two spaces is kept; the same in either order."""
    spaces = sorted((space.name, space.version, space.dim) for space in (a, b))
    names = "-".join("".join(c if c.isalnum() else "_" for c in name) for name, _, _ in spaces)
    return cache_folder() / "bridges" / f"{names}-{hashlib.sha256(repr(spaces).encode()).hexdigest()[:16]}.npz"
