"""mmsearch's own manifests.

An entry is one of three forms; paths are relative to the manifest::

    {"image": "a.jpg", "captions": ["a dog", "a brown dog"]}     text->image, image->text; or "audio"
    {"audio": "b.ogg", "label": "dog bark"}                      text->audio, audio->text; or "image"
    {"id": "c", "text": "Dogs bark.", "topics": ["dog"]}         between all modalities; or "image", "audio"

Other keys are ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmsearch.evaluation.gathering import Gathering
from mmsearch.evaluation.readers.entries import Entry, entries
from mmsearch.types import Modality

if TYPE_CHECKING:
    from pathlib import Path

    from mmsearch.evaluation.datasets import Dataset

EXPECTED = 'expected "image" or "audio" with "captions" or "label", or "image", "audio" or "text" with "topics"'
FILES = (Modality.IMAGE, Modality.AUDIO)


def read(path: Path) -> Dataset:
    """Read a manifest.

    Raises:
        DatasetError: it is missing or malformed, all its media are missing, or it judges nothing.
    """
    gathering = Gathering(path, path.parent)
    for entry in entries(path):
        if "topics" in entry.fields:
            _item(entry, gathering)
        else:
            _pair(entry, gathering)
    return gathering.dataset()


def _pair(entry: Entry, gathering: Gathering) -> None:
    """A picture or a sound with captions or a label."""
    media = [modality for modality in FILES if modality in entry.fields]
    if len(media) > 1:
        raise entry.refuse('has both "image" and "audio"; expected one of them, or "topics" to relate them by')
    if not media or not {"captions", "label"} & entry.fields.keys():
        raise entry.refuse(f"{_named(entry)}; {EXPECTED}")
    name = _string(entry, media[0])
    if "captions" not in entry.fields:
        gathering.label(media[0], name, _string(entry, "label"))
        return
    gathering.captions(media[0], name, _strings(entry, "captions"))
    if "label" in entry.fields:
        gathering.ignore("labels ignored because the entry has captions")


def _item(entry: Entry, gathering: Gathering) -> None:
    """An item of one or several media, relevant to those that share a topic with it."""
    parts = {modality: _string(entry, modality) for modality in Modality if modality in entry.fields}
    if not parts:
        raise entry.refuse(f"{_named(entry)}; {EXPECTED}")
    id = _string(entry, "id") if "id" in entry.fields else f"item:{entry.number}"
    text = parts.pop(Modality.TEXT, None)
    topics = _strings(entry, "topics")
    try:
        gathering.item(id, parts, text, topics)
    except ValueError as error:
        raise entry.refuse(str(error)) from error


def _string(entry: Entry, key: str) -> str:
    value = entry.fields[key]
    if not _is_text(value) or not value.strip():
        raise entry.refuse(f'"{key}" is {value!r:.60}; expected a text that is not empty')
    return str(value)


def _strings(entry: Entry, key: str) -> list[str]:
    value = entry.fields[key]
    if not isinstance(value, list) or not all(map(_is_text, value)):
        raise entry.refuse(f'"{key}" is {value!r:.60}; expected a list of texts')
    return value


def _is_text(value: object) -> bool:
    """Whether it is a text without halves of characters, which JSON can spell and no encoder or database takes."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _named(entry: Entry) -> str:
    return f"has {', '.join(map(repr, entry.fields))}"[:120] if entry.fields else "is an empty object"
