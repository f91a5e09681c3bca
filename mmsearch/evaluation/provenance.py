"""What somebody needs to get the same figures again: model, weights, index policy, data, seeds, versions.

There is no time in it and no folder: the same command on the same files says the same.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.store.structures import Standing

PACKAGES = ("mmsearch", "numpy")
# Which take part is known by their modules, which may come from packages of several names.
IF_LOADED = {
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "faiss": ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "faiss-gpu-cuvs"),
    "torch": ("torch",),
}


def provenance(
    dataset: Dataset,
    path: Path | None,
    identity: Mapping[str, Any],
    structures: Sequence[Standing],
    fits: Sequence[tuple[str, str]],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """JSON values of everything that figures depend on.

    Args:
        dataset: that is asked.
        path: that it was read from; None if it was made in memory.
        identity: of the index: its model, versions, spaces, sha256 of the weights.
        structures: of the index.
        fits: names and versions of those that the index uses.
        settings: of the evaluation, such as rerankers, depth and seeds.
    """
    return {
        "dataset": {"name": dataset.name, "split": dataset.split, "sha256": _sha256(dataset, path)},
        "model": dict(identity),
        "fits": [f"{name} {version}" for name, version in fits],
        "structures": [_structure(one) for one in structures],
        "settings": dict(settings),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of Python, of this package, and of the numerical libraries that are loaded."""
    found = {"python": platform.python_version()}
    loaded = {module: packages for module, packages in IF_LOADED.items() if module in sys.modules}
    for name, packages in ({name: (name,) for name in PACKAGES} | loaded).items():
        for package in packages:
            try:
                found[name] = version(package)
                break
            except PackageNotFoundError:
                continue
    return found


def _structure(standing: Standing) -> dict[str, Any]:
    asked = {
        modality: {"effort": one.effort, "fetch": one.fetch, "recall": one.recall}
        for modality, one in sorted(standing.settings.items())
    }
    return {"space": standing.name, "modality": standing.modality, "recipe": standing.recipe, "asked": asked}


def _sha256(dataset: Dataset, path: Path | None) -> str:
    """Of the file; where there is none, or several, of what was read: ids, texts and judgements."""
    digest = hashlib.sha256()
    if path is not None and path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: digest).hexdigest()
    records = [(record.id, record.text) for record in dataset.records]
    judged = [
        (one.direction, [(id, sorted(answers)) for id, answers in one.qrels.items()], one.grades)
        for one in dataset.judgements
    ]
    digest.update(json.dumps([records, judged], sort_keys=True, default=dict).encode())
    return digest.hexdigest()
