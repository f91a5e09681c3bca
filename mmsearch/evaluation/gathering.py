"""What readers put a dataset together with: they say what they found, and ids, truth and warnings follow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Protocol

from mmsearch.errors import DatasetError
from mmsearch.evaluation.datasets import Dataset, Judgements
from mmsearch.evaluation.readers.splits import EVERYTHING, Chosen
from mmsearch.types import Modality, Record

_HALVES = re.compile("[\ud800-\udfff]")  # JSON can spell them, and no encoder or database takes them


class Finder(Protocol):
    """Finds files; as a text, it says where."""

    def find(self, names: Sequence[str]) -> Path | None:
        """The first file that has one of these names, or None."""
        ...


@dataclass(slots=True)
class Gathering:
    """A dataset in the making.

    A caption is a text of its own, even when two pictures have the same one, and what is relevant is what was stated.
    A label is one text for all its media. Items that share a topic are relevant to each other. A question has answers,
    but answers no question itself.

    Attributes:
        source: what is read, for its name and for messages.
        places: where media files are looked for.
        chosen: the part of the source that is read.
        ignored: what the reader itself left out: how often, by what it was.
    """

    source: Path
    places: Finder
    chosen: Chosen = EVERYTHING
    ignored: dict[str, int] = field(default_factory=dict)
    _examples: dict[str, str] = field(default_factory=dict)
    _records: dict[str, Record] = field(default_factory=dict)
    _qrels: dict[tuple[Modality, Modality], dict[str, set[str]]] = field(default_factory=dict)
    _grades: dict[tuple[Modality, Modality], dict[str, dict[str, int]]] = field(default_factory=dict)
    _topics: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _paired: set[str] = field(default_factory=set)
    _labels: dict[str, str] = field(default_factory=dict)
    _files: dict[str, Path | None] = field(default_factory=dict)  # as the source names them; None: missing
    _captioned: int = 0
    _asked: int = 0

    def captions(self, modality: Modality, name: str, captions: Sequence[str], *, names: Sequence[str] = ()) -> None:
        """A picture or sound, and the captions of it.

        Args:
            modality: what it is.
            name: what its id is made of.
            captions: texts; blank ones are left out and counted.
            names: what its file may be called; `name` if that is not given.
        """
        self._captioned += 1
        kept = {}
        for n, text in enumerate(captions, 1):
            if not text.strip():
                self.ignore("blank captions left out")
            elif _HALVES.search(text):
                self.ignore("captions with halves of characters left out", example=text)
            else:
                kept[f"caption:{self._captioned}.{n}"] = text
        self._pair(modality, name, names, kept)

    def label(self, modality: Modality, name: str, label: str, *, names: Sequence[str] = ()) -> None:
        """A picture or sound, and the class that it belongs to; blank ones are left out; `names` as in `captions`."""
        if not label.strip():
            self.ignore("blank labels left out", example=name)
        self._pair(modality, name, names, {f"label:{label}": label} if label.strip() else {})
        if self._labels.setdefault(f"{modality}:{Path(name)}", label) != label:
            self.ignore("files with several labels, all of them taken as right", example=name)

    def item(self, id: str, names: Mapping[Modality, str], text: str | None, topics: Sequence[str]) -> None:
        """An item of one or several media, and its topics. It is left out if one of its files is missing.

        Raises:
            ValueError: an earlier item has that id.
        """
        if id in self._records:
            raise ValueError(f'the id "{id}" is that of an earlier item; expected each id once')
        files = {modality: self._file(name, ()) for modality, name in names.items()}
        if None not in files.values():
            image, audio = files.get(Modality.IMAGE), files.get(Modality.AUDIO)
            self._records[id] = Record(id=id, image=image, audio=audio, text=text)
            self._topics[id] = tuple(topics)

    def question(self, text: str, answers: Sequence[tuple[Modality, str, int]]) -> None:
        """A text, and the pictures and sounds that answer it: what each is, its name, and its grade, 1 or more."""
        self._asked += 1
        asking = f"query:{self._asked}"
        found = [(modality, id, grade) for modality, name, grade in answers if (id := self._medium(modality, name, ()))]
        if not found:
            self.ignore("queries without relevant items left out", example=text)
            return
        self._records[asking] = Record(id=asking, text=text)
        for modality, id, grade in found:
            self._relevant(Modality.TEXT, asking, modality, id)
            if grade != 1:
                self._grades.setdefault((Modality.TEXT, modality), {}).setdefault(asking, {})[id] = grade

    def ignore(self, what: str, times: int = 1, *, example: str | None = None) -> None:
        """Count something that is left out on purpose, or not as it should be; the first example is named."""
        self.ignored[what] = self.ignored.get(what, 0) + times
        if example is not None:
            self._examples.setdefault(what, _printable(example))

    def broken(self, path: Path, lines: Sequence[int]) -> None:
        """Lines of a file that make no sense."""
        if lines:
            self.ignore("lines that make no sense left out", len(lines), example=f"line {lines[0]} of {path.name}")

    def dataset(self) -> Dataset:
        """Everything together.

        Raises:
            DatasetError: all media are missing, or nothing is judged.
        """
        self._relate_topics()
        missing = [name for name, file in self._files.items() if file is None]
        if missing and len(missing) == len(self._files):
            raise DatasetError(
                f"{self.source}: none of the files that it names exists ({len(missing):,}, the first: "
                f"{_printable(missing[0])}); "
                f"they are looked for in {self.places}"
            )
        if not self._qrels:
            left_out = "".join(f"; {warning}" for warning in self._warnings(missing))
            raise DatasetError(
                f"{self.source}: nothing to evaluate: there is no caption, no label, no answer and no shared "
                f"topic{left_out}"
            )
        judgements = tuple(
            Judgements(
                query, target, {id: frozenset(ids) for id, ids in qrels.items()}, self._grades.get((query, target))
            )
            for (query, target), qrels in self._qrels.items()
        )
        name = f"{self.source.resolve().parent.name}/{self.source.name}"
        warnings = tuple(self._warnings(missing))
        return Dataset(name, tuple(self._records.values()), judgements, warnings, self.chosen.name)

    def _pair(self, modality: Modality, name: str, names: Sequence[str], texts: Mapping[str, str]) -> None:
        id = self._medium(modality, name, names)
        if id is None:
            return
        if id in self._paired:
            self.ignore("files named again, their entries taken together")
        self._paired.add(id)
        for text_id, text in texts.items():
            self._records[text_id] = Record(id=text_id, text=text)
            self._relevant(Modality.TEXT, text_id, modality, id)
            self._relevant(modality, id, Modality.TEXT, text_id)

    def _medium(self, modality: Modality, name: str, names: Sequence[str]) -> str | None:
        """The id of a picture or sound, which becomes a record; None if its file is missing."""
        file = self._file(name, names)
        if file is None:
            return None
        id = f"{modality}:{Path(name)}"
        if id not in self._records:
            image = modality is Modality.IMAGE
            self._records[id] = Record(id=id, image=file) if image else Record(id=id, audio=file)
        return id

    def _relevant(self, query: Modality, asking: str, target: Modality, answering: str) -> None:
        self._qrels.setdefault((query, target), {}).setdefault(asking, set()).add(answering)

    def _relate_topics(self) -> None:
        members: dict[str, list[str]] = {}
        for id, topics in self._topics.items():
            for topic in topics:
                members.setdefault(topic, []).append(id)
        carried = {id: _modalities(self._records[id]) for id in self._topics}
        for query, target in product(Modality, Modality):
            for id in (id for id in carried if query in carried[id]):
                others = {other for topic in self._topics[id] for other in members[topic] if target in carried[other]}
                for other in others - {id}:
                    self._relevant(query, id, target, other)

    def _file(self, name: str, names: Sequence[str]) -> Path | None:
        if name not in self._files:
            self._files[name] = None if _HALVES.search(name) else self.places.find(names or (name,))
        return self._files[name]

    def _warnings(self, missing: Sequence[str]) -> Iterator[str]:
        if self.chosen.note:
            yield self.chosen.note
        if missing:
            first = _printable(missing[0])
            yield f"missing files left out: {len(missing):,} of {len(self._files):,}, the first: {first}"
        for what, times in self.ignored.items():
            example = f", the first: {self._examples[what]}" if what in self._examples else ""
            yield f"{what}: {times:,}{example}"


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _modalities(record: Record) -> frozenset[Modality]:
    held = {Modality.IMAGE: record.image, Modality.AUDIO: record.audio, Modality.TEXT: record.text}
    return frozenset(modality for modality, part in held.items() if part is not None)
