"""`clip` among the models."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from mmsearch.encoders import hub
from mmsearch.encoders.base import Model
from mmsearch.encoders.clip import IMAGE, TEXT, prepare, source, towers
from mmsearch.encoders.clip.encoder import ClipEncoder, Shape
from mmsearch.encoders.clip.source import Source
from mmsearch.encoders.clip.tokens import SETTINGS, VOCABULARY, Tokenizer
from mmsearch.encoders.export import export
from mmsearch.encoders.family import Card
from mmsearch.encoders.memory import needed_for
from mmsearch.encoders.plain_head import PlainHead
from mmsearch.encoders.prepared import digest
from mmsearch.encoders.prepared_family import Making, PreparedFamily
from mmsearch.encoders.towers import CPU_ROWS, CUDA_ROWS, tower
from mmsearch.types import ImageSpec, InputSpec, Modality, TextSpec

if TYPE_CHECKING:
    from mmsearch.encoders.clip.weights import Loaded

_INSTEAD: Final = "or name a file or a folder of your own: clip:ARCHITECTURE/FILE.safetensors, clip:./FOLDER"
_ABOUT: Final = Card("photos, drawings and English text", None, (Modality.IMAGE, Modality.TEXT), None, None)


class ClipFamily(PreparedFamily[Source]):
    """See `Family`."""

    name = "clip"
    recipe = 1
    about = _ABOUT
    known: ClassVar = {
        source.DEFAULT: Card(
            f"{_ABOUT.summary}: {source.DEFAULT}", 512, _ABOUT.modalities, 605, 607, 151.3, {source.DEFAULT: "MIT"}
        )
    }

    def source(self, argument: str) -> Source:
        """See `PreparedFamily`."""
        found = source.parse(argument)
        is_complete = found.architecture is None or found.tag or found.file
        return found if is_complete else source.check(found)  # which takes seconds: open_clip has to be asked

    def files(self, source_: Source) -> list[Path]:
        """See `PreparedFamily`."""
        if source_.file:
            return [source_.file]
        if source_.folder:
            source.check(source_)
            beside = [path for path in (source_.folder / VOCABULARY,) if path.is_file()]
            return [source.find(source_.folder), source_.folder / source.CONFIG, *beside]
        return []

    def build(self, source_: Source, staging: Path) -> tuple[dict[str, Any], list[Path], list[Any]]:
        """See `PreparedFamily`."""
        loaded = _load(source.check(source_), self._name(source_))
        card = prepare(loaded, staging, export)
        tokenizer = [digest(staging / name) for name in (VOCABULARY, SETTINGS)]
        return card, [loaded.file], [loaded.config, card["preprocessing"], tokenizer]

    def model(self, source_: Source, making: Making) -> Model:
        """See `PreparedFamily`."""
        card, ready, device = making.ready.card, making.ready, making.device

        @cache
        def modules() -> tuple[Any, Any]:
            with needed_for(making.name):
                loaded = _load(source.check(source_), making.name)
                self.same_weights(ready, [loaded.file])
                return towers(loaded)

        encoder = ClipEncoder(
            self.name,
            card["version"],
            Shape(card["dim"], CPU_ROWS if device.kind == "cpu" else CUDA_ROWS[1]),
            tower(ready.file(IMAGE), lambda: modules()[0], device),
            tower(ready.file(TEXT), lambda: modules()[1], device, mapped=True),
            Tokenizer(ready.folder),
        )
        return Model(
            name=making.name,
            inputs=InputSpec(
                image=ImageSpec(**card["image"]), text=TextSpec(card["context_length"], encoder.count_tokens)
            ),
            encoders=(encoder,),
            heads=(PlainHead(self.name, encoder),),
            weights=card["weights"],
            check=making.check,
            scales={(self.name, Modality.IMAGE): card["scale"]},
        )


CLIP: Final = ClipFamily()


def _load(source_: Source, name: str) -> Loaded:
    """Read the weights, after fetching what is not on disk."""
    from mmsearch.encoders.clip import weights
    from mmsearch.encoders.clip.needs import Part, needs

    fetched: dict[Part, Path] = {}

    def fetch(of: Source) -> None:
        for need in needs(of):
            if need.part not in fetched:
                fetched[need.part] = hub.fetch(hub.Wanted(need.repository, need.files, need.optional), name, _INSTEAD)

    fetch(source_)
    if source_.repository:  # what it needs beside its own files is known once they are there
        fetch(Source(folder=fetched[Part.WEIGHTS]))
    return weights.load(source_, fetched)
