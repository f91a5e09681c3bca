"""A fitted bridge as a value and as a file: it carries questions over, and nothing carried is kept in an index."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.encoders.bridge.fit import Direction, Fit
from mmsearch.encoders.bridge.quality import Quality
from mmsearch.errors import BridgeMissing, ModelError, WeightsDamaged
from mmsearch.types import Space

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

RECIPE = 1  # raised whenever the same texts would give another bridge


@dataclass(frozen=True, slots=True, eq=False)
class Bridge:
    """Joins two spaces that share only text.

    Attributes:
        spaces: name, version and dimension of both: `(name, version, dim)`.
        forward: from the first into the second.
        backward: from the second into the first.
        texts: how many distinct texts it was made of.
        bank: what those texts were, such as the version of the built-in captions.
    """

    spaces: tuple[tuple[str, str, int], tuple[str, str, int]]
    forward: Direction
    backward: Direction
    texts: int
    bank: str

    def direction(self, source: str) -> Direction:
        """The way out of the space of that name.

        Raises:
            ModelError: the bridge does not begin there.
        """
        names = [name for name, _, _ in self.spaces]
        if source not in names:
            raise ModelError(f"no bridge leads out of the space {source!r}: it joins {' and '.join(names)}")
        return (self.forward, self.backward)[names.index(source)]

    def joins(self, a: Space, b: Space) -> bool:
        """Whether it is of these versions of these spaces, in either order."""
        return set(self.spaces) == {(one.name, one.version, one.dim) for one in (a, b)}

    def carry(self, vectors: FloatArray, source: str, centre: FloatArray | None = None) -> FloatArray:
        """Unit vectors `(n, d_to)`, or `(d_to,)`, float32 in the other space, of `(n, d_from)` or `(d_from,)`.

        They are directions seen from the mean of the texts there: within one target modality they rank as they are;
        to compare scores across modalities take away their product with the mean of the target's rows.

        Args:
            vectors: of the question, in the space `source`.
            source: the name of the space that they are of.
            centre: `(d_from,)`, the mean vector of the modality that asks. Pictures lie elsewhere than texts (the
                modality gap: Liang et al., NeurIPS 2022). The mean of the texts unless told otherwise.

        Raises:
            ModelError: no bridge leads out of `source`, or vectors are not of its dimension.
        """
        way = self.direction(source)
        rows = np.atleast_2d(np.asarray(vectors, np.float32))
        for given in (rows,) if centre is None else (rows, centre):
            if given.shape[-1] != len(way.mean):
                raise ModelError(f"vectors of {source!r} have {len(way.mean)} dimensions, not {given.shape[-1]}")
        carried = way.carry(rows, centre)
        return carried[0] if np.ndim(vectors) == 1 else carried

    def save(self, path: Path) -> None:
        """Write it as `.npz`; whoever reads meanwhile sees the old file or the new.

        Raises:
            BridgeMissing: the folder cannot be written.
        """
        card = {
            "recipe": RECIPE,
            "spaces": self.spaces,
            "texts": self.texts,
            "bank": self.bank,
            "quality": [asdict(way.quality) for way in (self.forward, self.backward)],
        }
        arrays = {
            f"{name}_{part}": getattr(way, part)
            for name, way in (("forward", self.forward), ("backward", self.backward))
            for part in ("mean", "matrix")
        }
        draft = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
                draft = Path(file.name)
                np.savez(file, allow_pickle=False, card=np.array(json.dumps(card)), **arrays)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise BridgeMissing(
                f"the bridge cannot be written to {path}: {error}; set MMSEARCH_CACHE to a folder that can"
            ) from error
        finally:
            if draft is not None:
                draft.unlink(missing_ok=True)


def made(a: Space, b: Space, fitted: Fit, texts: int, bank: str) -> Bridge:
    """The bridge of a fit of vectors in `a` and in `b`."""
    spaces = (a.name, a.version, a.dim), (b.name, b.version, b.dim)
    return Bridge(spaces, fitted.forward, fitted.backward, texts, bank)


def load(path: Path) -> Bridge:
    """Read a bridge.

    Raises:
        BridgeMissing: there is none at that place.
        WeightsDamaged: it is damaged, or of another version of mmsearch.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            card = json.loads(str(arrays["card"]))
            if card["recipe"] != RECIPE:
                raise WeightsDamaged(f"{path} was made by another version of mmsearch; remove it and make it again")
            a, b = ((str(name), str(version), int(dim)) for name, version, dim in card["spaces"])
            ways = [
                Direction(
                    _array(arrays[f"{name}_mean"], (source[2],)),
                    _array(arrays[f"{name}_matrix"], (source[2], target[2])),
                    Quality(
                        str(quality["method"]),
                        float(quality["strength"]),
                        int(quality["held_out"]),
                        int(quality["hits"]),
                    ),
                )
                for name, source, target, quality in zip(
                    ("forward", "backward"), (a, b), (b, a), card["quality"], strict=True
                )
            ]
            return Bridge((a, b), ways[0], ways[1], int(card["texts"]), str(card["bank"]))
    except FileNotFoundError as error:
        raise BridgeMissing(f"there is no bridge at {path}") from error
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise WeightsDamaged(f"{path} cannot be read as a bridge ({error}); remove it and make it again") from error


def _array(found: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    if found.shape != shape or found.dtype != np.float32 or not np.isfinite(found).all():
        raise ValueError(f"an array is {found.dtype} {found.shape}, not finite float32 {shape}")
    return found
