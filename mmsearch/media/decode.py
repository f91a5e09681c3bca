"""The one way from a file to media: by the table of formats, with a check that the content is what the name says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmsearch.errors import MediaError
from mmsearch.media import audio, image, text
from mmsearch.media.formats import Decoder, content_of, format_of
from mmsearch.media.source import open_source
from mmsearch.types import InputSpec, Medium, Modality

_HEAD = 512


def decode(source: Path | bytes, modality: Modality, spec: InputSpec, suffix: str) -> Iterator[Medium | MediaError]:
    """The media in a file: one, or for a file of records one for each record, or why that record is bad.

    Args:
        source: a path, or the bytes of the file.
        modality: what the suffix promises.
        spec: the model's wishes.
        suffix: `.jpg`, ...; within a modality the content decides, not the suffix.

    Raises:
        MediaError: the file cannot be decoded, or holds another modality than its suffix says.
    """
    _check(source, modality, suffix)
    found = format_of(f"x{suffix}")
    decoder = found.decoder if found else None
    if modality is Modality.IMAGE and spec.image is not None:
        yield image.decode(source, spec.image)
    elif modality is Modality.AUDIO and spec.audio is not None:
        yield audio.decode(source, spec.audio)
    elif modality is Modality.TEXT and spec.text is not None:
        if decoder is Decoder.RECORDS:
            yield from text.records(source, spec.text)
        else:
            yield text.decode(source, spec.text)
    else:
        raise MediaError(f"the model does not know the modality {modality}")


def _check(source: Path | bytes, modality: Modality, suffix: str) -> None:
    with open_source(source) as file:
        content = content_of(file.read(_HEAD))
    if content is not None and content.modality is not modality:
        raise MediaError(f"the suffix {suffix} says {modality}, but the content is {content.name} ({content.modality})")
