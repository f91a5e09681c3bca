"""pyarrow, imported when it is needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mmsearch.errors import MissingExtra


def pyarrow() -> Any:  # noqa: ANN401  (a module without types)
    """The module `pyarrow`, with `pyarrow.parquet` and `pyarrow.compute` loaded.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        module = import_module("pyarrow")
        import_module("pyarrow.compute")
        import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtra("Parquet files need pyarrow: pip install 'mmsearch[parquet]'") from error
    return module
