"""Writers, readers, compaction, structures and snapshots at once on one index; what they find is in their logs.

Each is a process. Every writer keeps a log of its own: `adding`, `added`, `removing`, `removed`, with names of items,
written before and after the call. A reader takes what was added before it asks, and blames a search only if what it
should have found is not being removed meanwhile.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

import mmsearch
from mmsearch import Record
from mmsearch.ann import tune
from mmsearch.encoders.fake import DIM
from mmsearch.errors import IndexLocked, QueryError
from mmsearch.search import nearest
from mmsearch.search.samples import LEAST
from mmsearch.store import shard
from mmsearch.store.structures import Setting

SHARD_ROWS = 64
TRAINED_WITH = 32  # rows; with fewer no structure is built
WAIT = 60.0  # seconds for another writer
PAUSE = 0.06  # seconds between calls of a writer: the lock goes to whoever looks first, every 0.05 s, once it is free
TEXTS = [f"question {number}" for number in range(LEAST)]
TOGETHER = 8  # items in a commit
KEPT = 6  # commits of each writer; older ones are removed
K = 5  # hits that a reader asks for
THREADS = 2  # of each reader
WRITERS = ("a", "b")
VICTIMS = [*(("writer", name) for name in WRITERS), ("compaction", "0"), ("structures", "0"), ("copies", "0")]
SUMS = ("searches", "approximate", "holds", "compactions", "dropped", "structures", "snapshots")
WORDS = {"adding": "begun", "added": "there", "removing": "going", "removed": "gone"}


class Log:
    """Lines from one process and its threads. Whoever is killed in the middle of one leaves a part, ended here."""

    def __init__(self, folder, name):
        self._handle = os.open(folder / f"{name}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.write(self._handle, b"\n")

    def __call__(self, **said):
        os.write(self._handle, json.dumps(said).encode() + b"\n")


def told(content):
    """What the whole lines of a log say."""
    return [json.loads(line) for line in content.splitlines() if line.endswith(b"}")]


class Known:
    """What the logs of the writers say, read on from where the last call stopped."""

    def __init__(self, folder):
        self._places = {folder / f"writer-{name}.log": 0 for name in WRITERS}
        self.begun, self.there, self.going, self.gone = set(), set(), set(), set()

    def read(self):
        for path, place in self._places.items():
            content = path.read_bytes()[place:] if path.exists() else b""
            whole = content[: content.rfind(b"\n") + 1]
            self._places[path] = place + len(whole)
            for said in told(whole):
                for word, names in said.items():
                    if word in WORDS:
                        getattr(self, WORDS[word]).update(names)
        return self

    @property
    def due(self):
        return sorted(self.there - self.going)


def vector(name):
    writer, number = name.split("-")
    return np.random.default_rng([ord(writer), int(number)]).standard_normal(DIM)


def write(folder, name, log):
    """Add some, remove the oldest; begins where a writer of that name that was killed stopped."""
    known = Known(folder).read()
    mine = [item for item in known.begun if item.startswith(f"{name}-")]
    number = max((int(item.split("-")[1]) + 1 for item in mine), default=0)
    with mmsearch.open(folder / "index") as index:
        while True:
            names = [f"{name}-{number + n}" for n in range(TOGETHER)]
            number += TOGETHER
            log(adding=names)
            index.add_items((Record(id=one, vectors={"image": vector(one)}) for one in names), wait=WAIT, isolate=False)
            log(added=names)
            time.sleep(PAUSE)
            last = number - KEPT * TOGETHER
            if last > 0 and number % (3 * TOGETHER) == 0:
                there = {item.id for item in index.items()}
                old = [one for one in there if one.startswith(f"{name}-") and int(one.split("-")[1]) < last]
                log(removing=old)
                if old:
                    index.remove(ids=old, wait=WAIT)
                log(removed=old)
                time.sleep(PAUSE)


def read(folder, name, log):
    """Threads of one `Index`, and of another that they hold: a view that is held is all that its `Index` sees."""
    index, held = (mmsearch.open(folder / "index", create=False) for _ in range(2))
    threads = [threading.Thread(target=search, args=(folder, index, held, n, log)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def search(folder, index, held, seed, log):
    random, known = np.random.default_rng([seed, os.getpid()]), Known(folder)
    try:
        while True:
            due, gone = known.read().due, set(known.gone)
            asked = random.choice(due, min(10, len(due)), replace=False).tolist() if due else []
            for one in asked:
                found = ids(index.search(vector=vector(one), target="image", k=K, rerank=()))
                going = known.read().going
                if found[:1] != [one] and one not in going:
                    log(problem=f"{one} was added and is not found: {found}")
                if gone & set(found):
                    log(problem=f"removed and found: {sorted(gone & set(found))}")
                if len(found) < min(K, len(set(due) - going)):
                    log(problem=f"only {found} are found")
            if random.random() < 0.2:
                missing, back = amiss(index, known)
                if missing or back:
                    log(problem=f"listed: {missing} missing, {back} removed")
                one_version(held, random.standard_normal(DIM), log)
            log(searches=len(asked), approximate=len(asked) * bool(index.searcher.nearest._loaded))
            time.sleep(0.02)
    except BaseException:
        log(problem=traceback.format_exc())
        raise


def ids(hits):
    return [hit.id for hit in hits]


def amiss(index, known):
    """What is not listed and should be, and what is and should not."""
    due, gone = set(known.read().due), set(known.gone)
    listed = {item.id for item in index.items()}
    return sorted(due - listed - known.read().going), sorted(gone & listed)


def one_version(index, question, log):
    """Under `hold` two searches see the same, and nothing that is not listed."""
    with index.hold():
        first, listed, second = (
            ids(index.search(vector=question, k=50, rerank=())),
            {item.id for item in index.items()},
            ids(index.search(vector=question, k=50, rerank=())),
        )
    log(holds=1)
    if first != second or set(first) - listed:
        log(problem=f"one version, two answers: {first} and {second} of {sorted(listed)}")


def compact(folder, name, log):
    with mmsearch.open(folder / "index") as index:
        while True:
            done = index.compact(dead_share=0.05, wait=WAIT)
            log(compactions=1, dropped=done.rows_dropped)
            time.sleep(0.3)


def build(folder, name, log):
    """Structures that are asked however few rows they have, and for all of them: none of theirs may be missed."""
    tune.tune = lambda structure, ask, questions, wanted, **_: Setting(
        structure.widest, structure.rows, 1.0, 1.0, 1.0, wanted, len(questions), 0.0, 1.0
    )
    with mmsearch.open(folder / "index") as index:
        while True:
            if len(index.items()) > TRAINED_WITH:
                index.optimize(structure="pq", texts=TEXTS, wait=WAIT)
                log(structures=1)
            time.sleep(0.5)


def copy(folder, name, log):
    """Each copy is sound, and holds what was there when it was begun, but for what went meanwhile."""
    known, number = Known(folder), 0
    with mmsearch.open(folder / "index", create=False) as index:
        while True:
            number += 1
            place = folder / f"copy{number % 2}"
            if place.exists():  # one that was killed left it; what it left unfinished the next copy clears away
                shutil.rmtree(place)
            before = set(known.read().due), set(known.gone)
            index.snapshot(place, link=number % 2 == 0)
            for said in copied(place, *before, known):
                log(problem=f"copy {number}: {said}")
            shutil.rmtree(place)
            log(snapshots=1)


def copied(place, due, gone, known):
    """What is wrong with a copy."""
    with mmsearch.open(place, create=False) as index:
        yield from index.verify()
        there = {item.id for item in index.items()}
        missing = due - there - known.read().going
        if missing or gone & there:
            yield f"{sorted(missing)} missing, {sorted(gone & there)} removed"
        for one in sorted(due & there)[::10]:
            found = ids(index.search(vector=vector(one), target="image", k=K, rerank=()))
            if found[:1] != [one]:
                yield f"{one} is not found: {found}"


ROLES = {"writer": write, "reader": read, "compaction": compact, "structures": build, "copies": copy}


def role(kind, folder, name):
    shard.SHARD_ROWS, nearest.SHARE = SHARD_ROWS, 1.0
    log = Log(folder, f"{kind}-{name}")
    try:
        ROLES[kind](folder, name, log)
    except BaseException:
        log(problem=traceback.format_exc())
        raise


def start(kind, folder, name):
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    with (folder / f"{kind}-{name}.output").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, __file__, kind, folder, name], stdout=output, stderr=output, env=environment
        )


def stress(folder, seconds, every=4.0, readers=1):
    """Run all for some seconds, and kill one of `VICTIMS` every some; what happened, and what was wrong."""
    random, kills, locked = np.random.default_rng(0), Counter(), 0
    index = mmsearch.open(folder / "index", model="fake")
    running = {("writer", name): start("writer", folder, name) for name in WRITERS}
    due = Known(folder)
    while not due.read().due and all(process.poll() is None for process in running.values()):
        time.sleep(0.05)  # there is something to be found
    others = [*VICTIMS[len(WRITERS) :], *(("reader", str(n)) for n in range(readers))]
    running |= {(kind, name): start(kind, folder, name) for kind, name in others}
    problems, end = [], time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            time.sleep(every * random.uniform(0.5, 1.5))
            victim = VICTIMS[kills.total() % len(VICTIMS)]
            if running[victim].poll() is None:  # one that ended by itself is told of below
                running[victim].send_signal(signal.SIGKILL)
                running[victim].wait()
                running[victim] = start(*victim[:1], folder, victim[1])
            kills[victim[0]] += 1
            try:
                index.remove(ids=["nobody"], wait=0.0)
            except IndexLocked:
                locked += 1
            except QueryError:
                pass  # there is nobody
        for (kind, name), process in running.items():
            if process.poll() is not None:
                problems.append(f"{kind} {name} ended: {(folder / f'{kind}-{name}.output').read_text()[-1500:]}")
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    with index._store.writer(wait=0.0):
        pass  # whoever was killed blocks nobody
    problems += [f"at the end: {said}" for said in index.verify()]
    known = Known(folder)
    missing, back = amiss(index, known)
    if missing or back:
        problems.append(f"at the end: {missing} lost, {back} came back")
    index.close()
    counts = {"added": len(known.there), "removed": len(known.gone), "kills": kills.total(), "locked": locked}
    return {**counts, **counted(folder, problems)}, problems


def counted(folder, problems):
    """Add up the logs."""
    sums = dict.fromkeys(SUMS, 0)
    for path in sorted(folder.glob("*.log")):
        for said in told(path.read_bytes()):
            problems += [f"{path.stem}: {said['problem']}"] if "problem" in said else []
            for name in sums:
                sums[name] += said.get(name, 0)
    return sums


if __name__ == "__main__":
    role(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
