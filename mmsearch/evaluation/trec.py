"""Runs and qrels in the format of TREC, as `trec_eval`, `ir-measures` and others read them.

::

    text-image.qrels     query 0 item grade
    text-image.run       query Q0 item rank score mmsearch

Ids have no white space in them there: as in web addresses, a space is written `%20`, and
`%` itself `%25`. `urllib.parse.unquote` turns them back, half surrogate pairs with `errors="surrogatepass"`.

`trec_eval` does not look at the rank, but sorts by score, and equal scores by id. So of items with equal scores, each
is written with the next smaller number, in the order in which they were found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from mmsearch.errors import DatasetError

if TYPE_CHECKING:
    from mmsearch.evaluation.result import Evaluation
    from mmsearch.evaluation.runs import Run
    from mmsearch.types import FloatArray

TAG = "mmsearch"
_UNSAFE = re.compile(r"[\s%\x00-\x1f\ud800-\udfff]")


def write(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write a run and its qrels for each direction into a folder; gives the files.

    What the run has kept is written, see `Run.items`: keep all of it, `evaluate(keep=depth)`, if measures with a larger
    depth than that are to be computed from it.

    Raises:
        DatasetError: they cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for result in evaluation.directions.values():
            run = result.run
            for suffix, lines in (("qrels", _qrels(run)), ("run", _lines(run))):
                path = folder / f"{run.query}-{run.target}.{suffix}"
                with path.open("w", encoding="utf-8", newline="\n") as file:
                    file.writelines(lines)
                written.append(path)
    except OSError as error:
        raise DatasetError(f"cannot write TREC files to {folder}: {error.strerror}") from error
    return written


def escaped(id: str) -> str:
    """An id without white space, as UTF-8 can hold it; two that differ stay different."""
    return _UNSAFE.sub(lambda unsafe: quote(unsafe[0], safe="", errors="surrogatepass"), id)


def _qrels(run: Run) -> Iterator[str]:
    for id, relevant in zip(run.asked, run.relevant, strict=True):
        for item, grade in relevant.items():
            yield f"{escaped(id)} 0 {escaped(item)} {grade}\n"


def _lines(run: Run) -> Iterator[str]:
    names = {item: escaped(item) for item in set(run.items.ravel().tolist())}
    for id, items, scores in zip(run.asked, run.items.tolist(), run.scores, strict=True):
        count = items.index("") if "" in items else len(items)
        yield from _ranked(escaped(id), [names[item] for item in items[:count]], scores[:count], TAG)


def lines(query: str, items: Sequence[str], scores: Sequence[float], tag: str = TAG) -> Iterator[str]:
    """The lines of a run for one query.

    Args:
        query: its id.
        items: ids of what was found, best first.
        scores: of each, falling.
        tag: the name of the run, without white space.
    """
    return _ranked(escaped(query), [escaped(item) for item in items], np.array(scores, np.float32), tag)


def _ranked(query: str, items: Sequence[str], scores: FloatArray, tag: str) -> Iterator[str]:
    for rank, (item, score) in enumerate(zip(items, _falling(scores), strict=True), 1):
        yield f"{query} Q0 {item} {rank} {score:.9g} {tag}\n"


def _falling(scores: FloatArray) -> list[float]:
    """The same scores, each smaller than the one before, by one step of float32 at least."""
    written = scores.copy()
    while len(equal := np.flatnonzero(written[1:] >= written[:-1]) + 1):
        written[equal] = np.nextafter(written[equal - 1], np.float32(-np.inf))
    return [float(score) for score in written]
