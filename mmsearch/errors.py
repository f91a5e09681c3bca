"""Every error that mmsearch raises on purpose.

::

    MmsearchError
    ├── MediaError              a file or a record cannot be read as a picture, a sound or text
    │   └── MediaUnavailable    not this time: nothing is known about its content
    ├── QueryError              a query, a target or a number of hits makes no sense
    │   └── FilterError         a `where` expression cannot be parsed or names no known field
    ├── StoreError              an index on disk
    │   ├── IndexNotFound       there is none at that place
    │   ├── IndexLocked         another process is writing to it
    │   ├── IndexDamaged        its catalog, shards and rows do not agree
    │   ├── IndexTooNew         a newer mmsearch wrote it
    │   └── ModelMismatch       it was built with another model or other weights
    ├── ModelError              encoders and their weights
    │   ├── UnknownModel        no model has that name
    │   ├── WeightsMissing      the weights are not in the cache and could not be fetched
    │   ├── WeightsDamaged      the weights are not the ones that were pinned, or not of that architecture
    │   ├── DeviceUnavailable   the processor asked for is not there, or has no memory left
    │   └── BridgeMissing       two spaces of the model are not joined yet
    │       └── BridgeRefused   nor can they be: what was fitted is hardly better than chance
    ├── DecoderError            a process that reads media cannot be started
    ├── DatasetError            evaluation data cannot be used
    ├── FitError                nothing can be learnt from these pairs, or a fit cannot be used
    └── MissingExtra            an optional package is not installed

Errors of other libraries (Pillow, soundfile, PyAV, pypdf, SQLAlchemy) are translated where that library is called.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class MmsearchError(Exception):
    """The root of the tree: `except mmsearch.MmsearchError` catches everything raised on purpose."""


class MediaError(MmsearchError):
    """A file or a record cannot be read as a picture, a sound or text."""


class MediaUnavailable(MediaError):
    """A file could not be read this time (permission, no more handles, a decoder that was killed or too slow).

    It is tried again by every run; one that was too slow by runs that give it more than the seconds it `waited`.
    """

    def __init__(self, said: str, waited: float = 0.0) -> None:
        super().__init__(said)
        self.waited = waited


class QueryError(MmsearchError):
    """A query, a target or a number of hits makes no sense."""


class FilterError(QueryError):
    """A `where` expression cannot be parsed or names no known field."""


class StoreError(MmsearchError):
    """Something is wrong with an index on disk."""


class IndexNotFound(StoreError):
    """There is no index at that place."""


class IndexLocked(StoreError):
    """Another process is writing to the index."""


class IndexDamaged(StoreError):
    """Catalog, shards and rows of an index do not agree."""


class IndexTooNew(StoreError):
    """A newer version of mmsearch wrote the index."""


class ModelMismatch(StoreError):
    """The index was built with another model or other weights."""


class ModelError(MmsearchError):
    """Something is wrong with an encoder or its weights."""


class UnknownModel(ModelError):
    """No model has that name."""


class WeightsMissing(ModelError):
    """Weights are not in the cache and could not be fetched."""


class WeightsDamaged(ModelError):
    """Weights are not the ones that were pinned, cannot be read, or are of another architecture."""


class DeviceUnavailable(ModelError):
    """The processor that was asked for is not there, or has not enough memory."""


class BridgeMissing(ModelError):
    """The spaces of question and answers are not joined yet; the message names the command that does it."""


class BridgeRefused(BridgeMissing):
    """A bridge was fitted, and carries texts across hardly better than chance."""


class DecoderError(MmsearchError):
    """A process that reads media cannot be started."""


class DatasetError(MmsearchError):
    """Evaluation data cannot be used."""


class FitError(MmsearchError):
    """Nothing can be learnt from the pairs that were given, or there is no such fit, or it is for something else."""


class MissingExtra(MmsearchError):
    """An optional package is not installed; the message names the install command."""


def first_line(error: BaseException) -> str:
    """What an error says, shortly; libraries often say it with a stack of their own behind."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def did_you_mean(name: str, known: Iterable[str], most: int = 1, cutoff: float = 0.6, otherwise: str = "") -> str:
    """The end of a sentence about a wrong name, `; did you mean tags or nnn?`; or another, if no known one is near."""
    spelt = {str(one).lower(): str(one) for one in known}
    near = get_close_matches(name.lower(), list(spelt), most, cutoff)
    return f"; did you mean {' or '.join(spelt[one] for one in near)}?" if near else otherwise


def pointed(expression: str, at: int) -> str:
    """An expression on a line of its own, below it a caret under the character at a place."""
    from rich.cells import cell_len  # a Chinese character is two columns wide, a combining one none

    line = re.sub(r"\s", " ", expression)
    return f"\n  {line}\n  {' ' * cell_len(line[:at])}^"
