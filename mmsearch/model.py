"""The model of an index: which it is, the fits that it uses, and what joins its spaces."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

from mmsearch.encoders import registry
from mmsearch.errors import ModelMismatch
from mmsearch.identity import difference
from mmsearch.types import Space

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmsearch.encoders.base import Model
    from mmsearch.encoders.bridge import Bridge
    from mmsearch.store.reading import Reading
    from mmsearch.store.store import Store


class IndexModel:
    """Loads the model of an index when it is first needed, and keeps it, its fits and its bridges.

    Args:
        store: of the index.
        given: the model, or its name, that the index is opened with; None for its own.
        device: where it computes; None for `$MMSEARCH_DEVICE`, or `auto`.

    Attributes:
        guard: held while it is loaded or changed; the index holds it as well, for what it makes of the model.

    Raises:
        ModelMismatch: what is given is not what the index was built with.
        ModelError: it is unknown, its weights cannot be had, or the device is not there.
    """

    def __init__(self, store: Store, given: str | Model | None = None, device: str | None = None) -> None:
        self._store, self._device = store, device
        self.guard = threading.RLock()
        self._bridges: dict[frozenset[str], Bridge] = {}
        self._plain = self._checked(given)
        self._fitted: tuple[tuple[tuple[str, str], ...], Model] | None = None

    def plain(self) -> Model:
        """As it was made, without fits.

        Raises:
            ModelMismatch: the model of that name has other weights or another version by now.
            ModelError: its weights cannot be had, or the device is not there.
        """
        with self.guard:
            if self._plain is None:
                recorded = self._store.model
                loaded = registry.load(recorded["name"], self._device)
                if other := difference(recorded, loaded):
                    raise ModelMismatch(
                        f"the index {self._store.folder} was built with another version of {recorded['name']} "
                        f"({other}); index the media again into a new index"
                    )
                self._plain = loaded
            return self._plain

    def fitted(self, seen: Reading) -> Model:
        """With the fits that are in use in what is seen of the index; the same object as long as they are.

        Raises:
            ModelMismatch, ModelError: as `plain`.
            IndexDamaged: the content of a fit is not what was kept.
        """
        with self.guard:
            wanted = seen.snapshot().fits
            if self._fitted is None or self._fitted[0] != wanted:
                model = self.plain()
                if wanted:
                    from mmsearch.fitting.active import with_fits

                    model = with_fits(seen, model)
                self._fitted = wanted, model
            return self._fitted[1]

    def bridges(self) -> list[Bridge]:
        """What joins the spaces, if anything does; does not load the model."""
        recorded = self._store.model["spaces"]
        spaces = [Space(name, about["version"], about["dim"], frozenset()) for name, about in recorded.items()]
        found = (self.bridge(a, b) for a, b in itertools.combinations(spaces, 2))
        return [bridge for bridge in found if bridge is not None]

    def bridge(self, source: Space, target: Space) -> Bridge | None:
        """What joins two of the spaces; None if nothing does until now."""
        from mmsearch.encoders.bridge import shelf

        pair = frozenset((source.name, target.name))
        with self.guard:
            if pair not in self._bridges:
                found = shelf.find(source, target, self._store.folder)
                if found is None:
                    return None
                self._bridges[pair] = found
            return self._bridges[pair]

    def fit_bridge(self, texts: Sequence[str], progress: Callable[[str, int, int], None] | None) -> Bridge:
        """Join the two spaces; see `encoders.bridge.shelf.fit`."""
        from mmsearch.encoders.bridge import shelf

        found = shelf.fit(self.plain(), texts, self._store.folder, progress)
        with self.guard:
            self._bridges.clear()
        return found

    def _checked(self, given: str | Model | None) -> Model | None:
        """The model that the caller named or brought, if it is the index's; None if that needs no look at it."""
        recorded = self._store.model
        if given is None or (isinstance(given, str) and registry.canonical(given) == recorded["name"]):
            return None
        name = given if isinstance(given, str) else given.name
        other = "another kind of model"
        if not isinstance(given, str) or set(registry.split(name)) == set(registry.split(recorded["name"])):
            loaded = registry.load(given, self._device) if isinstance(given, str) else given
            other = difference(recorded, loaded)
            if not other:
                return loaded
        raise ModelMismatch(
            f"the index {self._store.folder} was built with the model {recorded['name']}, not {name} ({other}); open "
            "it without naming a model, or make another index"
        )
