"""A matching model, ready to judge pairs of a picture and a text."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmsearch.encoders import heavy, pretrained
from mmsearch.encoders.clap.tokens import Tokenizer
from mmsearch.encoders.devices import choose
from mmsearch.encoders.matching.pixels import Pixels
from mmsearch.encoders.matching.source import Source, folder_of
from mmsearch.encoders.memory import needed_for
from mmsearch.encoders.towers import TorchTower
from mmsearch.errors import WeightsDamaged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mmsearch.types import FloatArray, ImageInput

CLASSES: Final = {"blip": "BlipForImageTextRetrieval", "vilt": "ViltForImageAndTextRetrieval"}
POSITIONS: Final = {"blip": 512, "vilt": 40}  # of tokens, where `config.json` leaves them to transformers


class Matcher:
    """Judges pairs. Weights are loaded when the first is judged; safe to use from several threads.

    Args:
        source: of the model.
        device: on which it computes, see `devices`; None for `$MMSEARCH_DEVICE`, or `auto`.

    Raises:
        ModelError: the model cannot be had, or the device is not there.
        MissingExtra: torch or transformers is not installed.
    """

    def __init__(self, source: Source, device: str | None = None) -> None:
        heavy.transformers()
        self.name = str(source)
        folder = folder_of(source)
        config = pretrained.read_json(folder / "config.json")
        kind = str(config["model_type"])
        self._pixels = Pixels.read(folder, kind)
        text = config if kind == "vilt" else config.get("text_config") or {}
        limit = int(text.get("max_position_embeddings") or POSITIONS[kind])
        self._tokenizer = Tokenizer(folder / "tokenizer.json", int(text.get("pad_token_id") or 0), limit)
        self._tower = TorchTower(lambda: _module(folder, kind, self._tokenizer), choose(device))

    def picture(self, source: ImageInput, page: int | None = None) -> NDArray[np.uint8]:
        """A picture `(h, w, 3)` uint8 RGB as the model wants it.

        What keeps its shape (ViLT) goes through a square: a little softer than transformers makes it.

        Args:
            source: as in `types.Record`.
            page: of a TIFF with several.

        Raises:
            MediaError: it cannot be decoded, or has no such page.
        """
        from mmsearch.errors import MediaError
        from mmsearch.media.image.decode import decode

        medium = decode(source, self._pixels.spec)
        segment = next((one for one in medium.segments if page is None or one.page in (None, page)), None)
        if segment is None:
            raise MediaError(f"it has no page {page}")
        square = np.asarray(segment.content)
        shape = self._pixels.shape(medium.properties["width"], medium.properties["height"])
        if square.shape[1::-1] == shape:
            return square
        return np.asarray(Image.fromarray(square).resize(shape, Image.Resampling.BICUBIC))

    def match(self, pictures: Sequence[NDArray[np.uint8]], texts: Sequence[str]) -> FloatArray:
        """Probabilities `(n,)` float32 that picture i and text i match.

        Args:
            pictures: at least one, of `picture`.
            texts: as many; what a model cannot read of a long one is left out.

        Raises:
            WeightsDamaged: the weights cannot be read.
            DeviceUnavailable: memory is not enough for a single pair.
        """
        pixels, seen = self._pixels.batch(pictures)
        ids, mask = self._tokenizer.padded(self._tokenizer.tokens(texts))
        return self._tower.run({"pixels": pixels, "seen": seen, "ids": ids, "mask": mask})


@lru_cache(maxsize=1)
def matcher(source: Source, device: str | None = None) -> Matcher:
    """The matcher of a source; the last one is kept, with its weights."""
    return Matcher(source, device)


def _module(folder: Path, kind: str, tokenizer: Tokenizer) -> Any:  # noqa: ANN401
    from mmsearch.encoders.matching import modules

    with needed_for(f"the matching model in {folder}"):
        model = pretrained.load(CLASSES[kind], "matching model", folder)
    text = model.config if kind == "vilt" else model.config.text_config
    if tokenizer.vocabulary > text.vocab_size:
        raise WeightsDamaged(
            f"tokenizer.json of {folder} has {tokenizer.vocabulary} tokens, config.json knows {text.vocab_size}; they "
            "belong to different models"
        )
    return modules.Blip(model).eval() if kind == "blip" else modules.Vilt(model).eval()
