"""Runs scenarios in children under faults, and checks what is left: the part that runs where nothing goes wrong."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import crash_state
import numpy as np
from made_fits import rows_of

import mmsearch
from mmsearch.search.query import Query
from mmsearch.store import fits
from mmsearch.store.store import Store
from mmsearch.store.verify import verify

HERE = Path(__file__).parent


def compiled(folder):
    """The shim as a library; None without a compiler, or where LD_PRELOAD is not known."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    library = folder / "shim.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, HERE / "shim.c", "-ldl"], check=True)
    return library


class Server:
    """A fork server with the shim loaded; see `crash_server`."""

    def __init__(self, shim):
        environment = {
            **os.environ,
            "LD_PRELOAD": str(shim),
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(Path(mmsearch.__file__).parents[1])]),
        }
        self._process = subprocess.Popen(
            [sys.executable, HERE / "crash_server.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        threads = self._answer()
        assert threads == 1, f"a process of {threads} threads cannot be forked safely"

    def _answer(self):
        line = self._process.stdout.readline()
        assert line, "the fork server died"
        return json.loads(line)

    def run(self, scenario, work, *, part="steps", fault=None, trace=None, kill_at=None):
        """Run a scenario in a child; its exit status, negative for a signal."""
        job = {"scenario": scenario, "part": part, "work": str(work), "fault": fault, "trace": trace and str(trace)}
        self._process.stdin.write(json.dumps({**job, "kill_at": kill_at}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@dataclass(frozen=True)
class Log:
    """What a child told: the state after the last commit that returned, and what the next one was about to do."""

    lines: list
    acknowledged: dict
    begun: list | None

    @classmethod
    def read(cls, work, before):
        path = work / "log"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        state, begun = before, None
        for line in lines:
            if "begin" in line:
                begun = line["begin"]
            elif "done" in line:
                state, begun = crash_state.apply(state, begun), None
            elif "failed" in line:
                begun = None
        return cls(lines, state, begun)

    @property
    def allowed(self):
        """States that the index may be in: a commit under way is there or not."""
        more = [] if self.begun is None else [crash_state.apply(self.acknowledged, self.begun)]
        return [self.acknowledged, *more]


def state_of(folder):
    if not (folder / "catalog.sqlite").exists():
        return {}
    store = Store.open(folder)
    try:
        return crash_state.read(store)
    finally:
        store.close()


def problems(folder, log):
    """What is wrong with an index after a crash, without a writer and after one; empty if nothing is."""
    if not (folder / "catalog.sqlite").exists():
        return [] if not log.acknowledged else ["lost: there is no index"]
    found = []
    for moment in ("before a writer", "after a writer"):
        try:
            with mmsearch.open(folder, create=False) as index:
                found += [f"not clean {moment}: {said}" for said in verify(index._store)]
                state = crash_state.read(index._store)
                found += [f"{said} {moment}" for said in differences(state, log)]
                found += [f"not found {moment}: {said}" for said in unfound(index)]
                found += [f"not found {moment}: {said}" for said in unanswered(index)]
                found += [f"not found {moment}: {said}" for said in unfitted(index._store)]
                if moment == "before a writer":
                    index._store.writer().close()
                else:
                    found += [f"left {moment}: {said}" for said in unnamed(index._store)]
        except Exception as error:  # noqa: BLE001  (whatever it is, it is what the test is looking for)
            found.append(f"not opened {moment}: {type(error).__name__}: {error}")
    return found


def copy_problems(folder, state):
    """What is wrong with the copies in a folder, unfinished ones included: each is no index, or has this state."""
    found = []
    for copy in sorted(folder.iterdir()) if folder.exists() else ():
        if (copy / "catalog.sqlite").exists():
            found += [f"copy {copy.name}: {said}" for said in problems(copy, Log([], state, None))]
    return found


def unanswered(index):
    """Structures that do not load, or do not propose a row that is asked for by itself."""
    snapshot = index._store.snapshot()
    for standing in snapshot.structures:
        structure = index.searcher.nearest.structure(standing)
        if structure is None:
            yield f"{standing.path.name}: {index.searcher.nearest.failed[standing.id]}"
            continue
        for cover in standing.covers:
            if cover.shard_id not in snapshot.by_id:
                yield f"{standing.path.name}: the shard {cover.shard_id} is not there"
                continue
            offsets = np.arange(cover.start, cover.end, 3)
            proposed = structure.propose(np.array(snapshot.by_id[cover.shard_id].matrix[offsets]), 20, structure.widest)
            labels = cover.first + cover.numbers(offsets)
            if not (proposed == labels[:, None]).any(axis=1).all():
                yield f"{standing.path.name}: rows of the shard {cover.shard_id}"


def unfitted(store):
    """Segments whose row of an active fit does not begin with their vector."""
    snapshot = store.snapshot()
    for name, version in snapshot.fits:
        made = rows_of(
            store, [one for one in snapshot.shards if (one.group.name, one.group.version) == (name, version)]
        )
        space, medium = name.split(fits.MARK)
        base = [one for one in snapshot.shards if one.group.name == space and one.group.modality in ("text", medium)]
        for segment_id, vector in rows_of(store, base).items():
            if segment_id not in made:
                yield f"{segment_id} in {name}"
            elif made[segment_id][: len(vector)] @ vector < 0.999 * np.linalg.norm(made[segment_id][: len(vector)]):
                yield f"{segment_id} in {name}: it is another"


def unnamed(store):
    """Files below `shards` that the catalog does not name; those of fits that are not in use are not called for."""
    snapshot = store.snapshot()
    for one in snapshot.shards:
        if fits.is_fit(one.group.name) and (one.group.name, one.group.version) not in snapshot.fits:
            yield f"{one.path.name} of {one.group.name}"
    named = {
        store.folder / file for (file,) in store.query("SELECT file FROM shards UNION SELECT file FROM structures")
    }
    for path in sorted((store.folder / "shards").rglob("*")):
        if path.is_file() and path not in named:
            yield path.name


def differences(state, log):
    """Why a state is none that the log allows."""
    if state in log.allowed:
        return
    nearest = min(log.allowed, key=lambda other: sum(state.get(k) != other.get(k) for k in state.keys() | other.keys()))
    for name in sorted(state.keys() | nearest.keys()):
        if state.get(name) != nearest.get(name):
            kind = "lost" if name not in state else "half"
            yield f"{kind}: {name} is {state.get(name)}, not {nearest.get(name)}"


def unfound(index):
    """Items that are not first when they are asked for by their own vector, nor tied with what is."""
    snapshot = index._store.snapshot()
    for held in snapshot.shards:
        if held.group.kind != "vectors" or held.group.name != "fake":
            continue
        ids = index._store.ids(held.id, 0, held.rows)
        offsets = np.flatnonzero(ids[:, 0] >= 0)[::3]
        keys = index._store.keys([int(ids[offset, 1]) for offset in offsets])
        queries = [Query.vector(np.array(held.matrix[offset])) for offset in offsets]
        for offset, ranked in zip(offsets, index.rank(queries, held.group.modality, 5, ()), strict=True):
            if keys[int(ids[offset, 1])] not in ranked:
                yield f"{keys[int(ids[offset, 1])]} by its {held.group.modality}"
