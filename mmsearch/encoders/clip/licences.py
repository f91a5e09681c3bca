"""Licences of published weights, as their model cards give them. For others the model card must be read."""

from __future__ import annotations

from mmsearch.encoders.clip.needs import Part, needs
from mmsearch.encoders.clip.source import Source

_BY_REPOSITORY = {"laion/": "MIT", "timm/ViT-": "Apache-2.0"}  # SigLIP is what timm calls ViT-
_BY_TAG = {"openai": "MIT"}


def of(source: Source) -> str | None:
    """The licence of weights that are named by tag or repository; None if it is not known here."""
    if source.tag in _BY_TAG:
        return _BY_TAG[source.tag]
    repositories = [need.repository for need in needs(source) if need.part is Part.WEIGHTS] if source.tag else []
    for repository in (*repositories, *([source.repository] if source.repository else [])):
        for start, licence in _BY_REPOSITORY.items():
            if repository.startswith(start):
                return licence
    return None
