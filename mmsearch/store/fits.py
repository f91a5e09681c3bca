"""Fits: heads that were learned for one space and one medium against text. The catalog keeps them.

::

    fits ─ active ─► rows of the group `vectors <space>.fit-<medium> <version>`, of text and the medium: a cache
         └ others ─► nothing but their content

Vectors of the space itself stay as they are. One fit of a space and a medium is active at most. Rows of one that is
not are those of an installation under way, or left by one that was broken off: searches do not look at them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmsearch.errors import IndexDamaged, StoreError
from mmsearch.store import structures
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MARK = ".fit-"
BASE = f"instr(s.name, '{MARK}') = 0"  # of a shard s: its rows are of no fit
SELECT = "SELECT id, name, space, medium, version, active, previous, card, length(content) FROM fits ORDER BY id"
ACTIVE = "SELECT space, medium, version FROM fits WHERE active <> 0"
IDLE = (
    f"kind = 'vectors' AND ((?1 IS NULL AND instr(name, '{MARK}') > 0) OR name = ?1) AND NOT EXISTS (SELECT 1 FROM "
    f"fits f WHERE f.active <> 0 AND shards.name = f.space || '{MARK}' || f.medium AND shards.version = f.version "
    "AND shards.modality IN ('text', f.medium))"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A fit without its content.

    Attributes:
        id: in the catalog; never used again.
        name: by which the user knows it.
        space: that it begins with.
        medium: `image` or `audio`; the other side is text.
        version: of its content, and of its rows: see `version_of`.
        active: the version of the index in which it became so; 0 if it is not.
        previous: id of the one that was active before it; None if there was none.
        card: what it was made of, and what it is worth: JSON values.
        bytes: of its content.
    """

    id: int
    name: str
    space: str
    medium: str
    version: str
    active: int
    previous: int | None
    card: Mapping[str, Any]
    bytes: int


def fit_space(space: str, medium: str) -> str:
    """The name of the space of the rows of fits of a space and a medium."""
    return f"{space}{MARK}{medium}"


def is_fit(name: str) -> bool:
    """Whether a space is one of fits."""
    return MARK in name


def version_of(content: bytes) -> str:
    """The version of a fit: the first 8 hexadecimal digits of the SHA-256 of its content."""
    return hashlib.sha256(content).hexdigest()[:8]


def read(query: Callable[[str], Iterable[Any]]) -> tuple[Kept, ...]:
    """All fits in the order in which they were kept.

    Args:
        query: runs a SELECT.

    Raises:
        IndexDamaged: the card of one cannot be read.
    """
    return tuple(_kept(*values) for values in query(SELECT))


def content(query: Callable[[str, tuple[int]], Iterable[Any]], fit_id: int) -> bytes:
    """The content of a fit.

    Raises:
        StoreError: there is no such fit.
        IndexDamaged: the content is not what was kept.
    """
    for name, version, kept in query("SELECT name, version, content FROM fits WHERE id = ?", (fit_id,)):
        if not isinstance(kept, bytes) or version_of(kept) != version:
            raise IndexDamaged(f"the content of the fit {name!r} is not what was kept: run `mmsearch verify --repair`")
        return kept
    raise StoreError(f"the index keeps no fit of the number {fit_id}; another process may have forgotten it")


def active(query: Callable[[str], Iterable[Any]]) -> tuple[tuple[str, str], ...]:
    """The name of the space and the version of the rows of each fit that is active, sorted."""
    return tuple(sorted((fit_space(space, medium), str(version)) for space, medium, version in query(ACTIVE)))


def keep(sql: Callable[..., Any], name: str, space: str, medium: str, kept: bytes, card: Mapping[str, Any]) -> int:
    """Keep a fit in place of one of the same name, inside the caller's transaction; its id.

    Raises:
        StoreError: the one of that name is active; or there is no such medium, or the card is none of JSON values.
    """
    if medium not in set(Modality) - {Modality.TEXT}:
        raise StoreError(f"a fit is for image or audio, against text; {medium!r} is neither")
    try:
        text = json.dumps(dict(card), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"the card of the fit {name!r} must be JSON values: {error}") from error
    known = sql("SELECT id FROM fits WHERE name = ?", (name,)).scalar()
    if known is not None:
        forget(sql, known)
    sql(
        "INSERT INTO fits (name, space, medium, version, card, content) VALUES (?, ?, ?, ?, ?, ?)",
        (name, space, medium, version_of(kept), text, kept),
    )
    return int(sql("SELECT id FROM fits WHERE name = ?", (name,)).scalar_one())


def activate(sql: Callable[..., Any], fit_id: int | None, space: str, medium: str) -> None:
    """Make a fit the active one of its space and medium, or none for None, inside the caller's transaction.

    It remembers which one was active before it; rows of that are dropped. Files are left for the writer to remove.

    Raises:
        StoreError: there is no such fit of that space and medium, or a segment has no row of it.
    """
    before = _active_id(sql, space, medium)
    if fit_id is not None and fit_id != before:
        _take_out(sql, fit_id)  # else undoing would go round in circles, of those that were used in turn
        sql("UPDATE fits SET previous = ? WHERE id = ?", (before, fit_id))
    _switch(sql, fit_id, space, medium)


def undo(sql: Callable[..., Any], space: str, medium: str) -> int | None:
    """Make the fit active that was so before the one that is, or none; its id. As `activate`, whose rows it needs.

    Raises:
        StoreError: none is active, or a segment has no row of the one before.
    """
    before = _active_id(sql, space, medium)
    if before is None:
        raise StoreError(f"no fit of {space} for {medium} is in use: there is nothing to undo")
    fit_id: int | None = sql("SELECT previous FROM fits WHERE id = ?", (before,)).scalar_one()
    _switch(sql, fit_id, space, medium)
    return fit_id


def forget(sql: Callable[..., Any], fit_id: int) -> None:
    """Forget a fit that is not active, inside the caller's transaction; what came after it remembers what came before.

    Raises:
        StoreError: it is active.
    """
    name = sql("SELECT name FROM fits WHERE id = ? AND active <> 0", (fit_id,)).scalar()
    if name is not None:
        raise StoreError(f"the fit {name!r} is in use: take another name, or undo it first")
    _take_out(sql, fit_id)
    sql("DELETE FROM fits WHERE id = ?", (fit_id,))


def drop_idle(sql: Callable[..., Any], name: str | None = None) -> int:
    """Drop rows of fits that are not active, inside the caller's transaction; how many shards.

    Args:
        sql: runs a statement.
        name: of a space of fits; None for all of them.
    """
    idle = sql(f"SELECT id, name, version, modality FROM shards WHERE {IDLE}", (name,)).all()
    for id_, *of in idle:
        for table in ("rows", "tombstones", "blocks", "covered"):
            sql(f"DELETE FROM {table} WHERE shard_id = ?", (id_,))
        sql("DELETE FROM shards WHERE id = ?", (id_,))
        for (structure_id,) in sql(
            "SELECT id FROM structures WHERE name = ? AND version = ? AND modality = ?", tuple(of)
        ).all():
            structures.drop(sql, structure_id)
    return len(idle)


def without_row(sql: Callable[..., Any], space: str, medium: str, version: str) -> int:
    """How many segments that have a vector in a space do not have exactly one in a fit of it."""
    select = "SELECT count(*) FROM rows r JOIN shards s ON s.id = r.shard_id WHERE s.kind = 'vectors' AND s.name = "
    return int(
        sql(
            f"SELECT count(*) FROM segments g WHERE g.modality IN ('text', ?1) AND ({select} ?2 "
            f"AND r.segment_id = g.id) > 0 AND ({select} ?3 AND s.version = ?4 AND s.modality = g.modality "
            "AND r.segment_id = g.id) <> 1",
            (medium, space, fit_space(space, medium), version),
        ).scalar_one()
    )


def _take_out(sql: Callable[..., Any], fit_id: int) -> None:
    """Of what came after a fit, make it remember what came before that one."""
    sql(
        "UPDATE fits SET previous = nullif((SELECT gone.previous FROM fits gone WHERE gone.id = ?1), id) "
        "WHERE previous = ?1",
        (fit_id,),
    )


def _active_id(sql: Callable[..., Any], space: str, medium: str) -> int | None:
    found = sql("SELECT id FROM fits WHERE space = ? AND medium = ? AND active <> 0", (space, medium)).scalar()
    return None if found is None else int(found)


def _switch(sql: Callable[..., Any], fit_id: int | None, space: str, medium: str) -> None:
    sql("UPDATE fits SET active = 0 WHERE space = ? AND medium = ? AND active <> 0", (space, medium))
    if fit_id is not None:
        select = "SELECT name, version FROM fits WHERE id = ? AND space = ? AND medium = ?"
        found = sql(select, (fit_id, space, medium)).first()
        if found is None:
            raise StoreError(f"the index keeps no fit of the number {fit_id} of {space} for {medium}")
        name, version = found
        count = without_row(sql, space, medium, version)
        if count:
            raise StoreError(f"the fit {name!r} cannot be used: {count} segments do not have one vector in it")
        sql(
            "UPDATE fits SET active = (SELECT CAST(value AS INTEGER) + 1 FROM meta WHERE key = 'version') WHERE id = ?",
            (fit_id,),
        )
    drop_idle(sql, fit_space(space, medium))


def _kept(*columns: Any) -> Kept:  # noqa: ANN401
    id_, name, space, medium, version, since, previous, text, size = columns
    card = card_of(text)
    if card is None:
        raise IndexDamaged(f"the card of the fit {name!r} cannot be read: run `mmsearch verify --repair`")
    return Kept(id_, name, space, medium, version, since, previous, card, size)


def card_of(text: object) -> dict[str, Any] | None:
    """The JSON object that a card is; None if it is none."""
    try:
        loaded = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return loaded if isinstance(loaded, dict) else None
