"""A model together with the fits that an index uses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mmsearch.fitting.fit import Fit, head_of
from mmsearch.store import fits

if TYPE_CHECKING:
    from mmsearch.encoders.base import Model
    from mmsearch.store.reading import Reading


def with_fits(seen: Reading, model: Model) -> Model:
    """The model, and a head for each fit that is in use in a view of its index.

    Raises:
        IndexDamaged: the content of one is not what was kept.
        FitError: one is for another version of the model.
    """
    found = [one for one in fits.read(seen.query) if one.active]
    heads = [head_of(model, Fit.parse(fits.content(seen.query, one.id))) for one in found]
    return replace(model, fitted=tuple(heads))
