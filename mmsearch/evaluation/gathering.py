"""What readers put a dataset together with: they say what they found, and ids, truth and warnings follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from mmsearch.errors import DatasetError
from mmsearch.evaluation.datasets import Dataset, Judgements
from mmsearch.types import Modality, Record


@dataclass(slots=True)
class Gathering:
    """A dataset in the making.

    A caption is a text of its own, even when two pictures have the same one, and what is relevant is what was stated.
    A label is one text for all its media. Items that share a topic are relevant to each other.

    Attributes:
        source: what is read, for its name and for messages.
        folder: what names of media files are relative to.
        ignored: what the reader itself left out: how often, by what it was.
    """

    source: Path
    folder: Path
    ignored: dict[str, int] = field(default_factory=dict)
    _records: dict[str, Record] = field(default_factory=dict)
    _qrels: dict[tuple[Modality, Modality], dict[str, set[str]]] = field(default_factory=dict)
    _topics: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _files: dict[str, bool] = field(default_factory=dict)  # as the source names them; whether they exist
    _captioned: int = 0

    def captions(self, modality: Modality, name: str, captions: Sequence[str]) -> None:
        """A picture or sound, and the captions of it."""
        self._captioned += 1
        kept = {f"caption:{self._captioned}.{n}": text for n, text in enumerate(captions, 1) if text.strip()}
        if len(kept) < len(captions):
            self.ignore("blank captions left out", len(captions) - len(kept))
        self._pair(modality, name, kept)

    def label(self, modality: Modality, name: str, label: str) -> None:
        """A picture or sound, and the class that it belongs to."""
        self._pair(modality, name, {f"label:{label}": label})

    def item(self, id: str, names: Mapping[Modality, str], text: str | None, topics: Sequence[str]) -> None:
        """An item of one or several media, and its topics. It is left out if one of its files is missing.

        Raises:
            ValueError: an earlier item has that id.
        """
        if id in self._records:
            raise ValueError(f'the id "{id}" is that of an earlier item; expected each id once')
        files = {modality: self._file(name) for modality, name in names.items()}
        if None not in files.values():
            image, audio = files.get(Modality.IMAGE), files.get(Modality.AUDIO)
            self._records[id] = Record(id=id, image=image, audio=audio, text=text)
            self._topics[id] = tuple(topics)

    def ignore(self, what: str, times: int = 1) -> None:
        """Count something that is left out on purpose."""
        self.ignored[what] = self.ignored.get(what, 0) + times

    def dataset(self) -> Dataset:
        """Everything together.

        Raises:
            DatasetError: all media are missing, or nothing is judged.
        """
        self._relate_topics()
        missing = [name for name, exists in self._files.items() if not exists]
        if missing and len(missing) == len(self._files):
            raise DatasetError(
                f"{self.source}: none of the files that it names exists ({len(missing):,}, the first: {missing[0]}); "
                f"they are looked for in {self.folder}"
            )
        if not self._qrels:
            raise DatasetError(f"{self.source}: nothing to evaluate: there is no caption, no label and no shared topic")
        judgements = tuple(
            Judgements(query, target, {id: frozenset(found) for id, found in qrels.items()})
            for (query, target), qrels in self._qrels.items()
        )
        name = f"{self.source.resolve().parent.name}/{self.source.name}"
        return Dataset(name, tuple(self._records.values()), judgements, tuple(self._warnings(missing)))

    def _pair(self, modality: Modality, name: str, texts: Mapping[str, str]) -> None:
        file = self._file(name)
        if file is None:
            return
        id = f"{modality}:{Path(name)}"
        if id in self._records:
            self.ignore("files named again, their entries taken together")
        elif modality is Modality.IMAGE:
            self._records[id] = Record(id=id, image=file)
        else:
            self._records[id] = Record(id=id, audio=file)
        for text_id, text in texts.items():
            self._records[text_id] = Record(id=text_id, text=text)
            self._relevant(Modality.TEXT, text_id, modality, id)
            self._relevant(modality, id, Modality.TEXT, text_id)

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

    def _file(self, name: str) -> Path | None:
        """The file of that name, or None if it is missing."""
        try:
            self._files[name] = (self.folder / name).is_file()
        except OSError:  # a name too long for any file, a folder that may not be entered
            self._files[name] = False
        return self.folder / name if self._files[name] else None

    def _warnings(self, missing: Sequence[str]) -> Iterator[str]:
        if missing:
            yield f"missing files left out: {len(missing):,} of {len(self._files):,}, the first: {missing[0]}"
        for what, times in self.ignored.items():
            yield f"{what}: {times:,}"


def _modalities(record: Record) -> frozenset[Modality]:
    held = {Modality.IMAGE: record.image, Modality.AUDIO: record.audio, Modality.TEXT: record.text}
    return frozenset(modality for modality, part in held.items() if part is not None)
