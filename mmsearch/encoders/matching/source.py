"""Where a matching model comes from: what stands behind `cross:` in a chain. Needs no torch.

::

    blip                        a short name, see `SHORT`; nothing at all is `blip`
    ORG/NAME                    a repository of the hub
    ./FOLDER, ~/..., /...       a folder as transformers saves such models
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmsearch.encoders import hub
from mmsearch.encoders.pretrained import WEIGHTS, read_json, weight_files
from mmsearch.errors import UnknownModel, WeightsMissing, did_you_mean

SHORT: Final = {
    "blip": "Salesforce/blip-itm-base-coco",
    "blip-large": "Salesforce/blip-itm-large-coco",
    "blip-flickr": "Salesforce/blip-itm-base-flickr",
    "vilt": "dandelin/vilt-b32-finetuned-coco",
    "vilt-flickr": "dandelin/vilt-b32-finetuned-flickr30k",
}
SETTINGS: Final = ("config.json", "preprocessor_config.json", "tokenizer.json")
NEWER: Final = {"preprocessor_config.json": "processor_config.json"}
KINDS: Final = ("blip", "vilt")
"""Types of models, as `config.json` calls them."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Source:
    """A folder on disk, absolute, or a repository of a hub; the other one is None."""

    folder: Path | None = None
    repository: str | None = None

    def __str__(self) -> str:
        """What parses to this."""
        return str(self.folder or self.repository)


def parse(argument: str) -> Source:
    """The source that `argument` names. Neither disk nor hub is asked.

    Raises:
        UnknownModel: it can be none.
    """
    named = argument.strip() or "blip"
    if named in SHORT:
        return Source(repository=SHORT[named])
    try:
        folder = Path(named).expanduser()
        if named.startswith(("~", ".")) or folder.is_absolute():
            return Source(folder=folder.resolve())
    except (RuntimeError, OSError, ValueError) as error:  # no such user; a loop of links; a NUL in it
        raise UnknownModel(f"{named} names no folder ({error})") from error
    if not _REPOSITORY.fullmatch(named):
        near = did_you_mean(named, SHORT, otherwise=".")
        raise UnknownModel(
            f"there is no matching model {named!r}{near} There are: {', '.join(SHORT)}, ORG/NAME of a hub, ./FOLDER"
        )
    return Source(repository=named)


def folder_of(source: Source) -> Path:
    """Where its files are; fetched if need be, and all there.

    Raises:
        WeightsMissing: there is no such folder, or something is not in it; or they are not in the hub's cache, and the
            hub cannot be reached.
        UnknownModel: it is a model, but none that matches pictures and texts.
        WeightsDamaged: its settings cannot be read.
    """
    if source.folder is None:
        assert source.repository is not None
        settings = [(name, NEWER[name]) if name in NEWER else (name,) for name in SETTINGS]
        weights = tuple(name for name in WEIGHTS if not name.endswith(".json"))
        folder = hub.fetch(
            hub.Wanted(source.repository, [*settings, weights], by=f"mmsearch search ... --rerank cross:{source}"),
            f"cross:{source}",
            "or name a folder of your own with the files of the model: cross:./FOLDER",
        )
    else:
        folder = source.folder
    if not folder.is_dir():
        raise WeightsMissing(f"there is no folder {folder}; name the folder of a matching model, or ORG/NAME of a hub")
    missing = [name for name in SETTINGS if not setting(folder, name).is_file()]
    if missing or not weight_files(folder):
        missing += [] if weight_files(folder) else [WEIGHTS[0]]
        raise WeightsMissing(f"{folder} lacks {', '.join(missing)} of a matching model; download all of its files")
    kind = read_json(folder / "config.json").get("model_type")
    if kind not in KINDS:
        raise UnknownModel(f"{folder} holds a model of type {kind!r}; matching models are of type {' or '.join(KINDS)}")
    return folder


def setting(folder: Path, name: str) -> Path:
    """One of `SETTINGS` in a folder, by its newer name where it has that."""
    path = folder / name
    return path if path.is_file() else path.with_name(NEWER.get(name, name))
