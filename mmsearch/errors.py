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
    │   └── WeightsDamaged      the weights are not the ones that were pinned
    ├── DecoderError            a process that reads media cannot be started
    ├── DatasetError            an evaluation manifest cannot be used
    └── MissingExtra            an optional package is not installed

Errors of other libraries (Pillow, soundfile, PyAV, pypdf, SQLAlchemy) are translated where that library is called.
"""

from __future__ import annotations


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
    """Weights are not the ones that were pinned."""


class DecoderError(MmsearchError):
    """A process that reads media cannot be started."""


class DatasetError(MmsearchError):
    """An evaluation manifest cannot be used."""


class MissingExtra(MmsearchError):
    """An optional package is not installed; the message names the install command."""
