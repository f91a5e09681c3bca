"""A CLAP model from a folder, and never one that is CLAP only in part."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmsearch.encoders import heavy
from mmsearch.encoders.clap.source import files
from mmsearch.encoders.memory import is_shortage
from mmsearch.errors import WeightsDamaged

# Tables that follow from the settings. Some versions of transformers save them and others do not.
TABLES = ("position_ids", "token_type_ids", "relative_position_index", "num_batches_tracked", "attn_mask")


def load(folder: Path) -> Any:  # noqa: ANN401  (transformers.ClapModel, imported late)
    """The model in float32, on the CPU, in eval mode. Nothing is fetched and no code of the folder is run.

    Raises:
        MissingExtra: torch or transformers is not installed.
        WeightsMissing: files are not there.
        WeightsDamaged: they cannot be read, or are not the weights of the model that the settings describe.
        UnknownModel: it is a model, but no CLAP.
    """
    torch, transformers = heavy.torch(), heavy.transformers()
    weights = [path for path in files(folder) if path.suffix in (".safetensors", ".bin")]
    safe = weights[0].suffix == ".safetensors"
    if safe:
        for path in weights:
            _probe(path)
    named = " and ".join(path.name for path in (weights[0], weights[-1])[: len(weights)])
    try:
        with _quiet(transformers):
            model, report = transformers.ClapModel.from_pretrained(
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
            f"the CLAP model in {folder} cannot be loaded from config.json and {named} ({first}); download it again"
        ) from error
    _check(report, f"{folder} ({named})")
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise WeightsDamaged(f"{folder} ({named}): {name} holds values that are not numbers, or infinite")
    return model.eval()


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
