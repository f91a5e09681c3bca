"""Write open_clip's tokenizer into a folder where `tokens.Tokenizer` finds it. Imports open_clip."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmsearch.encoders import heavy
from mmsearch.encoders.clip.tokens import CLEANERS, SETTINGS, VOCABULARY, Settings, Tokenizer
from mmsearch.errors import ModelError, WeightsDamaged, WeightsMissing

START, END = "<start_of_text>", "<end_of_text>"
_SAMPLE: Final = (
    "",
    "a photo of a dog",
    "Two men's hats, it's 12:30 — don't!",
    "caf&eacute; &amp;amp; schÃ¶n \u00e9tude \u65e5\u672c\u8a9e 😀👍🏽 ﬁne\tx\u00a0y\nz_w",
    "<end_of_text> in the middle",
    "one word after another " * 60,
)
SETTABLE = {"clean", "strip_sep_token", "language"}
"""What a model's configuration may set; other settings reach transformers, which can be told to run a folder's code."""


def tokenizer(config: Mapping[str, Any], folder: Path | None = None) -> Any:  # noqa: ANN401
    """open_clip's tokenizer for a model.

    Args:
        config: `model_cfg`.
        folder: with the files of the tokenizer, for a model whose tokenizer is not CLIP's own.

    Raises:
        WeightsMissing: it is needed, and not given.
        WeightsDamaged: transformers cannot read it.
    """
    module = heavy.open_clip().tokenizer
    text = config["text_cfg"]
    context = text.get("context_length", module.DEFAULT_CONTEXT_LENGTH)
    settings = text.get("tokenizer_kwargs") or {}
    name = text.get("hf_tokenizer_name")
    if foreign := sorted(set(settings) - SETTABLE):
        raise WeightsDamaged(
            f"the model's configuration sets {', '.join(foreign)} of its tokenizer, which is not done here"
        )
    if not name:
        return module.SimpleTokenizer(context_length=context, **settings)
    if folder is None:
        raise WeightsMissing(f"the tokenizer {name} is not on this machine; put its {VOCABULARY} beside the weights")
    refuse_code(folder)
    try:
        return module.HFTokenizer(
            str(folder),
            context_length=context,
            tokenizer_mode=text.get("tokenizer_mode"),
            local_files_only=True,
            trust_remote_code=False,  # transformers would ask on standard input, or be told by the configuration
            **settings,
        )
    except Exception as error:  # whatever transformers meets in somebody's files
        said = str(error).strip().partition("\n")[0]
        raise WeightsDamaged(f"the tokenizer in {folder} cannot be read: {said}") from error


def refuse_code(folder: Path) -> None:
    """Whether a folder of transformers' has code of its own that wants to be run.

    Raises:
        WeightsDamaged: it has.
    """
    for name in ("config.json", "tokenizer_config.json"):
        try:
            said = json.loads((folder / name).read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            continue  # whoever reads it says what is wrong with it
        if isinstance(said, dict) and "auto_map" in said:
            raise WeightsDamaged(f"{folder / name} wants to run code of its own (auto_map), which is not done here")


def export(made: Any, folder: Path, *, fixed_length: bool) -> Settings:  # noqa: ANN401
    """Write what open_clip's tokenizer does into `folder`; see `Settings` for `fixed_length`.

    Raises:
        ModelError: it does something that is not known here, or gives other ids when read again.
    """
    kind = heavy.open_clip().tokenizer
    if isinstance(made, kind.SimpleTokenizer):
        backend, settings = _byte_pairs(made), _of_clip(made, fixed_length)
    elif isinstance(made, kind.HFTokenizer):
        backend, settings = _backend(made), _of_transformers(made, fixed_length)
    else:
        raise ModelError(f"the tokenizer {type(made).__name__} of open_clip cannot be used without open_clip")
    (folder / VOCABULARY).write_text(backend, "utf-8")
    (folder / SETTINGS).write_text(json.dumps(asdict(settings), indent=1), "utf-8")
    read = Tokenizer(folder)
    wanted = made(list(_SAMPLE)).numpy()
    for text, row in zip(_SAMPLE, wanted, strict=True):
        (found,) = read.ids([text])
        if not np.array_equal(found, row[: len(found)]) or (row[len(found) :] != settings.pad).any():
            raise ModelError(f"the tokenizer in {folder} gives other ids than open_clip's for {text[:60]!r}")
    return settings


def _byte_pairs(made: Any) -> str:  # noqa: ANN401
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

    merges = sorted(made.bpe_ranks, key=made.bpe_ranks.__getitem__)
    backend = Tokenizer(models.BPE(vocab=made.encoder, merges=merges, end_of_word_suffix="</w>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.add_special_tokens([AddedToken(mark, normalized=False) for mark in (START, END)])
    backend.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, made.sot_token_id), (END, made.eot_token_id)]
    )
    return str(backend.to_str())


def _of_clip(made: Any, fixed_length: bool) -> Settings:  # noqa: ANN401
    if made.reduction_fn is not None or len(made.all_special_ids) != 2:
        raise ModelError("a tokenizer that leaves out tokens at random, or has marks of its own, cannot be used")
    return Settings(made.context_length, _cleaner(made), words=True, fixed_length=fixed_length)


def _backend(made: Any) -> str:  # noqa: ANN401
    from tokenizers import Tokenizer

    inside = getattr(made.tokenizer, "backend_tokenizer", None)
    if inside is None:
        raise ModelError(f"the tokenizer {type(made.tokenizer).__name__} is written in Python, and cannot be used here")
    copied = Tokenizer.from_str(inside.to_str())
    copied.no_truncation()
    copied.no_padding()
    return str(copied.to_str())


def _of_transformers(made: Any, fixed_length: bool) -> Settings:  # noqa: ANN401
    inside = made.tokenizer
    if made.tokenizer_mode or inside.padding_side != "right" or inside.truncation_side != "right":
        raise ModelError(
            f"a tokenizer that works in mode {made.tokenizer_mode!r}, pads on the {inside.padding_side} and cuts on "
            f"the {inside.truncation_side}, cannot be used here"
        )
    return Settings(
        context_length=made.context_length,
        clean=_cleaner(made),
        words=False,
        fixed_length=fixed_length,
        pad=inside.pad_token_id,
        blank=inside.sep_token_id if made.strip_sep_token else None,
    )


def _cleaner(made: Any) -> str:  # noqa: ANN401
    name = re.sub("^_clean_", "", made.clean_fn.__name__)
    if name not in CLEANERS:
        raise ModelError(f"open_clip cleans texts with {made.clean_fn.__name__}, which is not known here")
    return name


def sample_ids(folder: Path) -> Any:  # noqa: ANN401
    """Ids `(n, l)` int64 of a few texts, to try a text tower with; the folder is one that `export` wrote."""
    return Tokenizer(folder).ids([text for text in _SAMPLE if text])
