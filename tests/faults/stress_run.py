"""Writers, readers, compaction and snapshots at once on one index, each a process; what they find is in their logs.

Every writer keeps a log of its own: `adding`, `added`, `removing`, `removed`, with names of items, written before and
after the call. A reader takes what was added before it asks, and blames a search only if what it should have found is
not being removed meanwhile.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import numpy as np

import mmsearch
from mmsearch import Record
from mmsearch.encoders.fake import DIM
from mmsearch.errors import IndexLocked, QueryError
from mmsearch.store import shard

SHARD_ROWS = 64
WAIT = 20.0  # seconds for another writer
TOGETHER = 8  # items in a commit
KEPT = 6  # commits of each writer; older ones are removed
THREADS = 2  # of each reader
WRITERS = ("a", "b")
WORDS = {"adding": "begun", "added": "there", "removing": "going", "removed": "gone"}


class Log:
    """Lines that are whole, from one process and its threads."""

    def __init__(self, folder, name):
        self._handle = os.open(folder / f"{name}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def __call__(self, **said):
        os.write(self._handle, json.dumps(said).encode() + b"\n")


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
            for line in whole.splitlines():
                for word, names in json.loads(line).items():
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
            last = number - KEPT * TOGETHER
            if last > 0 and number % (3 * TOGETHER) == 0:
                there = {item.id for item in index.items()}
                old = [one for one in there if one.startswith(f"{name}-") and int(one.split("-")[1]) < last]
                log(removing=old)
                if old:
                    index.remove(ids=old, wait=WAIT)
                log(removed=old)


def read(folder, name, log):
    """Threads of one `Index`."""
    index = mmsearch.open(folder / "index", create=False)
    threads = [threading.Thread(target=search, args=(folder, index, n, log)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def search(folder, index, seed, log):
    random, known, asked = np.random.default_rng([seed, os.getpid()]), Known(folder), 0
    try:
        while True:
            before = asked
            due, gone = known.read().due, set(known.gone)
            for one in random.choice(due, min(10, len(due)), replace=False).tolist() if due else ():
                found = [hit.id for hit in index.search(vector=vector(one), target="image", k=5, rerank=())]
                asked += 1
                if found[:1] != [one] and one not in known.read().going:
                    log(problem=f"{one} was added and is not found: {found}")
                if gone & set(found):
                    log(problem=f"removed and found: {sorted(gone & set(found))}")
            if random.random() < 0.2:
                problems_of_one_version(index, known, random.standard_normal(DIM), log)
            log(searches=asked - before)
            time.sleep(0.02)
    except BaseException:
        log(problem=traceback.format_exc())
        raise


def problems_of_one_version(index, known, question, log):
    """Under `hold` two searches see the same; and what is listed is what should be there."""
    due, gone = set(known.read().due), set(known.gone)
    with index.hold():
        first, second = ([hit.id for hit in index.search(vector=question, k=50, rerank=())] for _ in range(2))
    if first != second:
        log(problem=f"one version, two answers: {first} and {second}")
    listed = {item.id for item in index.items()}
    missing = due - listed - known.read().going
    if missing or gone & listed:
        log(problem=f"listed: {sorted(missing)} missing, {sorted(gone & listed)} removed")


def compact(folder, name, log):
    with mmsearch.open(folder / "index") as index:
        while True:
            done = index.compact(dead_share=0.05, wait=WAIT)
            log(compactions=1, dropped=done.rows_dropped)
            time.sleep(0.3)


def copy(folder, name, log):
    """Each copy is sound, and holds what was there when it was begun, but for what went meanwhile."""
    known, number = Known(folder), 0
    with mmsearch.open(folder / "index", create=False) as index:
        while True:
            number += 1
            due, gone = set(known.read().due), set(known.gone)
            place = folder / f"copy{number}"
            index.snapshot(place, link=number % 2 == 0)
            with mmsearch.open(place, create=False) as copied:
                for said in copied.verify():
                    log(problem=f"copy {number}: {said}")
                there = {item.id for item in copied.items()}
            missing = due - there - known.read().going
            if missing or gone & there:
                log(problem=f"copy {number}: {sorted(missing)} missing, {sorted(gone & there)} removed")
            log(snapshots=1)


ROLES = {"writer": write, "reader": read, "compaction": compact, "copies": copy}


def role(kind, folder, name):
    shard.SHARD_ROWS = SHARD_ROWS
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
    """Run all for some seconds, and kill a writer every some; what happened, and what was wrong."""
    random, kills, locked = np.random.default_rng(0), 0, 0
    index = mmsearch.open(folder / "index", model="fake")
    running = {("writer", name): start("writer", folder, name) for name in WRITERS}
    due = Known(folder)
    while not due.read().due and all(process.poll() is None for process in running.values()):
        time.sleep(0.05)  # there is something to be found
    others = [("compaction", "0"), ("copies", "0"), *(("reader", str(n)) for n in range(readers))]
    running |= {(kind, name): start(kind, folder, name) for kind, name in others}
    problems, end = [], time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            time.sleep(every * random.uniform(0.5, 1.5))
            victim = ("writer", WRITERS[kills % len(WRITERS)])
            running[victim].send_signal(signal.SIGKILL)
            running[victim].wait()
            kills += 1
            running[victim] = start(*victim[:1], folder, victim[1])
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
    there, known = {item.id for item in index.items()}, Known(folder).read()
    if set(known.due) - there or known.gone & there:
        problems.append(f"at the end: {sorted(set(known.due) - there)} lost, {sorted(known.gone & there)} came back")
    index.close()
    counts = {"added": len(known.there), "removed": len(known.gone), "kills": kills, "locked": locked}
    return {**counts, **counted(folder, problems)}, problems


def counted(folder, problems):
    """Add up the logs."""
    sums = {"searches": 0, "compactions": 0, "dropped": 0, "snapshots": 0}
    for path in sorted(folder.glob("*.log")):
        for line in path.read_text().splitlines():
            said = json.loads(line) if line.endswith("}") else {}
            problems += [f"{path.stem}: {said['problem']}"] if "problem" in said else []
            for name in sums:
                sums[name] += said.get(name, 0)
    return sums


if __name__ == "__main__":
    role(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
