"""Full text: the words of segments and of items, as SQLite's FTS5 finds them.

::

    segments.excerpt ─────────────► segment_words   passages and captions; the text itself stays where it is
    files.path, items.metadata ───► item_words      words of the file's name, and the strings among the user's metadata

What a classification wrote, see `tags`, is not in it: a guess of the model's is no word of the item.

Triggers keep both true whatever removes items or segments, and the first whatever adds them. The second is written with
each item: names are taken apart in Python. Both are derived, and can be made again from the rest of the catalog.

Words are compared without case and accents, and by their English stems (Porter, Program 14(3), 1980): `dogs` finds
`dog`. Of a thousand captions that looked for others of the same picture, 80 % found one among ten, 77 % without stems.
There is no prefix index: it makes the tables twice as large, and prefixes of two letters no faster to find.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DatabaseError

from mmsearch.store.tags import own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SEGMENTS, ITEMS = "segment_words", "item_words"
TOKENS = "tokenize = 'porter unicode61 remove_diacritics 2'"

# What is made, in this order; an index has exactly these.
DEFINITIONS = {
    "spoken": "CREATE VIEW spoken AS SELECT id, excerpt FROM segments WHERE excerpt IS NOT NULL",
    SEGMENTS: f"CREATE VIRTUAL TABLE {SEGMENTS} USING fts5(excerpt, content = 'spoken', content_rowid = 'id', "
    f"{TOKENS})",
    ITEMS: f"CREATE VIRTUAL TABLE {ITEMS} USING fts5(name, metadata, {TOKENS})",
    "segment_said": "CREATE TRIGGER segment_said AFTER INSERT ON segments WHEN new.excerpt IS NOT NULL BEGIN "
    f"INSERT INTO {SEGMENTS} (rowid, excerpt) VALUES (new.id, new.excerpt); END",
    "segment_unsaid": "CREATE TRIGGER segment_unsaid AFTER DELETE ON segments WHEN old.excerpt IS NOT NULL BEGIN "
    f"INSERT INTO {SEGMENTS} ({SEGMENTS}, rowid, excerpt) VALUES ('delete', old.id, old.excerpt); END",
    "item_unnamed": "CREATE TRIGGER item_unnamed AFTER DELETE ON items BEGIN "
    f"DELETE FROM {ITEMS} WHERE rowid = old.id; END",
}
# The migration that brought them; `fill` must follow.
MIGRATION = (*DEFINITIONS.values(), f"INSERT INTO {SEGMENTS} ({SEGMENTS}) VALUES ('rebuild')")
# Where FTS5 keeps them.
SHADOWS = tuple(f"{table}_{part}" for table in (SEGMENTS, ITEMS) for part in ("data", "idx", "docsize", "config"))

# Each finds what must not exist; see `verify.CHECKS`.
CHECKS = (
    (
        "segments are missing from the full text",
        f"FROM spoken WHERE id NOT IN (SELECT id FROM {SEGMENTS}_docsize)",
    ),
    (
        "segments of the full text do not exist",
        f"FROM {SEGMENTS}_docsize WHERE id NOT IN (SELECT id FROM spoken)",
    ),
)
TOGETHER = 4096
FTS_FORMAT = 4  # of FTS5's own tables

# Between letters and digits, and before a capital that begins a word.
_EDGE = re.compile(
    r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_A-ZÀ-Þ])(?=[A-ZÀ-Þ])|(?<=[A-ZÀ-Þ])(?=[A-ZÀ-Þ][^\W\d_A-ZÀ-Þ])"
)
_WORD = re.compile(r"[^\W_]+")
LETTERS = 3  # of a piece of a word at least: the pieces of `a4e66ec76b` are no words

_OWNED = (
    "SELECT i.id, f.path, CAST(i.metadata AS BLOB), CAST(i.tags AS BLOB), w.name, w.metadata FROM items i "
    f"LEFT JOIN files f ON f.id = i.file_id LEFT JOIN {ITEMS} w ON w.rowid = i.id"
)


def item_row(item_id: int, path: bytes | None, metadata: Mapping[str, Any]) -> tuple[int, str, str] | None:
    """The row of an item: its id, the words of its file's name, and the strings of its metadata; None if it has none.

    Args:
        item_id: in the catalog.
        path: of its file; None without one.
        metadata: JSON values, the user's own.
    """
    name = "" if path is None else _name(path)
    said = "\n".join(_strings(metadata)).encode(errors="replace").decode() if metadata else ""
    return (item_id, name, said) if name or said else None


def refresh(sql: Callable[..., Any], file_ids: Iterable[int]) -> None:
    """Write the rows of the items of files again, whose names or metadata have changed."""
    for file_id in sorted(file_ids):
        for known in sql(f"{_OWNED} WHERE i.file_id = ? ORDER BY i.id", (file_id,)).fetchall():
            _rewrite(sql, *known)


def fill(sql: Callable[..., Any]) -> None:
    """Write the rows of all items, those that are there included."""
    last = 0
    while page := sql(f"{_OWNED} WHERE i.id > ? ORDER BY i.id LIMIT {TOGETHER}", (last,)).fetchall():
        for known in page:
            _rewrite(sql, *known)
        last = page[-1][0]


def problems(sql: Callable[..., Any]) -> Iterator[str]:
    """What is wrong, in sentences. Takes all words from the texts again, into temporary tables."""
    try:
        defined = {name: made for name, made in sql("SELECT name, sql FROM sqlite_master") if name in DEFINITIONS}
        if defined != DEFINITIONS:
            yield "the tables of the full text are not what they should be"
            return
        for wrong, select in CHECKS:
            if count := sql(f"SELECT count(*) {select}").fetchone()[0]:
                yield f"{count} {wrong}"
        if count := sum(1 for known in _each(sql) if _stale(*known)):
            yield f"{count} items have other names or metadata than the full text"
        for table, columns, source in ((SEGMENTS, "excerpt", "spoken"), (ITEMS, "name, metadata", ITEMS)):
            if _differs(sql, table, columns, source):
                yield f"the words in {table} are not those of its texts"
    except (DatabaseError, sqlite3.Error) as error:
        yield f"the full text cannot be read ({getattr(error, 'orig', error)})"


def cure(sql: Callable[..., Any]) -> Iterator[str]:
    """Make the tables again if anything is wrong with them, inside the caller's transaction; what was done."""
    found = list(problems(sql))
    if not found:
        return
    kinds = dict(sql("SELECT name, type FROM sqlite_master").fetchall())
    for name in reversed(DEFINITIONS):
        if f"{name}_config" in kinds:  # without a version of its format a table could not even be dropped
            sql(f"INSERT OR REPLACE INTO {name}_config VALUES ('version', {FTS_FORMAT})")
        if name in kinds:
            sql(f"DROP {kinds[name]} {name}")
    for statement in MIGRATION:
        sql(statement)
    fill(sql)
    yield f"the full text was made again from the texts: {'; '.join(found)}"


def _rewrite(
    sql: Callable[..., Any],
    item_id: int,
    path: bytes | None,
    metadata: bytes,
    tags: bytes | None,
    name: str | None,
    said: str | None,
) -> None:
    if not _stale(item_id, path, metadata, tags, name, said):
        return
    row = item_row(item_id, path, own(_loaded(metadata), _loaded(tags)))
    if name is not None:
        sql(f"DELETE FROM {ITEMS} WHERE rowid = ?", (item_id,))
    if row is not None:
        sql(f"INSERT INTO {ITEMS} (rowid, name, metadata) VALUES (?, ?, ?)", row)


def _stale(
    item_id: int, path: bytes | None, metadata: bytes, tags: bytes | None, name: str | None, said: str | None
) -> bool:
    """Whether the row of an item, None where there is none, is not what it should be."""
    row = item_row(item_id, path, own(_loaded(metadata), _loaded(tags)))
    return (name, said) != ((None, None) if row is None else row[1:])


def _each(sql: Callable[..., Any]) -> Iterator[Any]:
    return iter(sql(f"{_OWNED} ORDER BY i.id"))


def _differs(sql: Callable[..., Any], table: str, columns: str, source: str) -> bool:
    """Whether a table has other words than its texts, word by word how often and in how many rows."""
    key = "id" if source == "spoken" else "rowid"
    sql(f"CREATE VIRTUAL TABLE temp.anew USING fts5({columns}, content = '', {TOKENS})")
    try:
        sql(f"INSERT INTO temp.anew (rowid, {columns}) SELECT {key}, {columns} FROM {source}")
        sql("CREATE VIRTUAL TABLE temp.anew_words USING fts5vocab(temp, anew, col)")
        sql(f"CREATE VIRTUAL TABLE temp.old_words USING fts5vocab(main, {table}, col)")
        pairs = ("old_words", "anew_words"), ("anew_words", "old_words")
        return any(sql(f"SELECT * FROM temp.{a} EXCEPT SELECT * FROM temp.{b} LIMIT 1").fetchone() for a, b in pairs)
    finally:
        for made in ("old_words", "anew_words", "anew"):
            sql(f"DROP TABLE IF EXISTS temp.{made}")


def _loaded(text: bytes | None) -> Mapping[str, Any]:
    try:
        found = json.loads(text or b"{}")
    except (TypeError, ValueError):
        return {}  # such items are told, and removed, by others: as bytes, even what is no Unicode can be passed over
    return found if isinstance(found, dict) else {}


def _name(path: bytes) -> str:
    """A file's name, and behind it the pieces of words that are written together: `myBeach1.jpg` → `… Beach 1`."""
    name = path[path.rfind(b"/") + 1 :].decode(errors="replace")
    pieces = [piece for word in _WORD.findall(name) for piece in _pieces(word)]
    return " ".join([name, *pieces])


def _pieces(word: str) -> list[str]:
    found = _EDGE.split(word)
    whole = [piece for piece in found if len(piece) >= LETTERS and not piece.isdecimal()]
    if len(found) == 1 or not whole:
        return []
    return [piece for piece in found if piece in whole or piece.isdecimal()]


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _strings(inner)
