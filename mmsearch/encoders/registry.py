"""Which models there are, and what their names mean.

::

    name   := part ("+" part)*         clip + clap
    part   := family [":" argument]    clip:ViT-L-14/laion2b_s32b_b82k

A family is imported when it is asked for.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from mmsearch.errors import UnknownModel, did_you_mean

if TYPE_CHECKING:
    from mmsearch.encoders.base import Model
    from mmsearch.encoders.family import Family

FAMILIES: dict[str, str] = {
    "lite": "mmsearch.encoders.lite.family:LITE",
    "lite2": "mmsearch.encoders.lite.family:LITE2",
    "clip": "mmsearch.encoders.clip.family:CLIP",
    "clap": "mmsearch.encoders.clap.family:CLAP",
    "fake": "mmsearch.encoders.fake:FAKE",
    "fake-pair": "mmsearch.encoders.fake_pair:PAIR",
}
NAMES = ("lite", "lite2", "clip", "clap", "clip+clap", "fake")
"""The models that need nothing behind a colon."""
DEFAULT = "lite"
"""The model of whoever names none."""

# Paths may have a plus sign in them: one that separates parts is followed by a family.
_PLUS = re.compile(rf"\s*\+\s*(?=(?:{'|'.join(FAMILIES)})\s*(?:[:+]|$))")


class Part(NamedTuple):
    """One model of a name."""

    family: Family
    argument: str


def split(name: str) -> dict[str, str]:
    """What stands behind the colon, by family.

    Raises:
        UnknownModel: it names none, or one twice.
    """
    arguments: dict[str, str] = {}
    for named in _PLUS.split(name.strip()):
        family, _, argument = (side.strip() for side in named.partition(":"))
        if family not in FAMILIES:
            near = did_you_mean(family, FAMILIES)
            raise UnknownModel(f"there is no model {named!r}; there are: {', '.join(NAMES)}{near}")
        if family in arguments:
            raise UnknownModel(f"{name!r} names {family} twice")
        arguments[family] = argument
    return arguments


def parse(name: str) -> tuple[Part, ...]:
    """The models that a name puts together.

    Raises:
        UnknownModel: it names none, or one twice.
    """
    found = []
    for family, argument in split(name).items():
        module, attribute = FAMILIES[family].split(":")
        found.append(Part(getattr(import_module(module), attribute), argument))
    return tuple(found)


def canonical(name: str) -> str:
    """The full name of a model, with its defaults.

    Raises:
        UnknownModel: there is none of that name.
    """
    return " + ".join(part.family.canonical(part.argument) for part in parse(name))


def load(name: str, device: str | None = None) -> Model:
    """Make the model of that name, fetching its weights if they are not in the cache.

    Args:
        name: as above.
        device: where it computes, see `devices`; None for `$MMSEARCH_DEVICE`, or `auto`.

    Raises:
        UnknownModel: no model has that name.
        WeightsMissing: its weights are not in the cache and could not be fetched.
        WeightsDamaged: they cannot be read, or are not what they should be.
        DeviceUnavailable: the device is not there.
        ModelError: its parts do not go together.
        MissingExtra: a package that it needs is not installed.
    """
    models = [part.family.load(part.argument, device) for part in parse(name)]
    if len(models) == 1:
        return models[0]
    from mmsearch.encoders.compose import compose

    return compose(models)
