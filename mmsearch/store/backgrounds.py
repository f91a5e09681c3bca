"""Backgrounds: how well questions that have nothing to do with an index score on it, by direction.

::

    banks        vectors of the made questions of a space, encoded once
    backgrounds  of a direction, the best cosine that each question of its bank has found, and in which rows

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
UNUSED: Final = (
    "NOT EXISTS (SELECT 1 FROM shards s WHERE s.kind = 'vectors' AND s.name = {0}.space AND s.version = {0}.version)"
)
AGAIN: Final = "the next `mmsearch index` or `mmsearch optimize` makes it again"


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Made questions.

    Attributes:
        space: its name.
        version: of the space.
        name: of the bank; changes with its questions.
        vectors: of the questions in the space `(b, dim)` float16, unit norm.
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
        best: `(b,)` float32, for each question the best cosine, or what stands for it.
    """

    asked: str
    target: str
    space: str
    version: str
    bank: str
    covered: Mapping[int, int]
    best: FloatArray


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
    found = query("SELECT asked, target, space, version, bank, covered, best FROM backgrounds ORDER BY 1, 2, 3, 4", ())
    return tuple(
        Background(asked, target, space, version, name, covered, np.frombuffer(best, np.float32))
        for asked, target, space, version, name, text, best in found
        if (covered := _covered(text)) is not None and _is_sound(asked, target, best)
    )


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
        sql(
            "INSERT OR REPLACE INTO backgrounds (asked, target, space, version, bank, covered, best) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                background.asked, background.target, background.space, background.version, background.bank,
                json.dumps(dict(background.covered)), np.ascontiguousarray(background.best, np.float32).tobytes(),
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
    found = sql("SELECT asked, target, space, version, covered, best FROM backgrounds ORDER BY 1, 2, 3, 4").fetchall()
    return [
        (asked, target, space, version)
        for asked, target, space, version, covered, best in found
        if _covered(covered) is None or not _is_sound(asked, target, best)
    ]


def _is_bank(dim: object, vectors: object) -> bool:
    if not isinstance(dim, int) or dim < 1 or not isinstance(vectors, bytes) or not vectors or len(vectors) % (2 * dim):
        return False
    return bool(np.isfinite(np.frombuffer(vectors, np.float16)).all())


def _is_sound(asked: object, target: object, best: object) -> bool:
    if {asked, target} - set(Modality) or not isinstance(best, bytes) or not best or len(best) % 4:
        return False
    return bool(np.isfinite(np.frombuffer(best, np.float32)).all())


def _covered(text: object) -> dict[int, int] | None:
    try:
        loaded = json.loads(text) if isinstance(text, str) else None
        return {int(shard): int(rows) for shard, rows in loaded.items()} if isinstance(loaded, dict) else None
    except (TypeError, ValueError):
        return None
