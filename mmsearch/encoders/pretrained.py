"""Models as transformers saves them: from a folder, and never one that is only in part what the folder holds."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmsearch.encoders import heavy
from mmsearch.encoders.memory import is_shortage
from mmsearch.errors import WeightsDamaged, WeightsMissing

WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""The first of them that is there is used."""

# Tables that follow from the settings. Some versions of transformers save them and others do not.
TABLES = ("position_ids", "token_type_ids", "relative_position_index", "num_batches_tracked", "attn_mask")


def weight_files(folder: Path) -> list[Path]:
    """The files of weights in a folder; for weights in parts, the list of the parts before them. None if none is there.

    Raises:
        WeightsMissing: a part is not there.
        WeightsDamaged: the list of the parts cannot be read.
    """
    first = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if first is None:
        return []
    return _shards(first) if first.suffix == ".json" else [first]


def load(kind: str, what: str, folder: Path) -> Any:  # noqa: ANN401  (a model of transformers, imported late)
    """The model in float32, on the CPU, in eval mode. Nothing is fetched and no code of the folder is run.

    Args:
        kind: name of the class of transformers.
        what: it is, for the error.
        folder: with `config.json` and weights.

    Raises:
        MissingExtra: torch or transformers is not installed.
        WeightsMissing: files are not there.
        WeightsDamaged: they cannot be read, or are not the weights of the model that the settings describe.
    """
    torch, transformers = heavy.torch(), heavy.transformers()
    weights = [path for path in weight_files(folder) if path.suffix in (".safetensors", ".bin")]
    if not weights:
        raise WeightsMissing(f"{folder} has no weights; they are called {WEIGHTS[0]}")
    safe = weights[0].suffix == ".safetensors"
    if safe:
        for path in weights:
            _probe(path)
    named = " and ".join(path.name for path in (weights[0], weights[-1])[: len(weights)])
    try:
        with _quiet(transformers):
            model, report = getattr(transformers, kind).from_pretrained(
                str(folder),
                local_files_only=True,
                use_safetensors=safe,
                weights_only=True,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # they are in the report, which says which
                output_loading_info=True,
            )
    except pickle.UnpicklingError as error:
        raise WeightsDamaged(
            f"{folder / named} is damaged or wants to run code, which weights have no use for; take the model's "
            f"safetensors file instead"
        ) from error
    except Exception as error:  # what it raises has no common base
        if is_shortage(error):
            raise
        first = str(error).strip().partition("\n")[0]
        raise WeightsDamaged(
            f"the {what} in {folder} cannot be loaded from config.json and {named} ({first}); download it again"
        ) from error
    _check(report, f"{folder} ({named})")
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise WeightsDamaged(f"{folder} ({named}): {name} holds values that are not numbers, or infinite")
    return model.eval()


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


def _probe(path: Path) -> None:
    """Read the header: it says how long the file must be."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            pass
    except (SafetensorError, OSError) as error:
        size = path.stat().st_size
        raise WeightsDamaged(
            f"{path} of {size} bytes is no whole safetensors file ({error}); download it again"
        ) from error


def _check(report: dict[str, Any], place: str) -> None:
    """Transformers fills what it does not find with random numbers, and leaves out what it does not know."""
    shapes = {name: (tuple(there), tuple(wanted)) for name, there, wanted in report["mismatched_keys"]}
    if shapes:
        name, (there, wanted) = min(shapes.items())
        raise WeightsDamaged(
            f"{len(shapes)} weights of {place} do not have the shape that config.json says, such as {name}: {there} "
            f"instead of {wanted}; config.json belongs to another model"
        )
    missing = sorted(name for name in report["missing_keys"] if not name.endswith(TABLES))
    if missing:
        raise WeightsDamaged(
            f"{place} lacks {len(missing)} weights, such as {missing[0]}; download the model again, config.json too"
        )
    layers = (name for name in report["unexpected_keys"] if ".layer" in name and not name.endswith(TABLES))
    if name := min(layers, default=None):
        raise WeightsDamaged(
            f"{place} has layers that config.json does not know, such as {name}; config.json belongs to another model"
        )


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:  # noqa: ANN401
    """Without a progress bar on standard error."""
    logging = transformers.utils.logging
    shown = logging.is_progress_bar_enabled()
    verbosity = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
