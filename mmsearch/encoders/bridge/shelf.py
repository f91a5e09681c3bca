"""Where bridges are kept: one for each pair of spaces in the cache, and a copy in every index that was joined."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
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
    progress: Callable[[str, int, int], None] | None = None,
) -> Bridge:
    """Join the two spaces of a model such as `clip+clap` through what both understand: text.

    Some 20,000 captions are encoded by both text towers, and linear maps between the spaces fitted to them, in closed
    form. That takes minutes on a CPU, and is done once: the bridge is kept in the cache, for all indexes of the model,
    and made anew only of other texts. Then pictures find sounds and sounds pictures.

    Args:
        model: such as `clip+clap`.
        own: the user's own texts, of what the media show, beside the built-in captions. With them the bridge is that
            of the index alone.
        index: the folder of the index that gets a copy.
        progress: told what is being done, how much of it is done, and of how much.

    Raises:
        ModelError: the model has not two spaces that have text, or the bridge cannot be written.
        BridgeRefused: texts do not find themselves across the bridge clearly better than by chance.
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
        told = None if progress is None else partial(progress, "encoding captions")
        found = build(model, [*captions.bank(), *own], bank, told)
        found.save(path)
    if index is not None and path != index / FILE:
        found.save(index / FILE)
    return found


def place(a: Space, b: Space) -> Path:
    """Where in the cache the bridge between two spaces is kept; the same in either order."""
    spaces = sorted((space.name, space.version, space.dim) for space in (a, b))
    names = "-".join("".join(c if c.isalnum() else "_" for c in name) for name, _, _ in spaces)
    return cache_folder() / "bridges" / f"{names}-{hashlib.sha256(repr(spaces).encode()).hexdigest()[:16]}.npz"
