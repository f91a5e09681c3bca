"""mmsearch: cross-modal vector search over pictures, sounds and text.

::

    files on disk ─► media ─► encoder ─► features ─► head ─► vectors ─► shards        ┐
                       │                                                               ├─ one index = one folder
                       └──────────────────► items, files, segments ─► catalog (SQLite) ┘
    question ─► query vectors ─► route ─► candidates ─► rerank ─► hits

>>> index = mmsearch.open("indexes/media")          # doctest: +SKIP
>>> report = index.add(["~/media"])                  # doctest: +SKIP
>>> hits = index.search(text="a dog barking", k=10)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmsearch.classification.classify import classify
    from mmsearch.engine import Index, repair
    from mmsearch.engine import open_index as open  # noqa: A004  (`mmsearch.open` is the name people expect)
    from mmsearch.errors import MmsearchError
    from mmsearch.evaluation.model import evaluate
    from mmsearch.search.query import Query
    from mmsearch.types import Failure, Hit, Hits, Item, Modality, Progress, Record, Report

# Imported when first used, so that `import mmsearch` costs nothing.
_HOMES = {
    "open": "mmsearch.engine:open_index",
    "Index": "mmsearch.engine:Index",
    "classify": "mmsearch.classification.classify:classify",
    "evaluate": "mmsearch.evaluation.model:evaluate",
    "repair": "mmsearch.engine:repair",
    "MmsearchError": "mmsearch.errors:MmsearchError",
    "Query": "mmsearch.search.query:Query",
    **{
        name: f"mmsearch.types:{name}"
        for name in ("Failure", "Hit", "Hits", "Item", "Modality", "Progress", "Record", "Report")
    },
}

__all__ = [
    "Failure",
    "Hit",
    "Hits",
    "Index",
    "Item",
    "MmsearchError",
    "Modality",
    "Progress",
    "Query",
    "Record",
    "Report",
    "classify",
    "evaluate",
    "open",
    "repair",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  (whatever the name stands for)
    if name not in _HOMES:
        raise AttributeError(f"module 'mmsearch' has no attribute {name!r}")
    module, attribute = _HOMES[name].split(":")
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
