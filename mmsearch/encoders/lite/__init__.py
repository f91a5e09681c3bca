"""`lite`, the embedded default: photos, sounds and English text in one space, ONNX Runtime, no torch.

::

    text    MiniLM        ─► 384 ───────────────────────────► centre ┐
    image   EfficientNet  ─► 1280 ─► ConSE + weight map ────► centre ├─► 384-d unit vectors
    audio   YAMNet        ─► 1545 ─► ConSE ─────────────────► centre ┘
"""

from __future__ import annotations

from functools import cache, partial

from mmsearch.encoders import weights
from mmsearch.encoders.base import Model
from mmsearch.encoders.lite import parts
from mmsearch.encoders.lite.audio import AudioEncoder
from mmsearch.encoders.lite.head import ConsensusHead
from mmsearch.encoders.lite.image import ImageEncoder
from mmsearch.encoders.lite.parts import Part
from mmsearch.encoders.lite.tagger import ClassTagger
from mmsearch.encoders.lite.text import MAX_TOKENS, TextEncoder
from mmsearch.types import AudioSpec, ImageSpec, InputSpec, Modality, TextSpec

PARTS: dict[str, tuple[Part, Part, Part]] = {
    "lite": (parts.TEXT, parts.IMAGE0, parts.AUDIO),
    "lite2": (parts.TEXT, parts.IMAGE2, parts.AUDIO),
}


IMAGES = {"lite": ImageSpec(size=224, resize=256), "lite2": ImageSpec(size=260, resize=297)}
# Most likely on labelled sounds, photos and captions, see `Model.scales`: `benchmarks/classification.py` prints them.
SCALES = {
    "lite": {Modality.IMAGE: 11.0, Modality.AUDIO: 8.5, Modality.TEXT: 32.0},
    "lite2": {Modality.IMAGE: 12.5, Modality.AUDIO: 8.5, Modality.TEXT: 32.0},
}


def model(name: str) -> Model:
    """`lite`, or `lite2` with the larger EfficientNet-Lite2, better and about half as fast; once they are pulled."""
    text_part, image_part, audio_part = PARTS[name]
    text = TextEncoder(text_part)
    head = ConsensusHead(name, text_part, image_part, audio_part)
    return Model(
        name=name,
        inputs=InputSpec(
            image=IMAGES[name],
            audio=AudioSpec(rate=16_000, window=10.0, hop=5.0),
            text=TextSpec(MAX_TOKENS, text.count_tokens),
        ),
        encoders=(text, ImageEncoder(image_part), AudioEncoder(audio_part)),
        heads=(head,),
        tagger=ClassTagger(head),
        weights={file: digest for part in PARTS[name] for file, digest in part.weights.items()},
        # See `benchmarks/results/rerankers.md`.
        rerank_by={
            (Modality.IMAGE, Modality.TEXT): ("nnn:1",),
            (Modality.AUDIO, Modality.AUDIO): ("maxsim",),
            (Modality.TEXT, Modality.AUDIO): ("tags",),
            (Modality.AUDIO, Modality.TEXT): ("tags",),
        },
        check=cache(partial(weights.verify, name)),
        scales={(name, medium): scale for medium, scale in SCALES[name].items()},
    )
