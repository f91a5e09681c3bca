"""What an index means, as a value that two indexes can be compared by, and what changes make of it.

A state maps what an item is called to the vectors of its segments, in order: a record is called by its id, an item of a
file by the file's path and its number within the file. Ids that are made at random do not matter. A fit that is active
is called by its space and medium, and maps to its name; its rows are looked at by `crash_driver.unfitted`.
"""

import hashlib
import os

from mmsearch.store.bulk import PutRows
from mmsearch.store.changes import Move, Put, Remove
from mmsearch.store.fits import BASE, fit_space, is_fit


def digest(row):
    return hashlib.blake2b(row.astype("float32").tobytes(), digest_size=8).hexdigest()


def read(store):
    """The state of an index on disk."""
    shards = store.snapshot().by_id
    roots = store.roots()
    vectors = {}
    for segment_id, shard_id, offset in store.query(
        'SELECT r.segment_id, r.shard_id, r."offset" FROM rows r JOIN shards s ON s.id = r.shard_id '
        f"WHERE s.kind = 'vectors' AND {BASE}"
    ):
        vectors[segment_id] = digest(shards[shard_id].matrix[offset])
    state, numbers = {}, {}
    for item_id, key, root_id, path in store.query(
        "SELECT i.id, i.key, f.root_id, f.path FROM items i LEFT JOIN files f ON f.id = i.file_id ORDER BY i.id"
    ):
        if path is None:
            name = key
        else:
            place = os.fsdecode(roots[root_id].rsplit(b"/", 1)[-1] + b"/" + path)
            number = numbers[place] = numbers.get(place, -1) + 1
            name = f"{place}#{number}"
        segments = store.query("SELECT id FROM segments WHERE item_id = ? ORDER BY id", (item_id,))
        state[name] = [vectors.get(segment_id) for (segment_id,) in segments]
    for space, medium, name in store.query("SELECT space, medium, name FROM fits WHERE active <> 0"):
        state[fit_space(space, medium)] = [name]
    return state


def is_base(group):
    return group.kind == "vectors" and not is_fit(group.name)


def activated(fit_id, space, medium, cursor):
    """What the activation of a fit makes of a state, to be applied."""
    found = cursor.execute("SELECT name FROM fits WHERE id = ?", (fit_id,)).fetchone()
    return [["fit", fit_space(space, medium), found and found[0]]]


def undone(space, medium, cursor):
    """What going back to the fit before makes of a state, to be applied."""
    select = "SELECT previous FROM fits WHERE space = ? AND medium = ? AND active <> 0"
    found = cursor.execute(select, (space, medium)).fetchone()
    return activated(found and found[0], space, medium, cursor)


def describe(changes, cursor):
    """Changes in terms of names, while the files and items that they mean are still there to be asked."""
    roots = {id_: path.rsplit(b"/", 1)[-1] for id_, path in cursor.execute("SELECT id, path FROM roots")}
    made = []

    def place(root_id, path):
        return os.fsdecode(roots[root_id] + b"/" + path)

    def known(file_id):
        found = cursor.execute("SELECT root_id, path FROM files WHERE id = ?", (file_id,)).fetchone()
        return found and place(*found)

    for change in changes:
        if isinstance(change, Put):
            items = [
                [digest(row) for s in item.segments for group, row in s.rows.items() if is_base(group)]
                for item in change.items
            ]
            if change.file is not None:
                made.append(["file", place(change.file.root_id, change.file.path), items])
            else:
                made += [["item", item.key, vectors] for item, vectors in zip(change.items, items, strict=True)]
        elif isinstance(change, PutRows):
            made += [["item", key, [digest(row)]] for key, row in zip(change.keys, change.rows, strict=True)]
        elif isinstance(change, Move):
            made.append(["move", known(change.file_id), place(change.file.root_id, change.file.path)])
        elif isinstance(change, Remove):
            for item_id in change.item_ids:
                made.append(["gone", cursor.execute("SELECT key FROM items WHERE id = ?", (item_id,)).fetchone()[0]])
            made += [["file", known(file_id), []] for file_id in change.file_ids]
    return made


def apply(state, described):
    """The state after described changes."""
    state = dict(state)
    for kind, name, *rest in described:
        if kind == "file":
            state = {other: vectors for other, vectors in state.items() if not other.startswith(f"{name}#")}
            state |= {f"{name}#{number}": vectors for number, vectors in enumerate(rest[0])}
        elif kind == "item":
            state[name] = rest[0]
        elif kind == "gone" or (kind == "fit" and rest[0] is None):
            state.pop(name, None)
        elif kind == "fit":
            state[name] = rest
        elif kind == "move":
            state = {
                f"{rest[0]}#{other.rsplit('#', 1)[1]}" if other.startswith(f"{name}#") else other: vectors
                for other, vectors in state.items()
            }
    return state
