"""Backgrounds: how well questions that have nothing to do with an index score on it, by direction.

::

    banks        vectors of the made questions of a space, encoded once
    backgrounds  of a direction, the best cosines that each question of its bank has found, and in which rows

Both are derived and can be made again; without them hits have no confidence. See `search.calibrate`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from mmsearch.types import FloatArray

MIGRATION: Final = (
    "CREATE TABLE banks (space TEXT NOT NULL, version TEXT NOT NULL, bank TEXT NOT NULL, dim INTEGER NOT NULL, "
    "vectors BLOB NOT NULL, PRIMARY KEY (space, version))",
    "CREATE TABLE backgrounds (asked TEXT NOT NULL, target TEXT NOT NULL, space TEXT NOT NULL, version TEXT NOT NULL, "
    "bank TEXT NOT NULL, covered TEXT NOT NULL, best BLOB NOT NULL, "
    "PRIMARY KEY (asked, target, space, version)) WITHOUT ROWID",
)
MIGRATION_WIDER: Final = (  # derived: dropped, and made again by the next change
    "ALTER TABLE backgrounds ADD COLUMN width INTEGER",  # fails if it is there already
    "DROP TABLE backgrounds",
    "CREATE TABLE backgrounds (asked TEXT NOT NULL, target TEXT NOT NULL, space TEXT NOT NULL, version TEXT NOT NULL, "
    "bank TEXT NOT NULL, covered TEXT NOT NULL, width INTEGER NOT NULL, best BLOB NOT NULL, shared BLOB, "
    "PRIMARY KEY (asked, target, space, version)) WITHOUT ROWID",
)
UNUSED: Final = (
    "NOT EXISTS (SELECT 1 FROM shards s WHERE s.kind = 'vectors' AND s.name = {0}.space AND s.version = {0}.version)"
)
COLUMNS: Final = "asked, target, space, version, bank, covered, width, best, shared"
AGAIN: Final = "the next `mmsearch index` or `mmsearch optimize` makes it again"


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Made questions.

    Attributes:
        space: its name.
        version: of the space.
        name: of the bank; changes with its questions.
        vectors: in the space `(2 b, dim)` float16, unit norm: of the questions, and then of the first words of each.
    """

    space: str
    version: str
    name: str
    vectors: NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """What the questions of a bank have found in one direction.

    Attributes:
        asked: modality of the questions.
        target: modality of the answers.
        space: name of the space of the answers.
        version: of the space.
        bank: name of the bank.
        covered: rows that were compared, by shard id.
        best: `(b, width)` float32, for each question the best cosines, or what stands for them, the best one first.
        shared: `(b, width)` float32, how much each of these rows and the question have of the same classes; None where
            that is not known. Kept as float16.
    """

    asked: str
    target: str
    space: str
    version: str
    bank: str
    covered: Mapping[int, int]
    best: FloatArray
    shared: FloatArray | None = None


def bank(query: Callable[..., Iterable[Any]], space: str, version: str) -> Bank | None:
    """The bank of a space; None if there is none that can be read.

    Args:
        query: runs a SELECT with its parameters.
        space: its name.
        version: of it.
    """
    select = "SELECT bank, dim, vectors FROM banks WHERE space = ? AND version = ?"
    for name, dim, vectors in query(select, (space, version)):
        if _is_bank(dim, vectors):
            return Bank(space, version, str(name), np.frombuffer(vectors, np.float16).reshape(-1, dim))
    return None


def read(query: Callable[..., Iterable[Any]]) -> tuple[Background, ...]:
    """All backgrounds that can be read, sorted by direction."""
    found = query(f"SELECT {COLUMNS} FROM backgrounds ORDER BY 1, 2, 3, 4", ())
    return tuple(one for row in found if (one := _background(row)) is not None)


def keep(sql: Callable[..., Any], banks: Sequence[Bank], found: Sequence[Background]) -> None:
    """Keep banks and backgrounds in place of those of the same space and direction, inside the caller's transaction.

    Those of spaces that the index has no vectors of any more are dropped.
    """
    for one in banks:
        vectors = np.ascontiguousarray(one.vectors, np.float16)
        sql(
            "INSERT OR REPLACE INTO banks (space, version, bank, dim, vectors) VALUES (?, ?, ?, ?, ?)",
            (one.space, one.version, one.name, vectors.shape[1], vectors.tobytes()),
        )
    for background in found:
        best, shared = background.best, background.shared
        sql(
            f"INSERT OR REPLACE INTO backgrounds ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                background.asked, background.target, background.space, background.version, background.bank,
                json.dumps(dict(background.covered)), best.shape[1], np.ascontiguousarray(best, np.float32).tobytes(),
                None if shared is None else np.ascontiguousarray(shared, np.float16).tobytes(),
            ),
        )  # fmt: skip
    for table in ("banks", "backgrounds"):
        sql(f"DELETE FROM {table} WHERE {UNUSED.format(table)}")


def problems(sql: Callable[..., Any]) -> Iterator[str]:
    """What cannot be read of them, as sentences."""
    for space, _ in _lost_banks(sql):
        yield f"the questions that calibrate {space} cannot be read: {AGAIN}"
    for asked, target, _, _ in _lost(sql):
        yield f"the calibration of {asked}->{target} cannot be read: {AGAIN}"


def cure(sql: Callable[..., Any]) -> Iterator[str]:
    """Leave out what cannot be read; sentences."""
    said = list(problems(sql))
    for space, version in _lost_banks(sql):
        sql("DELETE FROM banks WHERE space IS ? AND version IS ?", (space, version))
    for key in _lost(sql):
        sql("DELETE FROM backgrounds WHERE asked IS ? AND target IS ? AND space IS ? AND version IS ?", key)
    yield from said


def _lost_banks(sql: Callable[..., Any]) -> list[tuple[Any, Any]]:
    found = sql("SELECT space, version, dim, vectors FROM banks ORDER BY 1, 2").fetchall()
    return [(space, version) for space, version, dim, vectors in found if not _is_bank(dim, vectors)]


def _lost(sql: Callable[..., Any]) -> list[tuple[Any, ...]]:
    found = sql(f"SELECT {COLUMNS} FROM backgrounds ORDER BY 1, 2, 3, 4").fetchall()
    return [tuple(row[:4]) for row in found if _background(row) is None]


def _is_bank(dim: object, vectors: object) -> bool:
    if not isinstance(dim, int) or dim < 1 or not isinstance(vectors, bytes) or not vectors or len(vectors) % (4 * dim):
        return False
    return bool(np.isfinite(np.frombuffer(vectors, np.float16)).all())


def _background(row: Sequence[Any]) -> Background | None:
    """A row of the catalog; None if it cannot be read."""
    asked, target, space, version, name, text, width, best, shared = row
    covered, scores = _covered(text), _scores(best, width, np.float32)
    shares = None if shared is None else _scores(shared, width, np.float16)
    if covered is None or scores is None or {asked, target} - set(Modality):
        return None
    if shared is not None and (shares is None or shares.shape != scores.shape):
        return None
    return Background(asked, target, space, version, name, covered, scores, shares)


def _scores(blob: object, width: object, kept: type[np.floating[Any]]) -> FloatArray | None:
    if not isinstance(width, int) or width < 1 or not isinstance(blob, bytes) or not blob:
        return None
    if len(blob) % (np.dtype(kept).itemsize * width):
        return None
    scores = np.frombuffer(blob, kept).reshape(-1, width).astype(np.float32)
    return scores if np.isfinite(scores).all() else None


def _covered(text: object) -> dict[int, int] | None:
    try:
        loaded = json.loads(text) if isinstance(text, str) else None
        return {int(shard): int(rows) for shard, rows in loaded.items()} if isinstance(loaded, dict) else None
    except (TypeError, ValueError):
        return None
