"""Which files of which repositories a model needs that is not on disk. Nothing is fetched here.

All 196 tags of open_clip 3.3 have a repository, those of OpenAI's weights included; the addresses of single files that
some have beside it are of archives of programs, and not used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from mmsearch.encoders import heavy
from mmsearch.encoders.clip.source import CONFIG, WEIGHTS, Source
from mmsearch.encoders.clip.tokens import VOCABULARY
from mmsearch.errors import UnknownModel, WeightsDamaged


class Part(StrEnum):
    """What files are for."""

    WEIGHTS = "weights"
    TOKENIZER = "tokenizer"
    TEXT = "text"  # the architecture of a text tower that is a model of transformers


_BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "config.json")


@dataclass(frozen=True, slots=True)
class Need:
    """Files of one repository.

    Attributes:
        part: what they are for.
        repository: `owner/name`, or a name alone.
        files: each in ways to be called, the better one first; one of each is needed.
        optional: fetched where they are there.
    """

    part: Part
    repository: str
    files: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...] = ()


def needs(source: Source) -> tuple[Need, ...]:
    """What must be fetched, into a folder for each part, before `weights.load` can do its work.

    What a repository needs beside its own files is known once they are there: ask again for its folder.

    Raises:
        UnknownModel: the tag is none of the architecture's.
        WeightsDamaged: the configuration in a folder cannot be read.
    """
    if source.repository:
        return (Need(Part.WEIGHTS, source.repository, ((CONFIG,), WEIGHTS), (VOCABULARY, *_BESIDE)),)
    found = []
    if source.tag:
        found.append(_of_tag(source))
    text = configuration(source)["model_cfg"]["text_cfg"]
    if (name := text.get("hf_tokenizer_name")) and tokenizer_folder(source) is None:
        found.append(Need(Part.TOKENIZER, name, ((VOCABULARY,),), _BESIDE))
    if (name := text.get("hf_model_name")) and not Path(name).is_dir():
        found.append(Need(Part.TEXT, name, (("config.json",),)))
    return tuple(found)


def tokenizer_folder(source: Source) -> Path | None:
    """The folder of the weights, where it holds a tokenizer too."""
    folder = source.folder or (source.file.parent if source.file else None)
    return folder if folder and (folder / VOCABULARY).is_file() else None


def configuration(source: Source) -> dict[str, Any]:
    """`model_cfg` and `preprocess_cfg`, a copy, as `open_clip_config.json` has them.

    With a file, open_clip itself would prepare pictures as OpenAI did, whatever the architecture; here they are
    prepared as all weights that are known of the architecture want it, if they agree.

    Raises:
        UnknownModel: the tag is none of the architecture's.
        WeightsDamaged: the one in a folder cannot be read.
    """
    if source.folder:
        return _read(source.folder / CONFIG)
    open_clip = heavy.open_clip()
    model = open_clip.get_model_config(source.architecture)
    tags = [source.tag] if source.tag else open_clip.list_pretrained_tags_by_model(source.architecture)
    known = [open_clip.get_pretrained_cfg(source.architecture, tag) for tag in tags]
    if model is None or (source.tag and not known[0]):
        raise UnknownModel(f"open_clip {open_clip.__version__} does not know {source.canonical}")
    wants = [{name: one.get(name) for name in ("mean", "std", "interpolation", "resize_mode")} for one in known]
    if source.tag and known[0].get("quick_gelu"):
        model["quick_gelu"] = True  # open_clip only warns: with the other activation, the vectors are worth little
    same = bool(wants) and all(one == wants[0] for one in wants)
    return {"model_cfg": model, "preprocess_cfg": wants[0] if same else {}}


def _of_tag(source: Source) -> Need:
    address = heavy.open_clip().get_pretrained_cfg(source.architecture, source.tag).get("hf_hub", "")
    repository, _, name = address.rpartition("/")
    if not repository:
        raise UnknownModel(f"open_clip knows no repository of {source.canonical}; give a file of its weights")
    choices = (f"{name.rpartition('.')[0]}.safetensors", name) if name else WEIGHTS
    return Need(Part.WEIGHTS, repository, (tuple(dict.fromkeys(choices)),))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
        model = found["model_cfg"]
        complete = all(isinstance(model[name], dict) for name in ("vision_cfg", "text_cfg")) and model["embed_dim"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsDamaged(f"{path} cannot be read as open_clip's configuration: {error!r}") from error
    if not complete:
        raise WeightsDamaged(f"{path} is not open_clip's configuration: it lacks a tower")
    return {"model_cfg": model, "preprocess_cfg": found.get("preprocess_cfg") or {}}
