"""Fits that need no learning, for tests of the store: the row of a vector is the vector turned by the fit's content."""

import numpy as np
from made_rows import VECTORS

from mmsearch.store import fits
from mmsearch.store.bulk import AddRows
from mmsearch.store.shard import Group

CARD = {"pairs": 3}


def group_of(content, medium, modality, space="space", dim=VECTORS.dim):
    version = fits.version_of(content)
    return Group("vectors", fits.fit_space(space, medium), version, modality, "float32", dim)


def turned(rows, content):
    return np.roll(rows, content[0] % (rows.shape[1] - 1) + 1, axis=1)


def changes(store, content, medium="image", space="space", most=5):
    """What adds rows of a fit for all segments of text and its medium that have a vector in the space."""
    shards, snapshot = {}, store.snapshot()
    for shard in snapshot.shards:
        if shard.group.name == space and shard.group.modality in ("text", medium):
            shards[shard.id] = shard
    for shard in shards.values():
        ids = store.ids(shard.id, 0, shard.rows)[:, 0]
        live = np.flatnonzero(ids >= 0)
        group = group_of(content, medium, shard.group.modality, space, shard.group.dim)
        for start in range(0, len(live), most):
            some = live[start : start + most]
            yield AddRows(group, ids[some].tolist(), turned(np.array(shard.matrix[some]), content))


def fill(store, writer, content, medium="image", space="space"):
    for change in list(changes(store, content, medium, space)):
        writer.commit([change])


def install(store, writer, name, content, medium="image", space="space"):
    """Keep a fit, add its rows, use it; its id."""
    fit_id = writer.keep_fit(name, space, medium, content, CARD)
    fill(store, writer, content, medium, space)
    writer.activate_fit(fit_id, space, medium)
    return fit_id


def undo(store, writer, medium="image", space="space"):
    """Use the one before; its id."""
    kept = {fit.id: fit for fit in fits.read(store.query)}
    (now,) = (fit for fit in kept.values() if fit.active and (fit.space, fit.medium) == (space, medium))
    if now.previous is not None:
        fill(store, writer, fits.content(store.query, now.previous), medium, space)
    return writer.undo_fit(space, medium)


def wrong_rows(store):
    """Segments whose row in an active fit is not what it makes of their vector, or that have none where they should."""
    snapshot = store.snapshot()
    for fit in fits.read(store.query):
        if not fit.active:
            continue
        content = fits.content(store.query, fit.id)
        for modality in ("text", fit.medium):
            base, made = (
                rows_of(store, [s for s in snapshot.shards if (s.group.name, s.group.modality) == (name, modality)])
                for name in (fit.space, fits.fit_space(fit.space, fit.medium))
            )
            for segment_id in sorted(base.keys() | made.keys()):
                if segment_id not in base or segment_id not in made:
                    yield f"{segment_id} is not in both {fit.space} and {fit.name}"
                elif not np.array_equal(turned(base[segment_id][None], content)[0], made[segment_id]):
                    yield f"{segment_id} has another row in {fit.name}"


def rows_of(store, shards):
    """Rows by segment id."""
    found = {}
    for shard in shards:
        for offset, segment_id in enumerate(store.ids(shard.id, 0, shard.rows)[:, 0].tolist()):
            if segment_id >= 0:
                found[segment_id] = np.array(shard.matrix[offset])
    return found
