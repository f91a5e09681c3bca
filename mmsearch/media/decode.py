"""The one entry point from a file to media, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

from mmsearch.errors import MediaError
from mmsearch.media.formats import FORMATS, Decoder, content_of
from mmsearch.media.source import open_source
from mmsearch.types import InputSpec, Medium, Modality

_Spec = TypeVar("_Spec")


def decode(source: Path | bytes, modality: Modality, spec: InputSpec, suffix: str) -> Iterator[Medium | MediaError]:
    """Decode a file: one medium, or one for each of its records.

    Args:
        source: a path, or the file's bytes.
        modality: what its suffix promises (`formats.modality_of`).
        spec: the model's wishes.
        suffix: of its name, such as `.jsonl`; with one that is not in the table, `modality` alone decides.

    Yields:
        Media; a `MediaError` stands for a record that cannot be read, when the others can.

    Raises:
        MediaError: the file as a whole cannot be read, the model does not know the modality, or the file holds another
            modality than its suffix says. Raised by the call itself, except for damage inside a sound.
    """
    known = FORMATS.get(suffix.lower())
    decoder = known.decoder if known and known.modality is modality else _DECODERS[modality]
    try:
        return _decode(source, decoder, spec)
    except MediaError as error:
        raise _wrong_suffix(source, modality, suffix) or error from error


_DECODERS: Final = {Modality.IMAGE: Decoder.IMAGE, Modality.AUDIO: Decoder.AUDIO, Modality.TEXT: Decoder.TEXT}


def _decode(source: Path | bytes, decoder: Decoder, spec: InputSpec) -> Iterator[Medium | MediaError]:
    # Imported here: a search that asks with text loads neither Pillow nor soundfile.
    if decoder is Decoder.IMAGE:
        from mmsearch.media import image

        return iter((image.decode(source, _known(spec.image, Modality.IMAGE)),))
    if decoder is Decoder.AUDIO:
        from mmsearch.media import audio

        return iter((audio.decode(source, _known(spec.audio, Modality.AUDIO)),))
    from mmsearch.media import text

    if decoder is Decoder.TEXT:
        return iter((text.decode(source, _known(spec.text, Modality.TEXT)),))
    found = text.records(source, _known(spec.text, Modality.TEXT))
    if wrong := _wrong_suffix(source, Modality.TEXT, ".jsonl"):  # else every line of a picture would be reported
        raise wrong
    return found


def _known(spec: _Spec | None, modality: Modality) -> _Spec:
    if spec is None:
        raise MediaError(f"the model does not know the modality {modality}")
    return spec


def _wrong_suffix(source: Path | bytes, modality: Modality, suffix: str) -> MediaError | None:
    try:
        with open_source(source) as file:
            content = content_of(file.read(512))
    except (MediaError, OSError):
        return None
    if content is None or content.modality is modality:
        return None
    held = content.modality if content.name == content.modality else f"{content.modality} ({content.name})"
    return MediaError(f"the suffix {suffix} says {modality}, but the content is {held}")
