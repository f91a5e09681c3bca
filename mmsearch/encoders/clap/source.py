"""Where a CLAP model comes from: what stands behind `clap:` in a spec. Needs no torch."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmsearch.errors import UnknownModel, WeightsDamaged, WeightsMissing

DEFAULT = "laion/clap-htsat-unfused"
SETTINGS = ("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")
"""Besides the weights. Newer repositories have `processor_config.json` for the second."""
NEWER = {"preprocessor_config.json": "processor_config.json"}
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""The first of them that is there is used."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Source:
    """A folder on disk, or a repository of a hub.

    Attributes:
        repository: `org/name`; None for a folder.
        folder: absolute; None for a repository.
        canonical: what stands behind `clap:`, the same for all spellings of one source.
    """

    repository: str | None
    folder: Path | None
    canonical: str


def parse(argument: str) -> Source:
    """The source that `argument` names.

    A folder, if it begins with `/`, `~` or `.`; else a repository; nothing at all is the default one. What lies in the
    current folder does not matter: an index that names a repository must find it again from anywhere.

    Raises:
        UnknownModel: it can be neither.
    """
    try:
        folder = Path(argument).expanduser()
        if argument and (argument.startswith(("~", ".")) or folder.is_absolute()):
            folder = folder.resolve()
            return Source(None, folder, str(folder))
    except (RuntimeError, OSError, ValueError) as error:  # no such user; a loop of links; a NUL in it
        raise UnknownModel(f"clap:{argument} names no folder ({error})") from error
    repository = argument or DEFAULT
    if not _REPOSITORY.fullmatch(repository):
        raise UnknownModel(
            f"clap:{argument} names neither a folder nor a repository; write clap:ORG/NAME, such as clap:{DEFAULT}, or "
            f"clap:./FOLDER"
        )
    return Source(repository, None, repository)


def files(folder: Path) -> list[Path]:
    """What the vectors of the model in `folder` follow from: settings, then weights, of which there may be several.

    Raises:
        WeightsMissing: something is not there; all that is not there is named.
        WeightsDamaged: the list of the files that weights are split into cannot be read.
        UnknownModel: it is a model, but no CLAP.
    """
    if not folder.is_dir():
        raise WeightsMissing(f"there is no folder {folder}; name the folder of a CLAP model, or a repository ORG/NAME")
    settings = [folder / name for name in SETTINGS]
    settings = [path if path.is_file() else path.with_name(NEWER.get(path.name, path.name)) for path in settings]
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    missing = [SETTINGS[i] for i, path in enumerate(settings) if not path.is_file()]
    if weights is None:
        missing.insert(1 if "config.json" in missing else 0, WEIGHTS[0])
    if weights is None or missing:
        raise WeightsMissing(
            f"{folder} is no CLAP model as transformers saves them: {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing; download it again, all of its files"
        )
    kind = read_json(folder / "config.json").get("model_type")
    if kind != "clap":
        raise UnknownModel(f"{folder} holds a model of type {kind!r}, not 'clap'; name the folder of a CLAP model")
    return [*settings, *([weights] if weights.suffix != ".json" else _shards(weights))]


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object at `path`.

    Raises:
        WeightsDamaged: there is none.
    """
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsDamaged(f"{path} cannot be read as JSON ({error}); download it again") from error
    if not isinstance(said, dict):
        raise WeightsDamaged(f"{path} holds no JSON object; download it again")
    return said


def _shards(index: Path) -> list[Path]:
    places = read_json(index).get("weight_map")
    names = sorted(set(map(str, places.values()))) if isinstance(places, dict) else []
    if not names or any(Path(name).name != name for name in names):
        raise WeightsDamaged(f"{index} does not say which files the weights are in; download it again")
    if missing := [name for name in names if not (index.parent / name).is_file()]:
        raise WeightsMissing(f"{index.parent} lacks {', '.join(missing)}, a part of the weights; download it again")
    return [index, *(index.with_name(name) for name in names)]
