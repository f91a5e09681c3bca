"""Write the vectors of an index, and what is known of them, to a Parquet file or a folder of `.npy` and JSON lines."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from mmsearch.errors import IndexLocked, QueryError, StoreError
from mmsearch.exchange import rows
from mmsearch.exchange.arrow import pyarrow
from mmsearch.exchange.selection import Selection
from mmsearch.store.shard import sync_folder
from mmsearch.store.writer import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from mmsearch.exchange.selection import Page
    from mmsearch.store.store import Store

FORMATS = ("parquet", "npy")
VECTORS, ROWS, ABOUT = "vectors.npy", "rows.jsonl", "about.json"
NPY_HEADER = 128  # bytes; as numpy pads it


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: where, in which format, how many rows and bytes."""

    path: Path
    format: str
    rows: int
    bytes: int


def export(
    store: Store,
    destination: Path,
    *,
    format: str | None = None,  # noqa: A002  (what users call it)
    modalities: Collection[str] = (),
    space: str | None = None,
    where: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Exported:
    """Write one row for each segment and space; all of one version of the index, in bounded memory.

    The columns are those of `mmsearch.exchange.rows.COLUMNS` and `vector`, float32. What is written appears under its
    name when it is whole.

    Args:
        store: the index.
        destination: a new file for `parquet`, a new folder for `npy`.
        format: `parquet` or `npy`; if it is not given, `parquet` for a name that ends so, else `npy`.
        modalities: only segments of these.
        space: only vectors of this space; needed where spaces have vectors of several lengths.
        where: only what this filter leaves.
        progress: told "exporting", and how many rows of how many are done.

    Raises:
        QueryError: the format is unknown, or nothing in the index is of that kind.
        FilterError: the filter makes no sense.
        MissingExtra: pyarrow is needed and not installed.
        IndexLocked: another process is exporting to the same place.
        StoreError: the destination is there already or cannot be written, or the disk is full.
    """
    place = destination.expanduser().absolute()
    wanted = format or ("parquet" if place.suffix == ".parquet" else "npy")
    if wanted not in FORMATS:
        raise QueryError(f"{wanted!r} is no format; there are: {', '.join(FORMATS)}")
    if os.path.lexists(place):
        raise StoreError(f"{place} is there already; name a new {'file' if wanted == 'parquet' else 'folder'}")
    with store.view() as view, _failures(place):
        selection = Selection(view, modalities, space, where)
        about = rows.about(store.model, selection.dim)
        most = view.query("SELECT count(*) FROM segments")[0][0]
        place.parent.mkdir(parents=True, exist_ok=True)
        done = 0
        with _draft(place) as draft:
            sheet = (Parquet if wanted == "parquet" else Npy)(draft, selection.dim, about)
            with closing(sheet):
                for page in selection.pages():
                    sheet.write(page)
                    done += len(page.vectors)
                    if progress is not None:
                        progress("exporting", done, max(done, most))
            if os.path.lexists(place):  # by another process, meanwhile
                raise StoreError(f"{place} is there already; name a new one")
            draft.replace(place)
        sync_folder(place.parent)
        files = [place] if place.is_file() else list(place.iterdir())
        return Exported(place, wanted, done, sum(file.stat().st_size for file in files))


class Parquet:
    """One file; a row group for each page."""

    def __init__(self, path: Path, dim: int, about: str) -> None:
        self._arrow = arrow = pyarrow()
        self._path = path
        types = {
            **dict.fromkeys((*rows.TEXTS, *rows.OBJECTS), arrow.string()),
            **dict.fromkeys(rows.NUMBERS, arrow.float64()),
            **dict.fromkeys(rows.COUNTS, arrow.int64()),
        }
        fields = [arrow.field(name, types[name]) for name in rows.COLUMNS]
        fields.append(arrow.field(rows.VECTOR, arrow.list_(arrow.float32(), dim)))
        self._schema = arrow.schema(fields, metadata={"mmsearch": about})
        # Vectors do not shrink; to try costs most of the time.
        self._writer = arrow.parquet.ParquetWriter(
            path, self._schema, compression={name: "zstd" for name in rows.COLUMNS}, use_dictionary=list(rows.TEXTS)
        )

    def write(self, page: Page) -> None:
        """Append a row group."""
        arrays: list[Any] = []
        for name in rows.COLUMNS:
            values = page.columns[name]
            if name in rows.OBJECTS:
                values = [rows.dumped(value) for value in values]
            arrays.append(self._arrow.array(values, self._schema.field(name).type))
        flat = self._arrow.array(page.vectors.reshape(-1))
        arrays.append(self._arrow.FixedSizeListArray.from_arrays(flat, page.vectors.shape[1]))
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()
        with self._path.open("rb") as file:
            os.fsync(file.fileno())


class Npy:
    """A folder: `vectors.npy` (n, d) float32, `rows.jsonl` with line i for vector i, `about.json` with the model."""

    def __init__(self, path: Path, dim: int, about: str) -> None:
        path.mkdir()
        self._path, self._dim, self._count = path, dim, 0
        with ExitStack() as opened:
            self._vectors: BinaryIO = opened.enter_context((path / VECTORS).open("wb"))
            self._rows: BinaryIO = opened.enter_context((path / ROWS).open("wb"))
            self._vectors.write(bytes(NPY_HEADER))  # when their number is known
            with (path / ABOUT).open("wb") as file:
                file.write(about.encode() + b"\n")
                _sync(file)
            self._open = opened.pop_all()

    def write(self, page: Page) -> None:
        """Append vectors and lines."""
        self._count += len(page.vectors)
        self._vectors.write(page.vectors.astype("<f4", copy=False).tobytes())
        for values in zip(*(page.columns[name] for name in rows.COLUMNS), strict=True):
            line = {name: value for name, value in zip(rows.COLUMNS, values, strict=True) if value is not None}
            self._rows.write(rows.dumped(line).encode() + b"\n")

    def close(self) -> None:
        """Write the header of the vectors."""
        with self._open:
            self._vectors.seek(0)
            np.lib.format.write_array_header_1_0(
                self._vectors, {"descr": "<f4", "fortran_order": False, "shape": (self._count, self._dim)}
            )
            assert self._vectors.tell() == NPY_HEADER
            _sync(self._vectors)
            _sync(self._rows)
        sync_folder(self._path)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _draft(place: Path) -> Iterator[Path]:
    """A name for what becomes `place`, in a folder beside it that goes whatever happens, or else the next time."""
    part = place.with_name(f".{place.name}.part")
    part.mkdir(exist_ok=True)
    try:
        lock = locked(part, wait=0.0)
    except IndexLocked as error:
        raise IndexLocked(f"another process is exporting to {place}; try again when it is done") from error
    draft = part / "whole"
    try:
        if draft.is_dir():  # of a process that died
            shutil.rmtree(draft)
        draft.unlink(missing_ok=True)
        yield draft
    finally:
        shutil.rmtree(part, ignore_errors=True)
        lock.release()


@contextmanager
def _failures(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # pyarrow's, too
        raise StoreError(f"cannot write {place}: {error.strerror or error}") from error
