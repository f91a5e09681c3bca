"""Where a CLAP model comes from: what stands behind `clap:` in a spec. Needs no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mmsearch.encoders.pretrained import WEIGHTS, read_json, weight_files
from mmsearch.errors import UnknownModel, WeightsMissing

DEFAULT = "laion/clap-htsat-unfused"
SETTINGS = ("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")
"""Besides the weights. Newer repositories have `processor_config.json` for the second."""
NEWER = {"preprocessor_config.json": "processor_config.json"}

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
    missing = [SETTINGS[i] for i, path in enumerate(settings) if not path.is_file()]
    if not any((folder / name).is_file() for name in WEIGHTS):
        missing.insert(1 if "config.json" in missing else 0, WEIGHTS[0])
    if missing:
        raise WeightsMissing(
            f"{folder} is no CLAP model as transformers saves them: {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing; download it again, all of its files"
        )
    kind = read_json(folder / "config.json").get("model_type")
    if kind != "clap":
        raise UnknownModel(f"{folder} holds a model of type {kind!r}, not 'clap'; name the folder of a CLAP model")
    return [*settings, *weight_files(folder)]
