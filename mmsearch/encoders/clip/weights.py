"""Weights into a model: what open_clip's `create_model` does, from files on disk, and with errors that say why.

Nothing is fetched, and no code that a file may hold is run.
"""

from __future__ import annotations

import copy
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmsearch.encoders import heavy
from mmsearch.encoders.clip import likeness
from mmsearch.encoders.clip.needs import Part, configuration, needs, tokenizer_folder
from mmsearch.encoders.clip.source import Source, check, find
from mmsearch.encoders.clip.vocabulary import refuse_code
from mmsearch.encoders.memory import is_shortage
from mmsearch.errors import WeightsDamaged, WeightsMissing
from mmsearch.types import ImageSpec

_REFUSED = re.compile(r"(?:GLOBAL|function|class) (?:<\w+ )?([\w.]+)|(Unsupported operand \d+)")


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pictures are made into the network's input.

    Attributes:
        size: of the square, in pixels.
        mean: by channel, of values in [0, 1].
        std: by channel.
        interpolation: `bicubic` or `bilinear`.
        resize_mode: `shortest` (then the centre is cut out) or `squash`.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"

    @property
    def spec(self) -> ImageSpec:
        """What mmsearch decodes pictures to."""
        return ImageSpec(self.size, self.size, self.resize_mode == "squash", self.interpolation == "bilinear")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model with its weights.

    Attributes:
        model: open_clip's, in float32, on the CPU, in eval mode.
        source: where it is from.
        preprocessing: of pictures.
        config: `model_cfg`, as in `open_clip_config.json`.
        file: that the weights were read from.
        tokenizer: the folder that holds the tokenizer, if it is not CLIP's own.
    """

    model: Any
    source: Source
    preprocessing: Preprocessing
    config: Mapping[str, Any]
    file: Path
    tokenizer: Path | None = None


def load(source: Source, fetched: Mapping[Part, Path] | None = None) -> Loaded:
    """Build the model of a source and fill it.

    Args:
        source: as `source.check` gave it.
        fetched: folders with what `needs` named, by part.

    Raises:
        UnknownModel: see `source.check`.
        WeightsMissing: a file is not there.
        WeightsDamaged: it is cut short, wants to run code, holds no weights, or those of another architecture; or the
            configuration is none that this version of open_clip knows.
    """
    fetched, named = fetched or {}, source
    if source.repository:
        if Part.WEIGHTS not in fetched:
            raise WeightsMissing(f"the files of {source.canonical} are not on this machine")
        source = Source(folder=fetched[Part.WEIGHTS])
    source = check(source)
    lacking = [need for need in needs(source) if need.part not in fetched]
    if lacking:
        listed = "; ".join(f"{' and '.join(map(' or '.join, need.files))} of {need.repository}" for need in lacking)
        raise WeightsMissing(f"{source.canonical} needs files that are not on this machine: {listed}")
    file = source.file or (find(source.folder) if source.folder else _of_need(source, fetched[Part.WEIGHTS]))
    asked = configuration(source)
    config = copy.deepcopy(asked["model_cfg"])
    given = copy.deepcopy(config)
    if Part.TEXT in fetched:  # a place on this machine, which must not become a part of the model's identity
        given["text_cfg"]["hf_model_name"] = str(fetched[Part.TEXT])
    model = build(given, source.canonical)
    fill(model, read(file), file, source)
    preprocessing = _preprocessing(model, asked["preprocess_cfg"], source)
    return Loaded(model, named, preprocessing, config, file, fetched.get(Part.TOKENIZER) or tokenizer_folder(source))


def _of_need(source: Source, folder: Path) -> Path:
    """The file that was fetched for a tag, whatever else lies beside it."""
    names = next(need.files[-1] for need in needs(source) if need.part is Part.WEIGHTS)
    return next((folder / name for name in names if (folder / name).is_file()), folder / names[0])


def build(config: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401
    """A model of that configuration, with random weights, in eval mode; `name` is for the error.

    Raises:
        WeightsDamaged: open_clip cannot build it.
        WeightsMissing: it would have to fetch something.
    """
    open_clip = heavy.open_clip()
    given = copy.deepcopy(dict(config))
    if ":" in str(given["vision_cfg"].get("timm_model_name") or ""):
        raise WeightsDamaged(f"{name} wants a vision tower from elsewhere: {given['vision_cfg']['timm_model_name']}")
    if (text := Path(str(given["text_cfg"].get("hf_model_name") or "none"))).is_dir():
        refuse_code(text)
    given["vision_cfg"]["timm_model_pretrained"] = given["text_cfg"]["hf_model_pretrained"] = False
    is_custom = given.pop("custom_text", False) or "hf_model_name" in given["text_cfg"]
    classes = {False: open_clip.CLIP, True: open_clip.CustomTextCLIP}
    kind = open_clip.CoCa if is_custom and "multimodal_cfg" in given else classes[bool(is_custom)]
    try:
        return kind(**given).eval()
    except OSError as error:  # transformers looks for a configuration
        raise WeightsMissing(
            f"{name} needs files that are not on this machine: {str(error).partition('.')[0]}"
        ) from error
    except Exception as error:  # a wrong value can make any layer raise anything
        if is_shortage(error):
            raise
        raise WeightsDamaged(
            f"open_clip {open_clip.__version__} cannot build {name}: {type(error).__name__}: {error}; its "
            "configuration may be for another version"
        ) from error


def read(file: Path) -> dict[str, Any]:
    """The tensors in a file, by name, without what training wraps around them.

    Raises:
        WeightsDamaged: it is cut short, wants to run code, or holds something else.
    """
    found = _safetensors(file) if file.suffix == ".safetensors" else _pickled(file)
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    is_tensor = heavy.torch().is_tensor
    if not isinstance(found, dict) or not found or not all(map(is_tensor, found.values())):
        what = type(found).__name__
        if isinstance(found, dict):
            what = f"a dictionary with {', '.join(map(str, list(found)[:5]))}" if found else "an empty dictionary"
        raise WeightsDamaged(f"{file} holds {what}, not the weights of a model")
    return {str(name).removeprefix("module."): tensor for name, tensor in found.items()}


def _safetensors(file: Path) -> Any:  # noqa: ANN401
    heavy.torch()
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except Exception as error:  # its own class, OSError, and what json and struct raise
        if is_shortage(error):
            raise
        raise _unreadable(file, error) from error


def _pickled(file: Path) -> Any:  # noqa: ANN401
    torch = heavy.torch()
    if _is_program(file):
        raise WeightsDamaged(
            f"{file} is a TorchScript archive, a program and not only weights, and is not run. OpenAI's weights are to "
            "be had by their tag, as in clip:ViT-B-32/openai; others can be saved again with safetensors"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other pickle protocols: it reads them, or raises
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = _REFUSED.search(str(error))
        if refused is None:
            raise _unreadable(file, error) from error
        what = next(filter(None, refused.groups()))
        raise WeightsDamaged(
            f"{file} wants to run code ({what}) when it is read, or is damaged; it was not read further. If you "
            "trust who made it, save the weights alone, best as .safetensors"
        ) from error
    except Exception as error:  # on a broken pickle anything, of torch, zipfile or the types that it makes
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> WeightsDamaged:
    return WeightsDamaged(f"{file} cannot be read: {_said(error)}; it may be cut short, fetch it again")


def _is_program(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.rpartition("/")[2] == "constants.pkl" for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def fill(model: Any, state: dict[str, Any], file: Path, source: Source) -> None:  # noqa: ANN401
    """Put tensors into a model, in the ways that open_clip takes older and others' checkpoints.

    Raises:
        WeightsDamaged: they are of another architecture, or some are not finite.
    """
    torch = heavy.torch()
    try:
        model.load_state_dict(_converted(model, dict(state)), strict=True)
    except Exception as error:  # conversions of weights of something else raise anything
        if is_shortage(error):
            raise
        raise WeightsDamaged(
            f"{file} does not hold weights of {source.architecture or 'the architecture in its folder'}: "
            f"{likeness.difference(model.state_dict(), state) or _said(error)}{likeness.guess(state)}"
        ) from error
    if broken := [name for name, tensor in model.named_parameters() if not torch.isfinite(tensor).all()]:
        raise WeightsDamaged(f"{file}: {broken[0]} holds values that are not numbers, or infinite; fetch it again")


def _converted(model: Any, state: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """As `open_clip.load_checkpoint` does between reading and filling."""
    open_clip = heavy.open_clip()
    towers = open_clip.model
    state = open_clip.convert.convert_state_dict(model, state)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = towers.convert_to_custom_text_state_dict(state)
    for name in ("logit_scale", "logit_bias"):
        if name in state and getattr(model, name, None) is not None:
            state[name] = state[name].reshape(getattr(model, name).shape)
    if "logit_bias" not in state and "logit_scale" in state and model.logit_bias is not None:
        state["logit_bias"] = heavy.torch().zeros_like(state["logit_scale"])
    state.pop("text.transformer.embeddings.position_ids", None)
    towers.resize_pos_embed(state, model)
    towers.resize_text_pos_embed(state, model)
    return state


def _preprocessing(model: Any, asked: Mapping[str, Any], source: Source) -> Preprocessing:  # noqa: ANN401
    default = heavy.open_clip().transform.PreprocessCfg()
    asked = {name: value for name, value in asked.items() if value is not None}
    sides = model.visual.image_size
    height, width = (sides, sides) if isinstance(sides, int) else sides
    mode = asked.get("resize_mode", default.resize_mode)
    interpolation = asked.get("interpolation", default.interpolation)
    if height != width or mode not in ("shortest", "squash"):
        raise WeightsDamaged(
            f"{source.canonical} wants pictures of {width} x {height} pixels, fitted by {mode!r}; mmsearch makes "
            "squares by 'shortest' or 'squash' only"
        )
    mean, std = (_each(asked.get(name, getattr(default, name))) for name in ("mean", "std"))
    return Preprocessing(int(height), mean, std, "bilinear" if interpolation == "bilinear" else "bicubic", mode)


def _each(values: float | list[float]) -> tuple[float, ...]:
    return tuple(map(float, values)) if isinstance(values, list | tuple) else (float(values),) * 3


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"[:200]
