"""An indexing run: feed the pipeline, commit what comes out of it, and tell what happened."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from mmsearch.errors import MediaError
from mmsearch.indexing.decoding import Decoder
from mmsearch.indexing.jobs import FileJob, RecordJob
from mmsearch.indexing.pipeline import Pipeline
from mmsearch.indexing.plan import Gone, Plan, Trouble, Unchanged, files
from mmsearch.indexing.reuse import Reuse
from mmsearch.media import TIMEOUT_SECONDS
from mmsearch.store.changes import Annotate, Applied, Change, Move, Put, Remove
from mmsearch.types import Failure, Progress, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from mmsearch.encoders.base import Model
    from mmsearch.indexing.jobs import Draft, Job
    from mmsearch.indexing.plan import Root
    from mmsearch.media.reader import InProcess, Readers
    from mmsearch.store.store import Store
    from mmsearch.store.writer import Writer
    from mmsearch.types import Record

COMMIT_SECONDS = 1.0
COMMIT_SEGMENTS = 4096
PROGRESS_SECONDS = 0.1
COUNT_AFTER_SECONDS = 0.3


class Run:
    """One run of a writer. Make it, call one of the `add` methods once, and drop it.

    Args:
        readers: what reads the files.
        progress: called from the caller's thread about ten times a second.
        prune: remove vanished files even if a whole root is empty.
        timeout: seconds without anything from its decoder after which a file is given up.
    """

    def __init__(
        self,
        store: Store,
        writer: Writer,
        model: Model,
        readers: Readers | InProcess,
        *,
        progress: Callable[[Progress], None] | None = None,
        prune: bool = False,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        if not timeout > 0:
            raise MediaError(f"the timeout must be more than 0 seconds, not {timeout!r}")
        self._store, self._writer, self._model = store, writer, model
        self._readers, self._timeout = readers, timeout
        self._progress, self._prune = progress, prune
        self._started = self._committed_at = self._shown_at = time.perf_counter()
        self._found = 0
        self._total: int | None = None
        self._over = False
        self._added = self._updated = self._reused = self._unchanged = self._removed = self._segments = 0
        self._failed: list[Failure] = []
        self._failed_whole = 0  # files and records of which nothing could be added
        self._warnings: list[str] = []
        self._aside: list[Change] = []  # from the scan thread; list.append is atomic
        self._last: list[Applied] = []
        self._gone: list[Gone] = []
        self._pending: list[Change] = []
        self._pending_size = 0
        self._seconds: dict[str, float] = {"commit": 0.0}

    def add_roots(self, roots: Sequence[Root], exclude: str | Sequence[str] = ()) -> Report:
        """Bring the index up to date with these folders and files."""
        counting = threading.Timer(COUNT_AFTER_SECONDS, self._count, (roots, exclude))
        counting.daemon = True
        if self._progress is not None:
            counting.start()
        try:
            self._execute(self._jobs_of(roots, exclude))
        finally:
            self._over = True
            counting.cancel()
        self._remove_gone()
        self._pending += self._last
        self._commit()
        return self._report()

    def add_records(self, records: Iterable[Record]) -> Report:
        """Add records; one whose id exists replaces it."""
        self._execute(self._jobs_of_records(records))
        return self._report()

    def _jobs_of(self, roots: Sequence[Root], exclude: str | Sequence[str]) -> Iterator[Job]:
        for root in roots:
            plan, gone = Plan(self._store, root, exclude, self._model.inputs.modalities, self._timeout), list[Gone]()
            for step in plan:
                self._found += isinstance(step, (FileJob, Unchanged))
                if isinstance(step, FileJob):
                    yield step
                elif isinstance(step, Gone):
                    gone.append(step)
                else:
                    self._note(step, root)
            if gone and plan.empty and not self._prune:
                self._warnings.append(
                    f"{root.absolute(root.part)} is empty, but {len(gone)} files of it are in the index; "
                    "nothing was removed (is a drive not mounted? --prune removes them)"
                )
            else:
                self._gone += gone
        self._total = self._found

    def _count(self, roots: Sequence[Root], exclude: str | Sequence[str]) -> None:
        """Count the files beside the run: the scan is only as far ahead as the queues are long."""
        found = 0
        for root in roots:
            for _ in files(self._store, root, exclude, self._model.inputs.modalities):
                found += 1
                if self._over:
                    return
        self._total = found

    def _note(self, step: Unchanged | Trouble | Annotate | Applied, root: Root) -> None:
        match step:
            case Unchanged(known):
                if known.error is None:
                    self._unchanged += 1
                else:
                    self._failed_whole += 1
                    self._failed.append(Failure(root.absolute(known.path), None, known.error))
            case Trouble(path, reason, on_purpose):
                if on_purpose:
                    self._warnings.append(f"{path}: {reason}")
                else:
                    self._failed_whole += 1
                    self._failed.append(Failure(path, None, reason))
            case Annotate():
                self._aside.append(step)
            case Applied():
                self._last.append(step)

    def _jobs_of_records(self, records: Iterable[Record]) -> Iterator[Job]:
        for record in records:
            self._found += 1
            yield RecordJob(record)
        self._total = self._found

    def _execute(self, jobs: Iterator[Job]) -> None:
        reuse = Reuse(self._store, self._model)
        pipeline = Pipeline(jobs, Decoder(self._model.inputs, reuse, self._readers, self._timeout), self._model)
        try:
            # BLAS threads spin for a while after each product and take the cores from decoders and encoder: projecting
            # with two of them cost a third of the whole throughput on two cores.
            with threadpool_limits(1, "blas"), closing(pipeline.run()) as outcomes:
                for outcome in outcomes:
                    if isinstance(outcome, Move):
                        self._reused += 1
                        self._later(outcome, 1)
                    elif outcome is not None:
                        self._finish(outcome)
                    self._tick()
        finally:  # Ctrl-C and errors included: what is finished is not lost
            self._commit()
            self._seconds |= pipeline.seconds

    def _finish(self, draft: Draft) -> None:
        job = draft.job
        path, key = (job.path, None) if isinstance(job, FileJob) else (None, job.record.id)
        self._failed += [Failure(path, key, reason) for reason in draft.errors]
        self._failed_whole += bool(draft.errors and not draft.items)
        put = draft.put()
        if not draft.items and put.file is None:
            return
        if draft.items:
            if draft.handed == 0 and isinstance(job, FileJob):
                self._reused += 1
            elif isinstance(job, FileJob) and job.known is not None and job.known.error is None:
                self._updated += 1
            else:
                self._added += 1
        self._later(put, 1 + sum(len(item.segments) for item in put.items))

    def _later(self, change: Put | Move, size: int) -> None:
        self._pending.append(change)
        self._pending_size += size

    def _tick(self) -> None:
        now = time.perf_counter()
        if self._pending_size >= COMMIT_SEGMENTS or now - self._committed_at >= COMMIT_SECONDS:
            self._commit()
        if self._progress is not None and now - self._shown_at >= PROGRESS_SECONDS:
            self._shown_at = now
            self._progress(self._now())

    def _commit(self) -> None:
        while self._aside:
            self._pending.append(self._aside.pop())
        start = time.perf_counter()
        if self._pending:
            self._segments += self._writer.commit(self._pending)
            self._pending, self._pending_size = [], 0
        self._committed_at = time.perf_counter()
        self._seconds["commit"] += self._committed_at - start

    def _remove_gone(self) -> None:
        """Remove files that the walk did not meet and that are really gone, those renamed meanwhile not."""
        ids = []
        for gone in self._gone:
            known = self._store.file(gone.known.root_id, gone.known.path)
            if known is not None and known.id == gone.known.id and not _is_there(gone.path):
                ids.append(known.id)
                self._removed += 1
        if ids:
            self._pending.append(Remove(file_ids=tuple(ids)))

    def _now(self) -> Progress:
        return Progress(
            total=self._total,
            added=self._added + self._updated + self._reused,
            unchanged=self._unchanged,
            failed=self._failed_whole,
            seconds=time.perf_counter() - self._started,
        )

    def _report(self) -> Report:
        if self._progress is not None:
            self._progress(self._now())
        return Report(
            added=self._added,
            updated=self._updated,
            reused=self._reused,
            unchanged=self._unchanged,
            removed=self._removed,
            failed=tuple(self._failed),
            warnings=tuple(self._warnings),
            segments=self._segments,
            seconds={**self._seconds, "total": time.perf_counter() - self._started},
        )


def _is_there(path: Path) -> bool:
    """Whether a file is there though the walk did not meet it, as one that is excluded by now; a folder is no file."""
    return os.path.lexists(path) and not (path.is_dir() and not path.is_symlink())
