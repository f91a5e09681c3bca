"""The figures of single queries: to see which got worse, and to compare with another evaluation later.

A file has a row for each query: `direction`, `query` (the id of the record that asks), `group` (the same for captions
of one picture), `text` (what was asked, or the name of the file), `relevant` (how many), `rank` (of the first relevant
item; empty if none was found), `answer` (the id of the best item), and a column for each measure. It is CSV or JSON
lines, by its suffix.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import DatasetError
from mmsearch.evaluation.judging import Floats, Ints
from mmsearch.evaluation.measures import MEASURES

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.result import Evaluation
    from mmsearch.types import Record

SHARES = tuple(measure for measure in MEASURES if not measure.is_rank)


@dataclass(frozen=True, slots=True)
class Scores:
    """The figures of q queries of one direction.

    Attributes:
        asked: ids of the records that ask.
        groups: `(q,)`, the same number for queries that are no independent observations.
        ranks: `(q,)` of the first relevant item, infinite if none was found.
        columns: by name of the measure `(q,)`.
        texts: what they ask with, in words; none where that is not known.
    """

    asked: tuple[str, ...]
    groups: Ints
    ranks: Floats
    columns: Mapping[str, Floats]
    texts: tuple[str, ...] = ()


def scores(evaluation: Evaluation) -> dict[str, Scores]:
    """Of an evaluation, by direction."""
    return {
        direction: Scores(
            result.run.asked,
            result.run.groups,
            result.run.judged.first,
            {measure.name: measure.per_query(result.run.judged) for measure in SHARES},
        )
        for direction, result in evaluation.directions.items()
    }


def write(evaluation: Evaluation, dataset: Dataset, path: Path) -> None:
    """Write a file of them.

    Raises:
        DatasetError: it is neither `.csv` nor `.jsonl`, or cannot be written.
    """
    put: Callable[[Iterable[Mapping[str, Any]]], Iterator[str]] = _kind(path)[0]
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(put(_rows(evaluation, dataset)))
    except OSError as error:
        raise DatasetError(f"the figures of queries cannot be written to {path}: {error.strerror}") from error


def read(path: Path) -> dict[str, Scores]:
    """Read what `write` wrote.

    Raises:
        DatasetError: it cannot be read, or is something else.
    """
    take: Callable[[Iterable[str]], Iterator[Mapping[str, Any]]] = _kind(path)[1]
    found: dict[str, list[Mapping[str, Any]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in take(file):
                found.setdefault(row["direction"], []).append(row)
        made = {direction: _scores(rows) for direction, rows in found.items()}
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DatasetError(f"{path} is no file of `mmsearch eval --per-query` ({error!r})") from error
    if not made:
        raise DatasetError(f"{path} holds no queries")
    return made


def told(record: Record) -> str:
    """What a record asks with, in words: its text, or else the name of its file."""
    files = (str(Path(file).name) for file in (record.image, record.audio) if isinstance(file, (str, Path)))
    return record.text if record.text is not None else next(files, record.id or "")


def _rows(evaluation: Evaluation, dataset: Dataset) -> Iterator[dict[str, Any]]:
    records = {record.id: record for record in dataset.records}
    for direction, some in scores(evaluation).items():
        run = evaluation.directions[direction].run
        columns = {name: column.tolist() for name, column in some.columns.items()}
        for number, id in enumerate(some.asked):
            first = some.ranks[number]
            yield {
                "direction": direction,
                "query": id,
                "group": int(some.groups[number]),
                "text": told(records[id]),
                "relevant": len(run.relevant[number]),
                "rank": int(first) if np.isfinite(first) else None,
                "answer": run.items[number, 0] if run.items.shape[1] else "",
                **{name: column[number] for name, column in columns.items()},
            }


def _scores(rows: list[Mapping[str, Any]]) -> Scores:
    return Scores(
        tuple(str(row["query"]) for row in rows),
        np.array([int(row["group"]) for row in rows], np.int64),
        np.array([float(row["rank"] or np.inf) for row in rows], np.float64),
        {m.name: np.array([float(row[m.name]) for row in rows], np.float64) for m in SHARES},
        tuple(str(row["text"]) for row in rows),
    )


class _Echo:
    """A file for `csv.writer` that gives each line back."""

    def write(self, line: str) -> str:
        return line


def _csv_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    names = ["direction", "query", "group", "text", "relevant", "rank", "answer", *(m.name for m in SHARES)]
    writer = csv.writer(_Echo(), lineterminator="\n")
    yield writer.writerow(names)
    for row in rows:
        yield writer.writerow([row[name] for name in names])


def _json_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _read_json_lines(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    return (json.loads(line) for line in lines if line.strip())


_KINDS: dict[str, tuple[Any, Any]] = {
    ".csv": (_csv_lines, csv.DictReader),
    ".jsonl": (_json_lines, _read_json_lines),
}


def _kind(path: Path) -> tuple[Any, Any]:
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise DatasetError(f"{path}: the figures of queries are kept in files that end with {' or '.join(_KINDS)}")
    return kind
