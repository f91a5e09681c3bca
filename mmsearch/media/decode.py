"""The entry points to media: from a file, whatever it is, and from what a caller holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

from mmsearch.errors import MediaError
from mmsearch.media.formats import Decoder, content_of, decoder_of
from mmsearch.media.source import open_source
from mmsearch.types import InputSpec, Medium, Modality, Segment

HEAD_BYTES: Final = 512
"""What is looked at to tell what a file holds."""

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


def decode(source: Any, modality: Modality, spec: InputSpec) -> Medium:  # noqa: ANN401  (what `Record` takes)
    """One picture, sound or text that a caller holds, in this process; a text is in passages.

    Args:
        source: a path, encoded bytes, pixels or samples, as `types.Record` takes them; a text is a `str`.
        modality: what it is.
        spec: the model's wishes.

    Raises:
        MediaError: it cannot be decoded, or the model does not know the modality.
    """
    # Imported here: a text question waits for neither Pillow nor soundfile.
    match modality:
        case Modality.IMAGE:
            from mmsearch.media.image.decode import decode as picture

            return picture(source, _known(spec.image, modality))
        case Modality.AUDIO:
            from mmsearch.media.audio.decode import decode as sound

            return sound(source, _known(spec.audio, modality))
        case Modality.TEXT:
            from mmsearch.media.text.document import in_passages

            return in_passages(Medium(modality, iter((Segment(source),))), _known(spec.text, modality))


def _decoded(source: Path | bytes, decoder: Decoder, spec: InputSpec) -> Iterator[Medium | MediaError]:
    if decoder is Decoder.IMAGE:
        yield decode(source, Modality.IMAGE, spec)
    elif decoder is Decoder.AUDIO:
        yield decode(source, Modality.AUDIO, spec)
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
    said = f"the suffix {suffix} says" if suffix else "it should be"
    return MediaError(f"{said} {modality}, but the content is {shown}")
