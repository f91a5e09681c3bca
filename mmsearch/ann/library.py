"""FAISS, imported late and with settled threads."""

from __future__ import annotations

import os
from functools import cache
from importlib import metadata
from typing import Any

from mmsearch.errors import MissingExtra

WHEELS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs", "faiss-gpu-cu12")


@cache
def faiss() -> Any:  # noqa: ANN401  (a module without types)
    """The module `faiss`.

    Its idle threads sleep: those of FAISS and torch would else take the cores from each other.

    Raises:
        MissingExtra: it is not installed, or two packages that provide it are.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    found = [wheel for wheel in WHEELS if _installed(wheel)]
    if len(found) > 1:
        raise MissingExtra(f"{' and '.join(found)} provide the same module: pip uninstall all but one of them")
    try:
        import faiss as module
    except ImportError as error:
        raise MissingExtra(
            f'approximate structures need FAISS ({error}): pip install "mmsearch[faiss]", or "mmsearch[gpu]" for GPUs'
        ) from error
    return module


def has_gpus() -> bool:
    """Whether FAISS is installed and built for GPUs; there may be none."""
    try:
        return hasattr(faiss(), "StandardGpuResources")
    except MissingExtra:
        return False


def has_cuvs() -> bool:
    """Whether FAISS is installed and built with cuVS, which has CAGRA."""
    try:
        return hasattr(faiss(), "GpuIndexCagra")
    except MissingExtra:
        return False


def _installed(wheel: str) -> bool:
    try:
        metadata.version(wheel)
    except metadata.PackageNotFoundError:
        return False
    return True
