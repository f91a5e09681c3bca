"""What `clip` and `clap` have in common: weights of others are fetched, made ready once, and used from then on."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from mmsearch.encoders import prepared
from mmsearch.encoders.devices import Device, choose
from mmsearch.encoders.family import Card
from mmsearch.encoders.memory import is_shortage, needed_for
from mmsearch.encoders.prepared import Prepared
from mmsearch.errors import MmsearchError, ModelError, WeightsDamaged, WeightsMissing

if TYPE_CHECKING:
    from mmsearch.encoders.base import Model


class Named(Protocol):
    """A source of weights."""

    @property
    def canonical(self) -> str:
        """What stands behind the colon, the same for all spellings."""
        ...


@dataclass(frozen=True, slots=True)
class Making:
    """A model that is about to be made, or used.

    Attributes:
        name: in full.
        ready: the folder in the cache.
        device: where it computes.
        check: see `Model.check`.
    """

    name: str
    ready: Prepared
    device: Device
    check: Callable[[], None]


Source = TypeVar("Source", bound=Named)


class PreparedFamily(ABC, Generic[Source]):
    """See `Family`. The card that `build` makes is kept with the files: JSON values, by name."""

    name: ClassVar[str]
    recipe: ClassVar[int]
    """Raised whenever the same weights give other vectors."""
    known: ClassVar[Mapping[str, Card]]
    """Cards of models before they are made ready, by what stands behind the colon."""
    about: ClassVar[Card]
    """What is known of all models of the family."""

    @abstractmethod
    def source(self, argument: str) -> Source:
        """What the argument names.

        Raises:
            UnknownModel: it makes no sense.
        """

    @abstractmethod
    def files(self, source: Source) -> list[Path]:
        """The user's own files of which the model is made; none if its weights are fetched.

        Raises:
            ModelError: they are not there, or are not a model.
        """

    @abstractmethod
    def build(self, source: Source, staging: Path) -> tuple[dict[str, Any], list[Path], list[Any]]:
        """Fetch and read the weights, and write towers and tokenizer into `staging`.

        Returns:
            The card, with `dim`, `parameters` (their number) and `licence` (None if it is not known); the files that
            the weights were read from; and what the vectors follow from beside them, in JSON values.
        """

    @abstractmethod
    def model(self, source: Source, making: Making) -> Model:
        """The model out of its folder."""

    def canonical(self, argument: str) -> str:
        """See `Family`."""
        return self._name(self.source(argument))

    def card(self, argument: str) -> Card:
        """See `Family`."""
        source = self.source(argument)
        found = self._find(source)
        if found is None:
            return self.known.get(source.canonical, replace(self.about, summary=self._summary(source)))
        card = found.card
        return replace(
            self.about,
            summary=self._summary(source),
            dim=card["dim"],
            download=0 if self.files(source) else _megabytes(card["bytes"].values()),
            disk=_megabytes(path.stat().st_size for path in found.folder.iterdir()),
            parameters=card["parameters"] / 1e6,
            licences={source.canonical: card["licence"]} if card["licence"] else {},
        )

    def installed(self, argument: str) -> bool:
        """See `Family`."""
        return self._find(self.source(argument)) is not None

    def pull(self, argument: str, source: Path | None = None) -> Path:
        """See `Family`."""
        if source is not None:
            raise ModelError(
                f"{self.name} takes a folder of your own in its name, as in {self.name}:./FOLDER, and no --from"
            )
        return self._ready(self.source(argument)).folder

    def verify(self, argument: str) -> None:
        """See `Family`."""
        self._verify(self.source(argument))

    def _verify(self, source: Source) -> None:
        found = self._find(source)
        if found is None:
            raise WeightsMissing(f"{self._name(source)} was not made ready; `mmsearch models pull` does it")
        if damaged := found.damaged():
            raise WeightsDamaged(
                f"not as they were made: {', '.join(map(str, damaged))}; remove {found.folder}, it is made again"
            )

    def load(self, argument: str, device: str | None = None) -> Model:
        """See `Family`."""
        source, chosen = self.source(argument), choose(device)
        check = cache(partial(self._verify, source))
        return self.model(source, Making(self._name(source), self._ready(source), chosen, check))

    def same_weights(self, ready: Prepared, files: Iterable[Path]) -> None:
        """Whether the files are still those that the model was made of.

        Raises:
            WeightsDamaged: they are not.
        """
        found = list(files)
        if {path.name for path in found} != set(ready.card["weights"]):
            names = ", ".join(path.name for path in found)
            raise WeightsDamaged(
                f"the model was made ready from {', '.join(ready.card['weights'])}, and its weights are in {names} "
                f"now; remove {ready.folder} to take those"
            )
        for path in found:
            if prepared.digest(path) != ready.card["weights"][path.name]:
                raise WeightsDamaged(f"{path} has changed since the model was made ready; remove {ready.folder}")

    def _name(self, source: Source) -> str:
        return f"{self.name}:{source.canonical}"

    def _summary(self, source: Source) -> str:
        return f"{self.about.summary}: {source.canonical}"

    def _find(self, source: Source) -> Prepared | None:
        try:
            return prepared.find(self.name, self._name(source), self.files(source))
        except WeightsMissing:
            return None

    def _ready(self, source: Source) -> Prepared:
        files = self.files(source)
        found = prepared.find(self.name, self._name(source), files)
        return found or prepared.make(self.name, self._name(source), files, partial(self._build, source))

    def _build(self, source: Source, staging: Path) -> dict[str, Any]:
        with needed_for(self._name(source)):
            try:
                card, weights, made_of = self.build(source, staging)
            except Exception as error:  # somebody's folder can make any library raise anything
                if isinstance(error, MmsearchError) or is_shortage(error):
                    raise
                said = str(error).strip().partition("\n")[0][:200]
                raise WeightsDamaged(
                    f"{self._name(source)} cannot be made ready ({type(error).__name__}: {said}); its files do not fit "
                    "together, or are not what they are said to be"
                ) from error
        hashes = {path.name: prepared.digest(path) for path in weights}
        follows = json.dumps([self.recipe, made_of, hashes], sort_keys=True)
        return card | {
            "weights": hashes,
            "bytes": {path.name: path.stat().st_size for path in weights},
            "version": f"{self.recipe}-{hashlib.sha256(follows.encode()).hexdigest()[:12]}",
        }


def _megabytes(sizes: Iterable[int]) -> int:
    return round(sum(sizes) / 1e6)
