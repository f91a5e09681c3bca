"""mmsearch's own manifests.

An entry is one of four forms; paths are relative to the manifest::

    {"image": "a.jpg", "captions": ["a dog", "a brown dog"]}     text->image, image->text; or "audio"
    {"audio": "b.ogg", "label": "dog bark"}                      text->audio, audio->text; or "image"
    {"id": "c", "text": "Dogs bark.", "topics": ["dog"]}         between all modalities; or "image", "audio"
    {"query": "a dog", "relevant": [{"image": "a.jpg", "grade": 3}, {"image": "b.jpg"}]}    text->image; or "audio"

A grade is a whole number from 1, and 1 if it is not given: the greater, the more relevant. What a query does not name
is not relevant to it. Each form can have a "split", such as "train" or "test". Other keys are ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsearch.evaluation.gathering import Gathering
from mmsearch.evaluation.readers.entries import SUFFIXES, Entry, entries
from mmsearch.evaluation.readers.places import Places
from mmsearch.evaluation.readers.splits import exclusive
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.readers.head import Head
    from mmsearch.evaluation.readers.splits import Wanted

NAMES: Final = tuple(f"*{suffix}" for suffix in sorted(SUFFIXES))
SPLIT_BY_FILE: Final = False

EXPECTED = (
    'expected "image" or "audio" with "captions" or "label", or "image", "audio" or "text" with "topics", or "query" '
    'with "relevant"'
)
FILES = (Modality.IMAGE, Modality.AUDIO)
FORMS = ({"image", "captions"}, {"audio", "captions"}, {"image", "label"}, {"audio", "label"}, {"topics"}, {"query"})


def knows(head: Head) -> bool:
    """Whether keys of one of the forms stand at the beginning."""
    return head.path.suffix.lower() in SUFFIXES and any(form <= head.keys for form in FORMS)


def read(files: Sequence[Path], wanted: Wanted) -> Dataset:
    """Read a manifest.

    Raises:
        DatasetError: it is malformed, there is no such split, a file is in two of them, all media of the split are
            missing, or it judges nothing.
    """
    [path] = files
    found = [(entry, _split(entry)) for entry in entries(path)]
    exclusive(path, ((name, split) for entry, split in found if split for name in _names(entry)))
    sizes = Counter(split for _, split in found if split)
    gathering = Gathering(path, Places((path.parent,)), wanted.choose(path, sizes, sizes.__getitem__))
    for entry, split in found:
        if split in gathering.chosen:
            _form(entry)(entry, gathering)
    return gathering.dataset()


def _form(entry: Entry) -> Callable[[Entry, Gathering], None]:
    if "topics" in entry.fields:
        return _item
    return _query if "query" in entry.fields else _pair


def _split(entry: Entry) -> str | None:
    return _string(entry, "split").strip() if "split" in entry.fields else None


def _names(entry: Entry) -> Iterator[str]:
    """The files that are what an entry is about; a query's answers are not."""
    for modality in FILES:
        if isinstance(name := entry.fields.get(modality), str):
            yield str(Path(name))


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


def _query(entry: Entry, gathering: Gathering) -> None:
    """A question, and the pictures and sounds that answer it."""
    answers = entry.fields.get("relevant")
    if not isinstance(answers, list):
        raise entry.refuse(f'"relevant" is {answers!r:.60}; expected a list such as [{{"image": "a.jpg", "grade": 2}}]')
    stated = [_answer(entry, answer) for answer in answers]
    twice = [name for (_, name), times in Counter(one[:2] for one in stated).items() if times > 1]
    if twice:
        raise entry.refuse(f'"relevant" names {twice[0]} twice; expected each file once')
    gathering.question(_string(entry, "query"), stated)


def _answer(entry: Entry, answer: object) -> tuple[Modality, str, int]:
    media = [modality for modality in FILES if isinstance(answer, dict) and modality in answer]
    if not isinstance(answer, dict) or len(media) != 1:
        raise entry.refuse(f'"relevant" holds {answer!r:.60}; expected objects with "image" or "audio"')
    grade = answer.get("grade", 1)
    if not isinstance(grade, int) or isinstance(grade, bool) or grade < 1:
        raise entry.refuse(f'"grade" is {grade!r:.60}; expected a whole number from 1: leave out what is not relevant')
    return media[0], str(Path(_string(Entry(entry.number, entry.place, answer), media[0]))), grade


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
