"""`mmsearch search --file`: all questions of a file, in one process."""

from __future__ import annotations

import os
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, TextIO

import typer

from mmsearch.errors import MmsearchError, QueryError
from mmsearch.search.batch import JSON_SUFFIXES, Line, read

if TYPE_CHECKING:
    from mmsearch.types import Hits

    Many = Callable[[Iterable[Any]], Iterator[Hits | MmsearchError]]

SHOWN = 20  # bad lines that are told one by one


@dataclass(slots=True)
class _Told:
    """What was said on standard error, and how often."""

    least: float | None
    asked: int = 0
    bad: int = 0
    notes: set[str] = field(default_factory=set)

    def error(self, line: Line, why: str) -> None:
        self.bad += 1
        if self.bad <= SHOWN:
            print(f"line {line.number}: {why}", file=sys.stderr)

    def notes_of(self, hits: Hits) -> None:
        from mmsearch.cli.present import notes

        for note in notes(hits, self.least):
            if note not in self.notes:
                self.notes.add(note)
                print(note, file=sys.stderr)


def batch(
    file: Path,
    many: Many,
    *,
    out: Path | None,
    trec: str | None,
    templates: Sequence[str],
    strict: bool,
    least: float | None = None,
) -> None:
    """Ask all questions of a file; lines that cannot be asked are told, and stop nothing.

    What a file of answers held before goes when the first of these lines is written, and not before: what stops the run
    earlier leaves it. The lines of a run that is interrupted stay.

    Args:
        file: of questions, `-` for standard input; see `search.batch.read`.
        many: answers them, in their order.
        out: where answers go; standard output if it is not given.
        trec: the tag of a run in TREC's format; JSON lines without it.
        templates: that texts are asked in.
        strict: exit with status 1 if any line could not be asked.
        least: the confidence under which hits were left out, if it was given.

    Raises:
        QueryError: a file cannot be opened, both files are the same, or what is the same for all questions makes no
            sense.
    """
    if trec is not None and (not trec.isprintable() or len(trec.split()) != 1 or trec.strip() != trec):
        raise QueryError(f"the tag of a TREC run is one word, and {trec!r} is not")
    told = _Told(least)
    with _lines(file) as lines, ExitStack() as stack:
        json_lines = None if str(file) == "-" else file.suffix.lower() in JSON_SUFFIXES
        questions = read(lines, json_lines=json_lines, templates=templates)
        answers = _answered(questions if trec is None else _once(questions), many)
        sink = stack.enter_context(_sink(out, lines))
        show: Callable[[str, int, int | None], None] | None = None
        if out is not None or not sys.stdout.isatty():
            from mmsearch.cli.progress import counter

            show = stack.enter_context(counter())
        for line, found in answers if out is None else _replacing(answers, sink):
            if isinstance(found, str):
                told.error(line, found)
            else:
                told.asked += 1
                told.notes_of(found)
            _write(sink, line, found, trec)
            if show is not None:
                show("asking", told.asked + told.bad, None)
    if told.bad:
        print(f"{told.asked:,} questions asked, {told.bad:,} lines could not be", file=sys.stderr)
    if not told.asked and not told.bad:
        raise QueryError(f"there is no question in {file}")
    if not told.asked or (strict and told.bad):
        raise typer.Exit(1)


def _once(lines: Iterable[Line]) -> Iterator[Line]:
    """The same; one with the id of an earlier one cannot be asked, as a run has one list of answers for each id."""
    first: dict[str, int] = {}
    for line in lines:
        if line.query is not None and first.setdefault(line.id, line.number) != line.number:
            why = f"a run has one list for each id, and {line.id!r} is the id of line {first[line.id]} already"
            yield Line(line.number, line.id, error=why)
        else:
            yield line


def _answered(lines: Iterable[Line], many: Many) -> Iterator[tuple[Line, Hits | str]]:
    """Each line with its answer, or with why there is none; a block of lines is read ahead.

    What is wrong with all of them is raised at once.
    """
    waiting: deque[Line] = deque()

    def questions() -> Iterator[Any]:
        for line in lines:
            waiting.append(line)
            if line.query is not None:
                yield line.query

    answers = many(questions())

    def answered() -> Iterator[tuple[Line, Hits | str]]:
        for answer in answers:
            while waiting[0].query is None:
                bad = waiting.popleft()
                yield bad, bad.error
            yield waiting.popleft(), str(answer) if isinstance(answer, MmsearchError) else answer
        for bad in waiting:
            yield bad, bad.error

    return answered()


def _write(sink: TextIO, line: Line, found: Hits | str, trec: str | None) -> None:
    if trec is not None:
        if not isinstance(found, str):
            from mmsearch.evaluation.trec import lines

            sink.writelines(lines(line.id, [hit.id for hit in found], [hit.score for hit in found], trec))
        return
    from mmsearch.cli.json_lines import write_line
    from mmsearch.cli.present import hits_json

    answer = {"line": line.number, "error": found} if isinstance(found, str) else hits_json(found)
    write_line({"id": line.id, **answer}, sink)


@contextmanager
def _lines(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = file.expanduser().open("rb")
    except OSError as error:
        raise QueryError(f"cannot read the questions {file}: {error.strerror}") from error
    with opened:
        yield opened


@contextmanager
def _sink(out: Path | None, lines: BinaryIO) -> Iterator[TextIO]:
    """Where answers go; a file keeps what it holds, for now."""
    if out is None:
        yield sys.stdout
        return
    try:
        opened = out.expanduser().open("a", encoding="utf-8", newline="\n")
    except OSError as error:
        raise QueryError(f"cannot write the answers to {out}: {error.strerror}") from error
    with opened:
        if _is_file(opened) and _is_file(lines) and os.path.sameopenfile(opened.fileno(), lines.fileno()):
            raise QueryError(f"the answers cannot go to {out}: the questions are read from it")
        yield opened


def _replacing(answers: Iterable[tuple[Line, Hits | str]], sink: TextIO) -> Iterator[tuple[Line, Hits | str]]:
    """The same answers; what the sink holds goes when the first one is there."""
    for number, answer in enumerate(answers):
        if not number and _is_file(sink):
            sink.truncate(0)
        yield answer


def _is_file(opened: IO[Any]) -> bool:
    """Whether it is one on a disk: pipes and devices have no content that could go, and may be read and written."""
    try:
        return stat.S_ISREG(os.fstat(opened.fileno()).st_mode)
    except OSError:  # a stream of Python's, which has no number
        return False
