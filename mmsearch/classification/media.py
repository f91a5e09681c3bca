"""Classifying files and records that are in no index: decoded and encoded as for one, on the same pipeline."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mmsearch.classification.result import Classified
from mmsearch.errors import MediaError
from mmsearch.indexing.decoding import Decoder
from mmsearch.indexing.jobs import Draft, FileJob, ItemDraft, RecordJob
from mmsearch.indexing.pipeline import Pipeline
from mmsearch.indexing.reuse import Afresh
from mmsearch.media import TIMEOUT_SECONDS, scan
from mmsearch.media.formats import modality_of
from mmsearch.media.source import reason
from mmsearch.search.one_thread import one_thread
from mmsearch.store.changes import FileState, storable
from mmsearch.types import Failure, Record

if TYPE_CHECKING:
    from mmsearch.classification.classifier import Classifier
    from mmsearch.media.reader import InProcess, Readers
    from mmsearch.store.changes import Move

Outcome: TypeAlias = Classified | Failure
Source: TypeAlias = "str | Path | Record"


class Media:
    """Files, folders with everything below them, and records; iterated once, in their order.

    A file of records has an outcome for each of them, any other file one. A file that cannot be read is a `Failure` and
    stops nothing. Of a folder, files of modalities that cannot be classified are left out.

    Args:
        sources: what to classify.
        classifier: by what.
        readers: what reads the files.
        exclude: globs of what is left out of folders, see `scan.walk`.
        timeout: seconds without anything from its decoder after which a file is given up.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        classifier: Classifier,
        readers: Readers | InProcess,
        *,
        exclude: str | Sequence[str] = (),
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._sources, self._classifier, self._readers = sources, classifier, readers
        self._exclude, self._timeout = exclude, timeout
        # What was met, in its order; those of the first that have an outcome are handed out. Appended to by the thread
        # that scans, taken from by the caller's.
        self._met: deque[FileJob | RecordJob | Failure] = deque()

    def __iter__(self) -> Iterator[Outcome]:
        """Outcomes as they come, but in the order of the sources."""
        model = self._classifier.model
        decoder = Decoder(model.inputs, Afresh(model), self._readers, self._timeout)
        pipeline = Pipeline(self._jobs(), decoder, model)
        done: dict[int, list[Outcome]] = {}
        with closing(pipeline.run()) as drafts:
            while (ready := self._step(drafts, done)) is not None:
                yield from ready
        yield from self._ready(done)

    def _step(self, drafts: Iterator[Draft | Move | None], done: dict[int, list[Outcome]]) -> list[Outcome] | None:
        """What can be handed out after one more of them; None if there is no more.

        One thread for products, see `indexing.run`, but not while the caller does something else: it is for them too.
        """
        with one_thread():
            for draft in drafts:
                if isinstance(draft, Draft):
                    done[id(draft.job)] = self._outcomes(draft)
                return list(self._ready(done))
        return None

    def _ready(self, done: dict[int, list[Outcome]]) -> Iterator[Outcome]:
        while self._met:
            first = self._met[0]
            if isinstance(first, Failure):
                yield first
            elif id(first) in done:
                yield from done.pop(id(first))
            else:
                return
            self._met.popleft()

    def _jobs(self) -> Iterator[FileJob | RecordJob]:
        for source in self._sources:
            for met in (RecordJob(source),) if isinstance(source, Record) else self._found(Path(source).expanduser()):
                self._met.append(met)
                if not isinstance(met, Failure):
                    yield met

    def _found(self, path: Path) -> Iterator[FileJob | Failure]:
        try:
            if path.is_dir():
                yield from self._below(path)
                return
            state = path.stat()
        except (OSError, ValueError, MediaError) as error:
            yield Failure(path, None, reason(error) if not isinstance(error, MediaError) else str(error))
            return
        modality = modality_of(os.fsencode(path.name))
        if modality is None:
            yield Failure(path, None, "no picture, sound or text by its suffix")
        elif modality not in self._classifier.senses:
            name = self._classifier.model.name
            yield Failure(path, None, f"the model {name} classifies {', '.join(self._classifier.senses)}")
        else:
            yield FileJob(path, modality, _state(state.st_size, state.st_mtime_ns), None, {})

    def _below(self, folder: Path) -> Iterator[FileJob | Failure]:
        for met in scan.walk(folder, exclude=self._exclude):
            path = folder / os.fsdecode(met.path)
            if isinstance(met, scan.Entry):
                if met.modality in self._classifier.senses:
                    yield FileJob(path, met.modality, _state(met.size, met.mtime_ns), None, {})
            elif not met.on_purpose:
                yield Failure(path, None, met.reason)

    def _outcomes(self, draft: Draft) -> list[Outcome]:
        job = draft.job
        path, key = (job.path, None) if isinstance(job, FileJob) else (None, job.record.id)
        made = [found for item in draft.items if (found := self._classified(item, path)) is not None]
        failed = [Failure(path, key, why) for why in draft.errors]
        if not made and not failed:
            failed = [Failure(path, key, "nothing to classify in it")]
        return [*made, *failed]

    def _classified(self, item: ItemDraft, path: Path | None) -> Classified | None:
        there = {segment.modality for segment in item.segments}
        for modality, sense in self._classifier.senses.items():
            if modality in there:
                rows = [segment.rows for segment in item.segments if segment.modality is modality]
                vectors = np.array([row[sense.group] for row in rows], np.float32)
                features = None
                if sense.features is not None:
                    unknown = np.full(sense.features.dim, np.nan, np.float32)  # of a vector that the caller brought
                    features = np.array([row.get(sense.features, unknown) for row in rows], np.float32)
                found = self._classifier.probabilities(modality, vectors, features).mean(axis=0)
                named = item.key or item.metadata.get("id")
                id_ = None if named is None else str(named)
                return Classified(id_, path, modality, self._classifier.guesses(found))
        return None


def _state(size: int, mtime_ns: int) -> FileState:
    return FileState(0, b"", size, storable(mtime_ns), None)
