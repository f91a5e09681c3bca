"""A CLAP model from a folder, and never one that is CLAP only in part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmsearch.encoders import heavy, pretrained
from mmsearch.encoders.clap.source import files


def load(folder: Path) -> Any:  # noqa: ANN401  (transformers.ClapModel, imported late)
    """The model in float32, on the CPU, in eval mode. Nothing is fetched and no code of the folder is run.

    Raises:
        MissingExtra: torch or transformers is not installed.
        WeightsMissing: files are not there.
        WeightsDamaged: they cannot be read, or are not the weights of the model that the settings describe.
        UnknownModel: it is a model, but no CLAP.
    """
    heavy.transformers()
    files(folder)
    return pretrained.load("ClapModel", "CLAP model", folder)
