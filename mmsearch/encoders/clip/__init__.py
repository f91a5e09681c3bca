"""`clip`: photos and texts in one space, with any architecture of open_clip.

::

    clip:SPEC ─ source ─► needs ─► weights ─► modules ─► towers (ONNX, or torch)  ┐
                                        └──► vocabulary ─► tokens                 ┴─► encoder
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mmsearch.encoders import heavy

if TYPE_CHECKING:
    from mmsearch.encoders.clip.weights import Loaded

IMAGE, TEXT = "image.onnx", "text.onnx"


class Export(Protocol):
    """Writes a module as a graph; see `encoders.export.export`."""

    def __call__(
        self,
        module: Any,  # noqa: ANN401
        example: Mapping[str, Any],
        path: Path,
        dynamic: Mapping[str, Mapping[int, str]],
        *,
        mapped: bool = False,
    ) -> None:
        """See `encoders.export.export`."""


def modules_of(model: Any, mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[Any, Any]:  # noqa: ANN401
    """The towers `modules.Pictures` and `modules.Sentences` of open_clip's model, which is taken over."""
    from mmsearch.encoders.clip import modules

    return modules.Pictures(model, mean, std).eval(), modules.Sentences(model).eval()


def towers(loaded: Loaded) -> tuple[Any, Any]:
    """Like `modules_of`, of a model that was loaded."""
    return modules_of(loaded.model, loaded.preprocessing.mean, loaded.preprocessing.std)


def prepare(loaded: Loaded, staging: Path, export: Export) -> dict[str, Any]:
    """Write towers and tokenizer into `staging`.

    Returns:
        JSON values for the card: `dim`, `image` (fields of `ImageSpec`), `preprocessing`, `context_length`,
        `fixed_length`, `parameters` (their number), `scale` (see `Model.scales`), `licence` (None if it is not known),
        and `not_exported`: why, by tower, for those that torch must compute.

    Raises:
        ModelError: the tokenizer cannot be used.
    """
    from mmsearch.encoders.clip import licences, vocabulary
    from mmsearch.encoders.export import ExportFailed

    torch = heavy.torch()
    image, text = towers(loaded)
    settings = vocabulary.export(
        vocabulary.tokenizer(loaded.config, loaded.tokenizer), staging, fixed_length=text.fixed_length
    )
    size, context = loaded.preprocessing.size, settings.context_length
    random = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (3, size, size, 3), dtype=torch.uint8, generator=random)
    ids = vocabulary.sample_ids(staging)
    not_exported = {}
    for name, module, example, axes in (
        (IMAGE, image, {"pictures": pictures}, {0: "n"}),
        (TEXT, text, {"ids": torch.from_numpy(ids)}, {0: "n"} if text.fixed_length else {0: "n", 1: "l"}),
    ):
        try:
            export(module, example, staging / name, {next(iter(example)): axes}, mapped=name == TEXT)
        except ExportFailed as error:
            not_exported[name] = str(error)
    with torch.inference_mode():
        dim = text(torch.from_numpy(ids)).shape[1]
    return {
        "dim": dim,
        "image": asdict(loaded.preprocessing.spec),
        "preprocessing": asdict(loaded.preprocessing),
        "context_length": context,
        "fixed_length": text.fixed_length,
        "parameters": sum(one.numel() for one in loaded.model.parameters()),
        "scale": loaded.model.logit_scale.detach().exp().item(),
        "licence": licences.of(loaded.source),
        "not_exported": not_exported,
    }
