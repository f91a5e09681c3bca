"""The space on a sheet of paper: its vectors along the two directions in which they differ most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.evaluation.geometry.pairs import rows
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch.store.reading import Reading
    from mmsearch.types import FloatArray, Space

MOST = 800  # vectors of each modality: more points hide one another


@dataclass(frozen=True, slots=True)
class Plane:
    """The first two principal components of a sample of vectors, equally many of each modality where there are.

    Source: Pearson, "On Lines and Planes of Closest Fit to Systems of Points in Space", Philosophical Magazine 1901.

    Trap: what lies together here may lie far apart in the directions that are not shown; `explained` says how much of
    the picture is missing.

    Attributes:
        space: its name.
        explained: the share of the variance of the sample along each of the two axes.
        points: `(n, 2)` float32 by modality.
    """

    space: str
    explained: tuple[float, float]
    points: Mapping[Modality, FloatArray]

    def to_json(self) -> dict[str, Any]:
        """The share of variance only: points are for looking at."""
        return {"space": self.space, "explained": list(self.explained)}


def plane(view: Reading, space: Space, items: Mapping[Modality, Sequence[str]], seed: int = 0) -> Plane | None:
    """Project a sample of a space, a segment of each item; None where it holds fewer than three vectors.

    Args:
        view: of the index.
        space: one of its spaces.
        items: ids of those that have something of a modality; their order decides, with the seed, which are drawn.
        seed: of the sample.
    """
    random, parts = np.random.default_rng(seed), {}
    for modality, ids in items.items():
        shards = view.snapshot().of("vectors", space.name, space.version, modality)
        drawn = [ids[place] for place in np.sort(random.choice(len(ids), min(MOST, len(ids)), replace=False)).tolist()]
        if firsts := [matrix[0] for _, matrix in rows(view, shards, drawn)]:
            parts[modality] = np.array(firsts)
    if sum(map(len, parts.values())) < 3:
        return None
    joined = np.concatenate(list(parts.values())).astype(np.float64)
    centre = joined.mean(axis=0)
    variances, axes = np.linalg.eigh((joined - centre).T @ (joined - centre))
    axes = axes[:, :-3:-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])  # either sign is right: the page wants one
    share = variances[:-3:-1] / max(variances.sum(), np.finfo(float).tiny)
    points = {modality: ((part - centre) @ axes).astype(np.float32) for modality, part in parts.items()}
    return Plane(space.name, (float(share[0]), float(share[1])), points)
