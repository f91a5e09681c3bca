"""Progress on standard error: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mmsearch.types import Progress

PLAIN_SECONDS = 10.0


@contextmanager
def bar() -> Iterator[Callable[[Progress], None]]:
    """Shows an indexing run: files done of files found, failures, rate, time left."""
    with _shown("indexing", "files") as show:

        def told(now: Progress) -> None:
            done = now.added + now.unchanged + now.failed
            note = f"{now.failed} failed" if now.failed else ""
            show("indexing", done, now.total, note)

        yield told


@contextmanager
def counter() -> Iterator[Callable[[str, int, int | None], None]]:
    """Shows what is being done, how much of it, and of how much if that is known."""
    with _shown("evaluating", "") as show:
        yield lambda what, done, total: show(what, done, total, "")


@contextmanager
def _shown(what: str, unit: str) -> Iterator[Callable[[str, int, int | None, str], None]]:
    if sys.stderr.isatty():
        with _bar(what, unit) as show:
            yield show
    else:
        yield _plain(unit)


@contextmanager
def _bar(what: str, unit: str) -> Iterator[Callable[[str, int, int | None, str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), TextColumn("[red]{task.fields[note]}"),
    )  # fmt: skip
    started: dict[str, float] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None, rate="", note="")

        def show(now: str, done: int, total: int | None, note: str) -> None:
            begun = started.setdefault(now, time.monotonic())
            rate = f"{done / max(time.monotonic() - begun, 1e-3):.0f}/s"
            progress.update(task, description=now, completed=done, total=total, rate=rate, note=note)

        yield show


def _plain(unit: str) -> Callable[[str, int, int | None, str], None]:
    last = time.monotonic()

    def show(now: str, done: int, total: int | None, note: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_SECONDS:
            last = time.monotonic()
            of = f" of {total}" if total is not None else ""
            print(f"{now}: {done}{of} {unit}{', ' + note if note else ''}", file=sys.stderr, flush=True)

    return show
