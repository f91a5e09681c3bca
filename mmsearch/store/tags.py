"""Tags: metadata that a classification wrote, beside those of the user.

`items.metadata` is what is read everywhere: the user's fields, and the tags. `items.tags` has the tags once more, so
that they outlive other metadata from a sidecar, and go when others take their place. NULL where there are none.

What the user says goes before: a tag is dropped where the user has a field of its name, its probability with it. No
field is both, so a name in `items.tags` is never the user's, whatever its value.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mmsearch.store.changes import Tag
    from mmsearch.store.reading import Reading
    from mmsearch.types import Metadata

MIGRATION: Final = ("ALTER TABLE items ADD COLUMN tags TEXT",)
_UPDATE: Final = "UPDATE items SET metadata = ?, tags = ? WHERE id = ?"
UNREADABLE: Final = "tags IS NOT NULL AND CASE WHEN json_valid(tags) THEN json_type(tags) <> 'object' ELSE 1 END"
TOGETHER: Final = 500
PROBABILITY: Final = "_probability"  # behind the name of a tag: the field that says how sure it is


def write(sql: Callable[..., Any], change: Tag, encode: Callable[[Metadata], str]) -> None:
    """Replace these fields of these items, all of an earlier commit; see `changes.Tag`.

    Args:
        sql: runs a statement with its parameters.
        change: what to write.
        encode: to JSON.
    """
    ids = list(change.values)
    for start in range(0, len(ids), TOGETHER):
        some = ids[start : start + TOGETHER]
        marks = ", ".join("?" * len(some))
        found = sql(f"SELECT id, metadata, tags FROM items WHERE id IN ({marks})", tuple(some)).fetchall()
        for item_id, metadata, tags in found:
            before = json.loads(tags) if tags else {}
            now = {name: value for name, value in before.items() if name not in change.fields}
            now |= dict(zip(change.fields, change.values[item_id] or (), strict=False))
            sql(_UPDATE, (*_columns(own(json.loads(metadata), before), now, encode), item_id))


def annotate(sql: Callable[..., Any], file_id: int, metadata: Metadata, encode: Callable[[Metadata], str]) -> None:
    """Replace the user's metadata of the items of a file; their tags stay, but for those that the user now says."""
    sql("UPDATE items SET metadata = ? WHERE file_id = ? AND tags IS NULL", (encode(metadata), file_id))
    tagged = sql("SELECT id, tags FROM items WHERE file_id = ? AND tags IS NOT NULL", (file_id,)).fetchall()
    for item_id, tags in tagged:
        sql(_UPDATE, (*_columns(metadata, json.loads(tags), encode), item_id))


def tagged(seen: Reading, field: str) -> list[int]:
    """Which items have a tag of that name."""
    return [item for (item,) in seen.query("SELECT id FROM items WHERE json_type(tags, ?) IS NOT NULL", (path(field),))]


def fields(seen: Reading) -> list[str]:
    """The names of all tags, without those of their probabilities."""
    found = {name for (name,) in seen.query("SELECT DISTINCT tag.key FROM items, json_each(items.tags) AS tag")}
    return sorted(name for name in found if name.removesuffix(PROBABILITY) not in found - {name})


def path(field: str) -> str:
    """Where a field of that name is, as SQLite's JSON functions want it."""
    return f'$."{field}"'


def own(metadata: Metadata, tags: Metadata) -> dict[str, Any]:
    """The user's own part of an item's metadata."""
    return {name: value for name, value in metadata.items() if name not in tags}


def _columns(own: Metadata, tags: Metadata, encode: Callable[[Metadata], str]) -> tuple[str, str | None]:
    """What is stored of an item: all of its metadata, and which of them are tags."""
    left = {
        name: value for name, value in tags.items() if name not in own and name.removesuffix(PROBABILITY) not in own
    }
    return encode({**own, **left}), encode(left) if left else None
