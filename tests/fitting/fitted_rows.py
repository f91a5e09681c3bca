"""What an index with fits has stored, and whether it is as it should be."""

import numpy as np

from mmsearch.store.verify import verify
from mmsearch.types import Modality


def sound(index):
    """Nothing is wrong with it; its model is there, too."""
    assert list(index.verify()) == []
    agree(index)


def agree(index):
    """Every row of a fit is what the fit makes of what is stored."""
    assert list(verify(index._store)) == []
    found = rows(index)
    for fitted in index.model.fitted:
        base = {
            (group.modality, segment): row
            for (group, segment), row in found.items()
            if (group.kind, group.name) == ("vectors", fitted.base.name) and group.modality in fitted.space.modalities
        }
        made = {
            (group.modality, segment): row
            for (group, segment), row in found.items()
            if (group.name, group.version) == (fitted.space.name, fitted.space.version)
        }
        features = {(g.modality, segment): row for (g, segment), row in found.items() if g.kind == "features"}
        assert base.keys() == made.keys()
        for key, row in base.items():
            known = features[key][None] if key in features else None
            wanted = fitted.join(row[None], known, Modality(key[0]))[0]
            np.testing.assert_allclose(made[key], wanted, atol=1e-6)


def rows(index):
    """Every row of every group, by group and segment."""
    with index.hold() as view:
        return {
            (shard.group, segment): np.array(shard.matrix[offset])
            for shard in view.snapshot().shards
            for offset, segment in enumerate(view.ids(shard.id, 0, shard.rows)[:, 0].tolist())
            if segment >= 0
        }
