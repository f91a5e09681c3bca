"""Which kind of source a path is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmsearch.errors import MediaError
from mmsearch.exchange.npy import open_npy
from mmsearch.exchange.parquet import open_parquet

if TYPE_CHECKING:
    from pathlib import Path

    from mmsearch.exchange.batch import Columns, Source


def open_source(path: Path, columns: Columns) -> Source:
    """What is at a path: a Parquet file, a `.npy` file with a table beside it, or a folder of such; see `npy`.

    Raises:
        MediaError: it is nothing of that kind, or it is not clear what belongs to what.
        MissingExtra: pyarrow is needed and not installed.
    """
    place = path.expanduser()
    if place.is_dir() or place.suffix == ".npy":
        if not place.exists():
            raise MediaError(f"there is no file {place}")
        alone = sorted(place.glob("*.parquet")) if place.is_dir() and not any(place.rglob("*.npy")) else []
        return open_parquet(alone[0], columns) if len(alone) == 1 else open_npy(place, columns)
    if not place.is_file():
        raise MediaError(f"there is no file or folder {place}")
    if place.suffix != ".parquet":
        raise MediaError(f"{place} is no .parquet and no .npy file, nor a folder of those")
    return open_parquet(place, columns)
