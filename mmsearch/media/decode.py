"""The one entry point from a file to media, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final, TypeVar

from mmsearch.errors import MediaError
from mmsearch.media.formats import Decoder, content_of, decoder_of
from mmsearch.media.source import open_source
from mmsearch.types import InputSpec, Medium, Modality

HEAD_BYTES: Final = 512
"""What is looked at to tell what a file holds."""

TIMEOUT_SECONDS: Final = 60.0
"""How long a decoder may deliver nothing before its file is given up: the next segment, page or record counts."""

_Spec = TypeVar("_Spec")


def read(source: Path | bytes, modality: Modality, spec: InputSpec, suffix: str) -> Iterator[Medium | MediaError]:
    """Decode a file: one medium, or one for each of its records.

    Args:
        source: a path, or the file's bytes.
        modality: what its suffix promises (`formats.modality_of`).
        spec: the model's wishes.
        suffix: of its name, such as `.jsonl`; with one that is not in the table, content and `modality` decide.

    Yields:
        Media. A text is in parts as its reader found them, for `document.in_passages` to cut. A `MediaError` stands for
        a record or a page that cannot be read, when the others can.

    Raises:
        MediaError: the file as a whole cannot be read, the model does not know the modality, or the file holds another
            modality than its suffix says. May come after some media, or from their segments.
    """
    with open_source(source) as file:
        head = file.read(HEAD_BYTES)
    content = content_of(head)
    misnamed = content is not None and content.modality is not modality
    decoder = decoder_of(suffix, modality, head)
    if content is not None and misnamed and modality is Modality.TEXT:  # any bytes can be taken for some text
        raise _misnamed(suffix, modality, content.name, content.modality)
    try:
        yield from _decoded(source, decoder, spec)
    except MediaError as error:
        if content is not None and misnamed:
            raise _misnamed(suffix, modality, content.name, content.modality) from error
        raise


def _decoded(source: Path | bytes, decoder: Decoder, spec: InputSpec) -> Iterator[Medium | MediaError]:
    # Imported here: each process loads only the libraries for what it meets.
    if decoder is Decoder.IMAGE:
        from mmsearch.media.image import decode as image

        yield image.decode(source, _known(spec.image, Modality.IMAGE))
    elif decoder is Decoder.AUDIO:
        from mmsearch.media.audio import decode as audio

        yield audio.decode(source, _known(spec.audio, Modality.AUDIO))
    else:
        _known(spec.text, Modality.TEXT)
        module, _, function = decoder.rpartition(".")
        reader: Callable[[Path | bytes], Iterator[Medium | MediaError]]
        reader = getattr(import_module(f"mmsearch.media.{module}"), function)
        yield from reader(source)


def _known(spec: _Spec | None, modality: Modality) -> _Spec:
    if spec is None:
        raise MediaError(f"the model does not know the modality {modality}")
    return spec


def _misnamed(suffix: str, modality: Modality, name: str, held: Modality) -> MediaError:
    shown = held if name == held else f"{held} ({name})"
    return MediaError(f"the suffix {suffix} says {modality}, but the content is {shown}")
