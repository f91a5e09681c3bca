"""Which models there are. A model is a function that takes no arguments; it is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mmsearch.errors import UnknownModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmsearch.encoders.base import Model

MODELS: dict[str, str] = {
    "lite": "mmsearch.encoders.lite:lite",
    "lite2": "mmsearch.encoders.lite:lite2",
    "fake": "mmsearch.encoders.fake:fake",
}


def load(name: str) -> Model:
    """Make the model of that name, fetching its weights if they are not in the cache.

    Raises:
        UnknownModel: no model has that name.
        WeightsMissing: its weights are not in the cache and could not be fetched.
    """
    if name not in MODELS:
        raise UnknownModel(f"there is no model {name!r}; there are: {', '.join(sorted(MODELS))}")
    module, function = MODELS[name].split(":")
    make: Callable[[], Model] = getattr(import_module(module), function)
    return make()
