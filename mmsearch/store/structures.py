"""What the catalog knows of approximate structures: their files, the rows they cover, how they are asked."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mmsearch.store import covers as covering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from mmsearch.store.covers import Cover

SUFFIX = ".ann"
MOST_ROWS = 1 << 31
CHUNK = 1 << 24
STANDING = "SELECT id, name, version, modality, recipe, file, bytes, crc, rows, seconds FROM structures ORDER BY id"


@dataclass(frozen=True, slots=True)
class Setting:
    """How questions of one modality ask a structure; `effort` 0: not at all, they are compared with every row.

    Attributes:
        effort: lists to probe, or the length of HNSW's queue.
        fetch: candidates for ten answers, scored again with the stored vectors.
        recall: recall@10 against exact search, measured on questions that the setting was not chosen with.
        low: where its 95 % interval begins.
        high: where it ends.
        wanted: the recall that was asked for.
        queries: how many questions it was measured with.
        seconds: median of one question.
        exact_seconds: the same of exact search.
    """

    effort: int
    fetch: int
    recall: float
    low: float
    high: float
    wanted: float
    queries: int
    seconds: float
    exact_seconds: float


@dataclass(frozen=True)
class Standing:
    """A structure as it is committed.

    Attributes:
        id: in the catalog; never used again.
        name: of the space.
        version: of the space.
        modality: of the rows.
        recipe: how it was made, as `Recipe` writes it.
        path: of the file.
        bytes: of the file.
        crc: crc32 of the file.
        rows: how many labels it has, those of dead rows and of rows that are gone included.
        seconds: that building took.
        covers: where its rows are, by label.
        settings: by the modality that asks.
    """

    id: int
    name: str
    version: str
    modality: str
    recipe: str
    path: Path
    bytes: int
    crc: int
    rows: int
    seconds: float
    covers: tuple[Cover, ...]
    settings: Mapping[str, Setting] = field(default_factory=dict)


def read(sql: Callable[[str], Iterable[Any]], folder: Path, previous: Sequence[Standing] = ()) -> tuple[Standing, ...]:
    """All structures that a transaction sees; what makes no sense is left out, and searched exactly.

    Args:
        sql: runs a SELECT in the transaction.
        folder: of the index.
        previous: what an earlier one saw; what has not changed is taken from there.
    """
    known = {one.path for one in previous}
    lengths: dict[int, int] = {}
    covers: dict[int, list[Cover]] = defaultdict(list)
    settings: dict[int, dict[str, Setting]] = defaultdict(dict)
    found = list(sql(STANDING))
    if found:
        lengths = {id_: rows for id_, rows in sql("SELECT id, rows FROM shards")}  # noqa: C416  (a Row is no pair to mypy)
        for id_, cover in covering.read(sql, ((one.id, cover) for one in previous for cover in one.covers)):
            covers[id_].append(cover)
        for id_, asked, *setting in sql(
            "SELECT structure_id, asked, effort, fetch, recall, low, high, wanted, queries, seconds, exact_seconds "
            "FROM settings"
        ):
            settings[id_][asked] = Setting(*setting)
    made = (
        Standing(
            id_, name, version, modality, recipe, folder / str(file), size, crc, rows, seconds, tuple(covers[id_]),
            settings[id_],
        )
        for id_, name, version, modality, recipe, file, size, crc, rows, seconds in found
        if folder / str(file) in known or not odd_file(folder, file)
    )  # fmt: skip
    return tuple(one for one in made if not odd(one, lengths))


def odd(standing: Standing, lengths: Mapping[int, int]) -> str:
    """What cannot be of what a catalog says of a structure and of how many rows shards have; empty if all of it can."""
    numbers = (standing.bytes, standing.crc, standing.rows)
    if not isinstance(standing.recipe, str) or not all(isinstance(number, int) for number in numbers):
        return "it has a recipe, a size or a checksum that is none"
    if not 0 < standing.rows <= MOST_ROWS:
        return f"it cannot have {standing.rows} rows"
    for one in standing.settings.values():
        if not isinstance(one.effort, int) or not isinstance(one.fetch, int) or min(one.effort, one.fetch) < 0:
            return "it is asked with what are no numbers"
    return covering.odd(standing.covers, standing.rows, lengths)


def problems(sql: Callable[[str], Iterable[Any]], folder: Path) -> list[tuple[int, str]]:
    """Ids of structures that cannot be used as they are, with a sentence about each. Reads their files."""
    sound, found = {one.id: one for one in read(sql, folder)}, []
    for id_, *_, file, _, _, _, _ in list(sql(STANDING)):
        if id_ not in sound:
            found.append((id_, f"the structure {file!r} is not what the catalog says of it"))
        elif why := damage(sound[id_].path, sound[id_].bytes, sound[id_].crc):
            found.append((id_, why))
    return found


def damage(path: Path, size: int, crc: int) -> str:
    """What is wrong with the file of a structure; empty if nothing is."""
    try:
        if path.stat().st_size != size:
            return f"the structure {path} has {path.stat().st_size} bytes of {size}"
        found = checksum(path)
    except OSError as error:
        return f"the structure {path} cannot be read ({error.strerror})"
    return "" if found == crc else f"the structure {path} has a wrong checksum"


def checksum(path: Path) -> int:
    """The crc32 of a file."""
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc


def odd_file(folder: Path, file: object) -> str:
    """Why a structure cannot be called so; empty if it is `shards/…/<n>.ann` inside the index, links resolved."""
    if not isinstance(file, str) or "\0" in file or not re.fullmatch(r"shards/(.+/)?[0-9]{1,18}\.ann", file):
        return "no structure can be called so"
    try:
        inside = ".." not in file.split("/") and (folder / file).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links in a circle
        inside = False
    return "" if inside else "it leads out of the index"


def install(sql: Callable[..., Any], standing: Standing, file: str) -> None:
    """Name a structure whose file is on the disk, in place of the others of its rows, inside the caller's transaction.

    The files of those are left for the writer to remove, once the transaction is committed.
    """
    marks = ", ".join(str(cover.shard_id) for cover in standing.covers) or "NULL"
    replaced = sql(
        "SELECT id FROM structures WHERE name = ? AND version = ? AND modality = ? AND (id IN (SELECT structure_id "
        f"FROM covered WHERE shard_id IN ({marks})) OR id NOT IN (SELECT structure_id FROM covered))",
        (standing.name, standing.version, standing.modality),
    ).all()
    for (id_,) in replaced:
        drop(sql, id_)
    drop(sql, standing.id)
    sql(
        "INSERT INTO structures (id, name, version, modality, recipe, file, bytes, crc, rows, seconds) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            standing.id, standing.name, standing.version, standing.modality, standing.recipe, file, standing.bytes,
            standing.crc, standing.rows, standing.seconds,
        ),
    )  # fmt: skip
    covering.enter(sql, standing.id, standing.covers)
    settle(sql, standing.id, standing.settings)


def settle(sql: Callable[..., Any], structure_id: int, settings: Mapping[str, Setting]) -> None:
    """Replace the settings of a structure, inside the caller's transaction."""
    sql("DELETE FROM settings WHERE structure_id = ?", (structure_id,))
    for asked, one in settings.items():
        sql(
            "INSERT INTO settings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                structure_id, asked, one.effort, one.fetch, one.recall, one.low, one.high, one.wanted, one.queries,
                one.seconds, one.exact_seconds,
            ),
        )  # fmt: skip


def drop(sql: Callable[..., Any], structure_id: int) -> None:
    """Forget a structure, inside the caller's transaction."""
    for table, column in (("settings", "structure_id"), ("covered", "structure_id"), ("structures", "id")):
        sql(f"DELETE FROM {table} WHERE {column} = ?", (structure_id,))
