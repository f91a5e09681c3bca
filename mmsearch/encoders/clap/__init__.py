"""`clap`: sounds and texts in one space, with weights for transformers' `ClapModel`.

::

    window ─► log_mel ─► audio.onnx ─► unit vector
    text  ─► tokenizer ─► text.onnx ─► unit vector
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmsearch.encoders.clap.features import MelSpec, read_spec
from mmsearch.encoders.clap.tokens import Tokenizer
from mmsearch.encoders.pretrained import read_json
from mmsearch.errors import UnknownModel, WeightsDamaged

AUDIO, TEXT, TOKENIZER = "audio.onnx", "text.onnx", "tokenizer.json"
_PASSING = ("transformers_version", "_name_or_path", "dtype", "torch_dtype")  # of the settings: change no vector


def prepare(folder: Path, staging: Path, export: Callable[..., None]) -> dict[str, Any]:
    """Write both towers and the tokenizer of the model in `folder` to `staging`; returns what the card says of them.

    The card: `dim` of vectors; `limit` of tokens and `pad`, for `Tokenizer`; `mel`, for `MelSpec`; `parameters`, their
    number; `scale`, see `Model.scales`; `not_exported`, why, by tower, for those that torch must compute; `fused`,
    whether the model was trained to fuse spectrograms of long sounds; `config`, its settings.

    Args:
        folder: of the model.
        staging: is there.
        export: `export(module, example, path, dynamic, *, mapped)`, as `encoders.export.export`; called for each tower.

    Raises:
        WeightsMissing: files are not there.
        WeightsDamaged: they cannot be read or do not fit together.
        UnknownModel: it is no CLAP, or one that transformers cannot run.
    """
    from mmsearch.encoders import heavy
    from mmsearch.encoders.clap import modules, weights
    from mmsearch.encoders.export import ExportFailed

    torch, model, spec = heavy.torch(), weights.load(folder), read_spec(folder)
    tokenizer = _tokenizer(folder, model.config.text_config)
    _check(folder, model.config, spec, tokenizer)
    shutil.copyfile(folder / TOKENIZER, staging / TOKENIZER)
    not_exported = {}
    features = torch.linspace(-100, 30, 2 * spec.frames * spec.bands).reshape(2, 1, spec.frames, spec.bands)
    ids, mask = map(torch.from_numpy, tokenizer.padded(tokenizer.tokens(["a dog barks", "rain"])))
    axes = {0: "n", 1: "l"}
    for name, module, example, dynamic in (
        (AUDIO, modules.Sounds(model).eval(), {"features": features}, {"features": {0: "n"}}),
        (TEXT, modules.Sentences(model).eval(), {"ids": ids, "mask": mask}, {"ids": axes, "mask": axes}),
    ):
        try:
            export(module, example, staging / name, dynamic, mapped=name == TEXT)
        except ExportFailed as error:  # then torch does the work
            not_exported[name] = str(error)
    return {
        "dim": int(model.config.projection_dim),
        "limit": tokenizer.limit,
        "pad": tokenizer.pad,
        "mel": asdict(spec),
        "parameters": sum(one.numel() for one in model.parameters()),
        "scale": model.logit_scale_a.detach().exp().item(),
        "not_exported": not_exported,
        "fused": bool(model.config.audio_config.enable_fusion),
        "config": {name: said for name, said in read_json(folder / "config.json").items() if name not in _PASSING},
    }


def towers(folder: Path) -> tuple[Any, Any]:
    """The modules of sounds and of sentences, in float32 on the CPU, in eval mode; see `modules`.

    Raises:
        WeightsMissing: files are not there.
        WeightsDamaged: they cannot be read.
        UnknownModel: it is no CLAP.
    """
    from mmsearch.encoders.clap import modules, weights

    model = weights.load(folder)
    return modules.Sounds(model).eval(), modules.Sentences(model).eval()


def _tokenizer(folder: Path, settings: Any) -> Tokenizer:  # noqa: ANN401  (ClapTextConfig)
    """RoBERTa counts positions from the padding's id on; so the table's length says how long a text may be."""
    limit = settings.max_position_embeddings - settings.pad_token_id - 1
    said = read_json(folder / "tokenizer_config.json").get("model_max_length")
    if isinstance(said, (int, float)) and said > 2:
        limit = min(limit, int(said))
    return Tokenizer(folder / TOKENIZER, settings.pad_token_id, limit)


def _check(folder: Path, settings: Any, spec: MelSpec, tokenizer: Tokenizer) -> None:  # noqa: ANN401  (ClapConfig)
    ear = settings.audio_config
    if ear.enable_fusion and ear.fusion_type == "channel_map":
        raise UnknownModel(
            f"the model in {folder} fuses spectrograms by channel_map, which transformers cannot run; take another one"
        )
    widest = ear.spec_size * (ear.spec_size // ear.num_mel_bins)
    if spec.bands != ear.num_mel_bins or spec.frames > widest:
        raise WeightsDamaged(
            f"config.json of {folder} wants {ear.num_mel_bins} mel bands and at most {widest} frames, "
            f"preprocessor_config.json makes {spec.bands} and {spec.frames}; they belong to different models"
        )
    if tokenizer.vocabulary > settings.text_config.vocab_size:
        raise WeightsDamaged(
            f"tokenizer.json of {folder} has {tokenizer.vocabulary} tokens, config.json knows "
            f"{settings.text_config.vocab_size}; they belong to different models"
        )
