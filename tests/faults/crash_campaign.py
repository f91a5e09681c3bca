"""Which faults are tried, and what came of each."""

import errno
import random
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import crash_driver as driver
from crash_scenarios import SCENARIOS

from mmsearch.search import nearest

WORKERS = 2
TORN = ("write",)
COPIES = {"plain", "linked"}
UNFINISHED = ("trickle", "doubt", "careless")  # these are not run a second time


@dataclass(frozen=True)
class Fault:
    """One fault: what happens at which occurrence of which named step, or a kill after `seconds`."""

    scenario: str
    action: str
    op: str = "*"
    kind: str = "*"
    occurrence: int = 1
    error: int = 0
    seconds: float | None = None

    @property
    def armed(self):
        if self.seconds is not None:
            return None
        return {
            "op": self.op, "kind": self.kind, "occurrence": self.occurrence, "action": self.action, "error": self.error
        }  # fmt: skip

    @property
    def kills(self):
        return "kill" in self.action or self.action == "torn"

    @property
    def step(self):
        return "at a random moment" if self.seconds is not None else f"{self.op} {self.kind}"

    def __str__(self):
        when = f"after {self.seconds:.3f} s" if self.seconds is not None else f"{self.step} number {self.occurrence}"
        return f"{self.scenario}: {self.action} {when}" + (f", error {self.error}" if self.error else "")


@dataclass(frozen=True)
class Outcome:
    """What came of a fault. `status` is of the child; `problems` are sentences, none if all is well."""

    fault: Fault
    status: int | str
    problems: tuple[str, ...]
    lines: tuple[dict, ...]

    def has(self, word):
        return any(word in problem for problem in self.problems)


def kills(steps, scenario, per_step, seed):
    """Kills before, after and in the middle of the named steps of a scenario."""
    draw = random.Random(f"{scenario} {seed}")
    for (op, kind), times in sorted(steps.items()):
        for action in ("kill before", "kill after", *(("torn",) if op in TORN else ())):
            for occurrence in sorted(draw.sample(range(1, times + 1), min(per_step, times))):
                yield Fault(scenario, action, op, kind, occurrence)


def moments(scenario, number, longest, seed, least=0.0):
    """Kills at random moments, from `least` to `least + longest` seconds."""
    draw = random.Random(f"{scenario} {seed}")
    for _ in range(number):
        yield Fault(scenario, "kill", seconds=least + draw.uniform(0.0, longest))


def errors(steps, scenario, per_step, seed):
    """Disks that are full from some call on, quotas, writes and syncs that fail once and always, short writes."""
    draw = random.Random(f"{scenario} {seed} errors")
    for (op, kind), times in sorted(steps.items()):
        occurrences = sorted(draw.sample(range(1, times + 1), min(per_step, times)))
        if op in ("write", "open", "ftruncate", "mkdir"):
            for error in (errno.ENOSPC, errno.EDQUOT):
                # Full for everything below the index from this call on, not for this kind of file alone.
                yield from (Fault(scenario, "full from", op, kind, o, error) for o in occurrences)
            yield from (Fault(scenario, "fail once", op, kind, o, errno.EIO) for o in occurrences)
        if op == "write":
            yield Fault(scenario, "short", op, kind, 1)
        if op in ("fsync", "fdatasync"):
            for action in ("fail once", "fail from"):
                yield from (Fault(scenario, action, op, kind, o, errno.EIO) for o in occurrences)
        if op in ("rename", "unlink", "link"):
            yield from (Fault(scenario, "fail once", op, kind, o, errno.EIO) for o in occurrences)


@dataclass(frozen=True)
class Known:
    """A scenario without faults: where it begins, how often each step occurs, (call, kind of file), and its end."""

    template: Path
    before: dict
    steps: Counter
    end: dict
    order: tuple = ()  # of the steps
    seconds: float = 0.0


class Campaign:
    """Tries faults, two at a time, each in a folder of its own. Structures are asked however few rows they have."""

    def __init__(self, folder):
        self._folder = folder
        self._library = driver.compiled(folder)
        self._local = threading.local()
        self._servers = []
        self._guard = threading.RLock()
        self._known = {}

    def __enter__(self):
        self._share, nearest.SHARE = nearest.SHARE, 1.0
        return self

    def __exit__(self, *_):
        nearest.SHARE = self._share
        for server in self._servers:
            server.close()

    @property
    def server(self):
        """This thread's fork server."""
        if not hasattr(self._local, "server"):
            made = driver.Server(self._library)
            with self._guard:
                self._servers.append(made)
            self._local.server = made
        return self._local.server

    def known(self, scenario):
        """What an undisturbed run of a scenario is like."""
        with self._guard:
            if scenario not in self._known:
                self._known[scenario] = self._learn(scenario)
            return self._known[scenario]

    def _learn(self, scenario):
        template = Path(tempfile.mkdtemp(dir=self._folder))
        assert self.server.run(scenario, template, part="prepare") == 0, tail(template)
        (template / "log").unlink()
        # Of a copy: an index of an older format is brought up to date as it is opened.
        before = {} if SCENARIOS[scenario].repair else driver.state_of(self._begin(template) / "index")
        if scenario == "trickle":
            return Known(template, before, Counter(), {})
        work = self._begin(template)
        start = time.monotonic()
        assert self.server.run(scenario, work, trace=work / "trace") == 0, tail(work)
        seconds = time.monotonic() - start
        if SCENARIOS[scenario].aftermath:
            self.server.run(scenario, work, part="aftermath")
        order = tuple(tuple(line.split(" ", 1)) for line in (work / "trace").read_text().splitlines())
        return Known(template, before, Counter(order), driver.state_of(work / "index"), order, seconds)

    def _begin(self, template):
        work = Path(tempfile.mkdtemp(dir=self._folder)) / "work"
        shutil.copytree(template, work)
        return work

    def run(self, faults):
        """The outcome of each fault."""
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(self.try_, faults))

    def try_(self, fault):
        """One fault, from the beginning to a run that finishes what it broke off."""
        known = self.known(fault.scenario)
        work = self._begin(known.template)
        status = self.server.run(fault.scenario, work, fault=fault.armed, kill_at=fault.seconds)
        if SCENARIOS[fault.scenario].aftermath:
            self.server.run(fault.scenario, work, part="aftermath")
        log = driver.Log.read(work, known.before)
        found = []
        if not SCENARIOS[fault.scenario].repair:
            found += driver.problems(work / "index", log)
        found += driver.copy_problems(work / "copies", known.before)
        if fault.kills and status not in (-9, 0):
            found.append(f"the child ended with {status}: {tail(work)}")
        if not fault.kills and status != 0:
            found.append(f"foreign error: {tail(work)}")
        if not found and fault.scenario not in UNFINISHED:
            found += self._finish(fault.scenario, known, work)
        if not found:
            shutil.rmtree(work.parent)
        return Outcome(fault, status, tuple(found), tuple(log.lines))

    def _finish(self, scenario, known, work):
        """A run without faults must bring everything to the end that an undisturbed run has."""
        (work / "log").unlink(missing_ok=True)
        if self.server.run(scenario, work) != 0:
            return [f"could not be finished: {tail(work)}"]
        state = driver.state_of(work / "index")
        if state != known.end:
            return [f"finished otherwise: {sorted(state.keys() ^ known.end.keys())}"]
        if SCENARIOS[scenario].place == "copies" and {one.name for one in (work / "copies").iterdir()} != COPIES:
            return ["half: not all copies are there, or more than they"]
        return [
            *driver.problems(work / "index", driver.Log([], known.end, None)),
            *driver.copy_problems(work / "copies", known.end),
        ]


def tail(work):
    said = work / "output"
    return said.read_text()[-1500:] if said.exists() else "(it said nothing)"


def summary(outcomes):
    """What came of faults, by named step: `tried`, and how many were `killed`, `opened`, `clean`, `lost`, `half`."""
    by_step = defaultdict(list)
    for outcome in outcomes:
        by_step[outcome.fault.step].append(outcome)
    return {
        step: {
            "tried": len(some),
            "killed": sum(one.status == -signal.SIGKILL for one in some),
            "opened": sum(not one.has("not opened") for one in some),
            "clean": sum(not one.has("not clean") for one in some),
            "lost": sum(one.has("lost:") or one.has("not found") for one in some),
            "half": sum(one.has("half:") for one in some),
            "finished": sum(not one.problems for one in some),
        }
        for step, some in sorted(by_step.items())
    }
