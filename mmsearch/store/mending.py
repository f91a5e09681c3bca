"""Shards under repair: which of their rows are lost, which of those can be computed again, and writing them.

A shard is mended where it is. Before the catalog's transaction ends nothing is written over but its header, rows of
damaged blocks, and rows that cannot be what they should.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import IndexDamaged
from mmsearch.store import backgrounds, chains, fit_checks, fits, fulltext, migrations, structures
from mmsearch.store import shard as shards
from mmsearch.store.prune import Prune
from mmsearch.store.shard import Group

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

# (group of the vectors that are wanted, group of the features that are there, features (n, d)) -> vectors (n, dim), or
# None if those vectors are not made of these features.
Project: TypeAlias = Callable[[Group, Group, NDArray[Any]], NDArray[Any] | None]
Projector: TypeAlias = Callable[[dict[str, Any]], Project]

TOGETHER = 4096  # rows handled at once
UNIT = 1e-3  # how far from 1 the norm of a vector may be
LIMIT = 2.0  # a dead row that is longer than this, or not finite, is made zero: scans multiply dead rows too


@dataclass(slots=True)
class Patient:
    """A shard under repair: which rows are lost, and what is to be written in the place of some."""

    id: int
    group: Group
    file: str
    path: Path
    rows: int
    total: bytes
    condition: shards.Condition
    live: dict[int, int]  # segment ids by offset
    lost: NDArray[np.bool_]
    mended: dict[int, NDArray[Any]] = field(default_factory=dict)

    @property
    def matrix(self) -> NDArray[Any]:
        """All rows `(rows, dim)`, if the file is long enough."""
        return shards.mapped(self.path, self.group, self.rows)


class Mending:
    """One repair, inside the caller's transaction."""

    def __init__(self, connection: Connection, folder: Path, projector: Projector | None) -> None:
        self._sql = connection.exec_driver_sql
        self._folder, self._projector = folder, projector
        self._prune = Prune(connection)
        self.said = self._prune.said

    def run(self) -> tuple[tuple[str, ...], tuple[Path, ...]]:
        """Mend everything; the names of lost items, and the files to be read again."""
        self._model = migrations.identity(self._sql(migrations.MODEL).scalar())
        if self._model is None:
            raise IndexDamaged(
                f"the catalog of {self._folder} does not tell any more which model it is for: nothing can be salvaged "
                "from it; index the media again into a new folder"
            )
        self.said += fulltext.cure(self._sql)  # before anything is removed from it
        self._straighten()
        self._prune.dangling()
        if self._sql("DELETE FROM meta WHERE key = 'salvaged'").rowcount:
            self._prune.unfeatured()
        numberless = "UPDATE meta SET value = '1' WHERE key = 'version' AND (value = '' OR value GLOB '*[^0-9]*')"
        if self._sql("INSERT OR IGNORE INTO meta VALUES ('version', '1')").rowcount or self._sql(numberless).rowcount:
            self.said.append("the number of the index's version could not be read, and begins again")
        patients = [self._examined(*row) for row in self._sql(
            "SELECT id, kind, name, version, modality, dtype, dim, file, rows, total FROM shards ORDER BY id"
        ).all()]  # fmt: skip
        self._project(patients)
        for patient in patients:
            self._note(patient)
        lost, again = self._prune.finish()
        if lost:
            self.said.append(f"{len(lost)} items that had lost a part were removed")
        if again:
            self.said.append(f"{len(again)} files are to be read again by the next `mmsearch index`")
        patients = self._without_fits(patients)
        for patient in patients:
            self._mend(patient)
        self._prune.bury()
        for patient in patients:
            self._settle(patient)
        for id_, why in structures.problems(self._sql, self._folder):
            structures.drop(self._sql, id_)
            self.said.append(f"{why}: it was left out, and `mmsearch optimize` makes it anew")
        self.said += chains.cure(self._sql)
        self.said += backgrounds.cure(self._sql)
        return lost, again

    def _straighten(self) -> None:
        """Put right what the catalog says of shards and cannot be, or leave those shards out, their files untouched."""
        columns = "kind, name, version, modality, dtype, dim"
        self._sql("UPDATE shards SET total = x'' WHERE typeof(total) <> 'blob'")  # taken again in the end
        for id_, *fields, file, rows, size in self._sql(
            f"SELECT id, {columns}, file, rows, length(total) FROM shards ORDER BY id"
        ).all():
            group, why = Group(*fields), shards.odd_file(self._folder, file)
            if why:
                self._forget(id_, file, why)
                continue
            why = shards.odd_group(group)
            path = self._folder / file
            named = shards.group_of(path) if why or size != 8 * group.dim else None
            if named is not None and named != group and (why or size == 8 * named.dim):
                self._sql(
                    f"UPDATE shards SET ({columns}) = (?, ?, ?, ?, ?, ?) WHERE id = ?",
                    (named.kind, named.name, named.version, named.modality, named.dtype, named.dim, id_),
                )
                self.said.append(f"{file}: what its rows are was taken from its header")
                group, why = named, ""
            if why:
                self._forget(id_, file, why)
                continue
            used = self._sql(
                'SELECT coalesce(max("offset") + 1, 0) FROM (SELECT "offset" FROM rows WHERE shard_id = ?1 '
                'UNION ALL SELECT "offset" FROM tombstones WHERE shard_id = ?1) WHERE "offset" BETWEEN 0 AND ?2',
                (id_, shards.MOST_ROWS - 1),
            ).scalar_one()
            there = (path.stat().st_size - shards.HEADER_BYTES) // group.row_bytes if path.is_file() else 0
            if shards.odd_rows(rows) or max(there, used) < rows:
                self._sql("UPDATE shards SET rows = ? WHERE id = ?", (used, id_))
                self.said.append(f"{file}: it was said to have {rows} rows, and has {used}")

    def _forget(self, id_: int, file: object, why: str) -> None:
        for table in ("blocks", "tombstones", "rows"):
            self._sql(f"DELETE FROM {table} WHERE shard_id = ?", (id_,))
        self._sql("DELETE FROM shards WHERE id = ?", (id_,))
        self.said.append(f"{file}: {why}; it is no longer part of the index")

    def _examined(self, id_: int, *rest: Any) -> Patient:  # noqa: ANN401  (columns)
        *fields, file, rows, total = rest
        group, path = Group(*fields), self._folder / file
        crcs = self._pairs("SELECT block, crc FROM blocks WHERE shard_id = ?", id_)
        condition = shards.examine(path, group, rows, crcs)
        live = self._pairs('SELECT "offset", segment_id FROM rows WHERE shard_id = ?', id_)
        lost = np.zeros(rows, bool)
        for block in (*condition.cut, *condition.bad):
            lost[block * group.block_rows : (block + 1) * group.block_rows] = True
        made = Patient(id_, group, file, path, rows, total, condition, live, lost)
        if condition.readable and not condition.cut:
            offsets = np.array(sorted(live), np.int64)
            offsets = offsets[~lost[offsets]]
            for some in np.array_split(offsets, max(1, len(offsets) // TOGETHER)):
                made.lost[some] |= ~_plausible(group, made.matrix[some])
        return made

    def _pairs(self, select: str, shard_id: int) -> dict[int, int]:
        return {key: value for key, value in self._sql(select, (shard_id,))}  # noqa: C416  (a Row is no pair to mypy)

    def _project(self, patients: list[Patient]) -> None:
        """Compute lost vectors again where the features are there."""
        features: dict[int, list[tuple[Patient, int]]] = defaultdict(list)
        wanted = {
            patient.live[offset]: (patient, offset)
            for patient in patients
            if patient.group.kind == "vectors" and not fits.is_fit(patient.group.name)
            for offset in np.flatnonzero(patient.lost).tolist()
            if offset in patient.live
        }
        if not wanted or self._projector is None:
            return
        for patient in patients:
            if patient.group.kind == "features" and not patient.condition.cut:
                for offset, segment_id in patient.live.items():
                    if segment_id in wanted and not patient.lost[offset]:
                        features[segment_id].append((patient, offset))
        batches: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        by_id = {patient.id: patient for patient in patients}
        for segment_id, places in features.items():
            target, at = wanted[segment_id]
            for source, offset in places:
                batches[target.id, source.id].append((at, offset))
        assert self._model is not None
        project = self._projector(self._model) if batches else None
        for (target_id, source_id), pairs in batches.items():
            target, source = by_id[target_id], by_id[source_id]
            for start in range(0, len(pairs), TOGETHER):
                assert project is not None
                self._fill(project, target, source, pairs[start : start + TOGETHER])

    def _fill(self, project: Project, target: Patient, source: Patient, pairs: list[tuple[int, int]]) -> None:
        made = project(target.group, source.group, np.array(source.matrix[[offset for _, offset in pairs]]))
        if made is None or made.shape[1:] != (target.group.dim,):
            return
        good = _plausible(target.group, made)
        for (at, _), row, is_good in zip(pairs, made, good, strict=True):
            if is_good:
                target.mended[at] = row

    def _note(self, patient: Patient) -> None:
        if fits.is_fit(patient.group.name):
            return
        gone = [offset for offset in np.flatnonzero(patient.lost).tolist() if offset not in patient.mended]
        segments = [patient.live.pop(offset) for offset in gone if offset in patient.live]
        self._prune.note_segments(f"a row of {patient.file} is lost", segments)

    def _without_fits(self, patients: list[Patient]) -> list[Patient]:
        """Those that are left when fits that lost something are switched off: rows of them can be made again."""
        damaged = {one.group for one in patients if fits.is_fit(one.group.name) and one.lost[list(one.live)].any()}
        self.said += fit_checks.cure(self._sql, self._folder, damaged)
        left = set(self._sql("SELECT id FROM shards").scalars())
        return [patient for patient in patients if patient.id in left]

    def _mend(self, patient: Patient) -> None:
        """Write what can be: only bytes that are damaged, and rows that cannot stay as they are."""
        condition = patient.condition
        alive = self._sql("SELECT 1 FROM rows WHERE shard_id = ? LIMIT 1", (patient.id,)).scalar()
        if patient.rows == 0 or not (alive or condition.sound):
            self._drop(patient)
            return
        if condition.sound and not patient.lost.any():
            return
        shards.restore(patient.path, patient.group, patient.rows, patient.mended)
        zero = np.zeros(patient.group.dim, patient.group.dtype)
        dead = np.array([o for o in np.flatnonzero(patient.lost).tolist() if o not in patient.mended], np.int64)
        for some in np.array_split(dead, max(1, len(dead) // TOGETHER)):
            wild = some[~_bounded(patient.group, patient.matrix[some])]
            if len(wild):
                shards.restore(patient.path, patient.group, patient.rows, dict.fromkeys(wild.tolist(), zero))
        self.said.append(_sentence(patient))

    def _drop(self, patient: Patient) -> None:
        self._forget(patient.id, patient.file, "no row of it was left")
        patient.rows = 0

    def _settle(self, patient: Patient) -> None:
        """Make checksums, the sum and the number of the dead those of the rows as they are now."""
        if patient.rows == 0:
            return
        dead = "(SELECT count(*) FROM tombstones WHERE shard_id = shards.id)"
        if self._sql(f"UPDATE shards SET dead = {dead} WHERE id = ? AND dead <> {dead}", (patient.id,)).rowcount:
            self.said.append(f"{patient.file}: its dead rows were counted again")
        found = dict(shards.checksums(patient.path, patient.group, patient.rows))
        known = self._pairs("SELECT block, crc FROM blocks WHERE shard_id = ?", patient.id)
        if found != known:
            self._sql("DELETE FROM blocks WHERE shard_id = ?", (patient.id,))
            self._sql("INSERT INTO blocks VALUES (?, ?, ?)", [(patient.id, *pair) for pair in found.items()])
            self.said.append(f"{patient.file}: checksums were taken again")
        self._sum(patient)

    def _sum(self, patient: Patient) -> None:
        """The sum of the live vectors; nothing is summed of features."""
        select = 'SELECT "offset" FROM rows WHERE shard_id = ? ORDER BY 1'
        summed = self._sql(select, (patient.id,)).scalars() if patient.group.kind == "vectors" else ()
        offsets = np.array(list(summed), np.int64)
        total = np.zeros(patient.group.dim)
        for some in np.array_split(offsets, max(1, len(offsets) // TOGETHER)):
            total += np.asarray(patient.matrix[some], np.float64).sum(axis=0)
        stored = np.frombuffer(patient.total) if len(patient.total) == total.nbytes else np.full_like(total, np.inf)
        if not np.allclose(stored, total, atol=1e-6 * max(1.0, len(offsets))):
            self._sql("UPDATE shards SET total = ? WHERE id = ?", (total.tobytes(), patient.id))
            self.said.append(f"{patient.file}: the sum of its vectors was taken again")


def _plausible(group: Group, rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows `(n, dim)` can be what they should be: finite, and vectors of unit norm."""
    if group.kind != "vectors":
        return np.asarray(np.isfinite(rows).all(axis=1))
    with np.errstate(all="ignore"):
        return np.asarray(np.abs(np.linalg.norm(np.asarray(rows, np.float64), axis=1) - 1) <= UNIT)


def _bounded(group: Group, rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows do no harm where they are multiplied."""
    if group.kind != "vectors":
        return np.asarray(np.isfinite(rows).all(axis=1))
    with np.errstate(all="ignore"):
        return np.asarray(np.linalg.norm(np.asarray(rows, np.float64), axis=1) <= LIMIT)


def _sentence(patient: Patient) -> str:
    condition, said = patient.condition, []
    if not condition.readable:
        said.append("was missing or could not be read")
    elif not condition.header:
        said.append("had a damaged header, which was written again")
    if condition.readable and condition.cut:
        said.append(f"was cut short by {len(condition.cut)} blocks")
    if condition.bad:
        said.append(f"had {len(condition.bad)} damaged blocks")
    if condition.unproven:
        said.append(f"had {len(condition.unproven)} blocks without a checksum, which look intact")
    again = len(patient.mended)
    gone = int(patient.lost.sum()) - again
    text = f"{patient.file} {', '.join(said) or 'had rows that make no sense'}"
    return f"{text}: {again} vectors were computed again, {gone} rows are lost" if again or gone else text
