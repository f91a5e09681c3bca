"""`clap` among the models."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

from mmsearch.encoders import hub, pretrained
from mmsearch.encoders.base import Model
from mmsearch.encoders.clap import AUDIO, TEXT, TOKENIZER, prepare, source, towers
from mmsearch.encoders.clap.encoder import ClapEncoder
from mmsearch.encoders.clap.features import MelSpec
from mmsearch.encoders.clap.source import Source
from mmsearch.encoders.clap.tokens import Tokenizer
from mmsearch.encoders.export import export
from mmsearch.encoders.family import Card
from mmsearch.encoders.memory import needed_for
from mmsearch.encoders.plain_head import PlainHead
from mmsearch.encoders.prepared import digest
from mmsearch.encoders.prepared_family import Making, PreparedFamily
from mmsearch.encoders.towers import tower
from mmsearch.types import AudioSpec, InputSpec, Modality, TextSpec

CUDA_WINDOWS: Final = 32
"""In each batch, on a GPU; on a CPU one is as fast as many."""

HOP: Final = 5.0
"""Seconds from window to window."""

_INSTEAD: Final = "or name a folder of your own with the files of the model: clap:./FOLDER"
_ABOUT: Final = Card("sounds and English text", None, (Modality.TEXT, Modality.AUDIO), None, None)
_LICENCES: Final = {"laion/clap-htsat-unfused": "Apache-2.0", "laion/clap-htsat-fused": "Apache-2.0"}


class ClapFamily(PreparedFamily[Source]):
    """See `Family`."""

    name = "clap"
    recipe = 1
    about = _ABOUT
    known: ClassVar = {
        source.DEFAULT: Card(
            f"{_ABOUT.summary}: {source.DEFAULT}",
            512,
            _ABOUT.modalities,
            615,
            617,
            153.5,
            {source.DEFAULT: _LICENCES[source.DEFAULT]},
        )
    }

    def source(self, argument: str) -> Source:
        """See `PreparedFamily`."""
        return source.parse(argument)

    def files(self, source_: Source) -> list[Path]:
        """See `PreparedFamily`."""
        return source.files(source_.folder) if source_.folder else []

    def build(self, source_: Source, staging: Path) -> tuple[dict[str, Any], list[Path], list[Any]]:
        """See `PreparedFamily`."""
        folder = _folder(source_, self._name(source_))
        card = prepare(folder, staging, export) | {"licence": _LICENCES.get(source_.canonical)}
        return card, _weights(folder), [card["config"], card["mel"], digest(staging / TOKENIZER)]

    def model(self, source_: Source, making: Making) -> Model:
        """See `PreparedFamily`."""
        card, ready, device = making.ready.card, making.ready, making.device
        rows = 1 if device.kind == "cpu" else CUDA_WINDOWS * len(device.places)

        @cache
        def modules() -> tuple[Any, Any]:
            with needed_for(making.name):
                folder = _folder(source_, making.name)
                self.same_weights(ready, _weights(folder))
                return towers(folder)

        tokenizer, mel = Tokenizer(ready.file(TOKENIZER), card["pad"], card["limit"]), MelSpec(**card["mel"])
        encoder = ClapEncoder(
            self.name,
            card["version"],
            card["dim"],
            tower(ready.file(AUDIO), lambda: modules()[0], device, rows=rows // len(device.places)),
            tower(ready.file(TEXT), lambda: modules()[1], device, mapped=True),
            tokenizer,
            mel,
            rows=rows,
        )
        return Model(
            name=making.name,
            inputs=InputSpec(
                audio=AudioSpec(mel.rate, float(mel.seconds), HOP), text=TextSpec(tokenizer.limit, tokenizer.room)
            ),
            encoders=(encoder,),
            heads=(PlainHead(self.name, encoder),),
            weights=card["weights"],
            check=making.check,
            scales={(self.name, Modality.AUDIO): card["scale"]},
        )


CLAP: Final = ClapFamily()


def _weights(folder: Path) -> list[Path]:
    """The files that the weights are read from."""
    return [path for path in source.files(folder) if path.suffix in (".safetensors", ".bin")]


def _folder(source_: Source, name: str) -> Path:
    """Where the files are; fetched if need be."""
    if source_.folder is not None:
        return source_.folder
    assert source_.repository is not None
    settings = [(one, source.NEWER[one]) if one in source.NEWER else (one,) for one in source.SETTINGS]
    weights = tuple(one for one in pretrained.WEIGHTS if not one.endswith(".json"))
    return hub.fetch(hub.Wanted(source_.repository, [*settings, weights]), name, _INSTEAD)
