"""The packages of the `clip` extra: imported late, from here only, and made to work together.

The registry's torchvision is built for CUDA. Beside a torch for the CPU its import fails, `operator torchvision::nms
does not exist`, because what registers those operators is a library that cannot be loaded; open_clip and transformers
import torchvision for resizing, and need none of them. So the operators are declared, without an implementation, and
torchvision is imported again. Where torchvision is sound, or is not there, nothing happens.
"""

from __future__ import annotations

import os
import sys
import warnings
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from mmsearch.errors import MissingExtra

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[Any] = []  # a torch library unregisters what it declared when it is collected


def torch() -> Any:  # noqa: ANN401  (mypy must pass without it)
    """The module `torch`.

    Raises:
        MissingExtra: it is not installed.
    """
    return _module("torch")


@cache
def open_clip() -> Any:  # noqa: ANN401
    """The module `open_clip`.

    Raises:
        MissingExtra: it, or torch, is not installed.
    """
    _mend_torchvision()
    return _module("open_clip")


@cache
def transformers() -> Any:  # noqa: ANN401
    """The module `transformers`.

    Raises:
        MissingExtra: it, or torch, is not installed.
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it greets on standard error
    _mend_torchvision()
    return _module("transformers")


def _module(name: str) -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they deprecate among each other helps nobody
            return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f'CLIP, CLAP and cross-encoders need the package {error.name}: pip install "mmsearch[clip]" '
            "(which torch to take, the README tells)"
        ) from error
    except (ImportError, OSError) as error:  # a library of its own that it cannot load
        said = str(error).strip().partition("\n")[0]
        raise MissingExtra(f"the package {name} cannot be imported ({said}); install it again") from error


@cache
def _mend_torchvision() -> None:
    library = torch().library
    try:
        _module("torchvision")
    except MissingExtra:
        return
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        declared = library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            declared.define(f"{operator}{_SCHEMA}")
        _declared.append(declared)
        _module("torchvision")
