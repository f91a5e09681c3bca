"""A process that indexes is killed, or its disk fails, at every step it takes; see `benchmarks/crashes.py` for more.

What must hold is in `crash_driver.problems`, and that a later run finishes what was broken off.
"""

import errno
import random
import signal
from collections import Counter

import pytest
from crash_campaign import Fault, errors, kills, moments
from crash_scenarios import SCENARIOS

SCENARIOS_UNDER_KILLS = ["create", "records", "folder", "recovery", "writer", "repair shards", "repair catalog"]
ORDERED = ["compact", "optimize", "load", "fit"]
UPKEEP = ["compact", "optimize", "snapshot", "load", "migrate", "fit", "half a fit"]
KILLS, ERRORS = 9, 6  # of each scenario
BEGUN = {  # what waits for the disk after a step
    ("write", "shards/*.vec"): {"content"},
    ("ftruncate", "shards/*.vec"): {"content"},
    ("open", "shards/*.vec"): {"name"},
    ("write", "shards/*.ann.new"): {"structure"},
    ("rename", "shards/*.ann"): {"name"},
}
SYNCED = {  # what does not any more
    ("fsync", "shards/*.vec"): {"content"},
    ("fdatasync", "shards/*.vec"): {"content"},
    ("fsync", "shards/*.ann.new"): {"structure"},
    ("fsync", "shards/"): {"name"},
}
FEWER = 3  # of those of `UPKEEP`


def some(faults, number, seed):
    """Some of the faults, but of all kinds of steps in turn."""
    faults = list(faults)
    random.Random(seed).shuffle(faults)
    return faults[:number]


def number_of(most, scenario):
    return FEWER if scenario in UPKEEP else most


@pytest.mark.parametrize("scenario", [*SCENARIOS_UNDER_KILLS, *UPKEEP])
def test_a_kill_at_any_step_loses_nothing_and_leaves_nothing_half_done(campaign, scenario):
    most = number_of(KILLS, scenario)
    faults = some(kills(campaign.known(scenario).steps, scenario, 1, 0), most, scenario)
    outcomes = campaign.run([*faults, *moments(scenario, 1, 0.15, 0)])
    assert [(str(one.fault), one.problems) for one in outcomes if one.problems] == []
    assert sum(one.status == -signal.SIGKILL for one in outcomes) >= most - 2


@pytest.mark.parametrize("scenario", [*SCENARIOS_UNDER_KILLS, *UPKEEP])
def test_a_disk_that_fails_raises_what_it_should_and_work_goes_on_when_it_is_released(campaign, scenario):
    faults = some(errors(campaign.known(scenario).steps, scenario, 1, 0), number_of(ERRORS, scenario), scenario)
    outcomes = campaign.run(faults)
    assert [(str(one.fault), one.problems) for one in outcomes if one.problems] == []
    said = [line for one in outcomes for line in one.lines if "error" in line]
    assert said or scenario in UPKEEP  # of so few, all may be such as SQLite can do without
    for line in said:
        assert line["error"] in ("StoreError", "IndexDamaged", "IndexNotFound"), line
        assert "index" in line["said"], line
        assert any(word in line["said"] for word in REASONS), line


REASONS = ("No space", "quota", "Input/output", "I/O error", "is full", "unable to open", "readonly")


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_is_full_from_the_start_and_for_long(campaign, error):
    """Every call that takes room fails, in each scenario, from the first on."""
    faults = [Fault(name, "full from", "*", "*", 1, error) for name in [*SCENARIOS_UNDER_KILLS, *UPKEEP]]
    outcomes = campaign.run(faults)
    assert [(str(one.fault), one.problems) for one in outcomes if one.problems] == []
    assert all(any("error" in line for line in one.lines) for one in outcomes)


def test_what_was_finished_three_seconds_before_a_kill_is_there(campaign):
    (outcome,) = campaign.run(moments("trickle", 1, 0.5, 0, least=4.2))
    assert outcome.problems == ()
    given = {line["given"]: line["at"] for line in outcome.lines if "given" in line}
    end = max(line["at"] for line in outcome.lines)
    there = set()
    for line in outcome.lines:
        if "begin" in line:
            begun = line["begin"]
        if "done" in line:
            there |= {name for _, name, *_ in begun}
    due = {name for name, at in given.items() if at < end - 3}
    assert len(due) > 100
    assert due <= there


@pytest.mark.parametrize("scenario", ["fit", "half a fit"])
def test_a_fit_is_in_use_whole_or_not_at_all(campaign, scenario):
    """Kills around the commit after which rows are dropped, and before and after their files are removed."""
    commit, removal = ("fdatasync", "catalog.sqlite-wal"), ("unlink", "shards/*.vec")
    order = campaign.known(scenario).order
    number = order[: order.index(removal)].count(commit)
    places = [(commit, number - 1), (commit, number), (removal, 1), (removal, 2)]
    outcomes = campaign.run(
        Fault(scenario, action, *step, number) for step, number in places for action in ("kill before", "kill after")
    )
    assert [(str(one.fault), one.problems) for one in outcomes if one.problems] == []
    assert {one.status for one in outcomes} == {-signal.SIGKILL}


@pytest.mark.parametrize("action", ["fail once", "fail from"])
def test_the_catalog_of_a_copy_that_keeps_a_log_is_no_copy(campaign, action):
    """SQLite only answers with the old mode when it fails to change it; what the log holds is not in the file then."""
    kind = ".plain.part/catalog.sqlite.new"
    faults = [Fault("snapshot", action, "fdatasync", f"{kind}-journal", n, errno.EIO) for n in (3, 4)]
    faults.append(Fault("snapshot", action, "fdatasync", kind, 2, errno.EIO))
    outcomes = campaign.run(faults)
    assert [(str(one.fault), one.problems) for one in outcomes if one.problems] == []
    assert [str(one.fault) for one in outcomes if not any("error" in line for line in one.lines)] == []


def test_a_transaction_in_doubt_stays_whole_or_away(campaign, tmp_path):
    """A commit whose process died before it was seen may lie complete in SQLite's log, and come back later.

    A reader keeps the log's index alive, so that the next writer does not see the commit; then all die. Whoever reads
    the log next reads it from its beginning, the dead commit too, if nothing has taken its place.
    """
    steps = campaign.known("doubt").steps
    last = steps["fdatasync", "catalog.sqlite-wal"]
    outcomes = campaign.run(
        [Fault("doubt", "kill before", "fdatasync", "catalog.sqlite-wal", n) for n in range(1, last + 1)]
    )
    assert [(str(one.fault), one.problems) for one in outcomes if one.problems] == []


def test_the_harness_finds_what_a_careless_writer_breaks(campaign):
    """Tests that would pass with the feature removed are no tests: rows are named before they are written."""
    steps = campaign.known("careless").steps
    assert steps["write", "shards/*.vec"]
    outcomes = campaign.run(
        Fault("careless", action, "write", "shards/*.vec", number)
        for action in ("kill before", "torn")
        for number in range(1, steps["write", "shards/*.vec"], 9)
    )
    assert Counter(any("not clean" in said for said in one.problems) for one in outcomes)[True] > 3


def test_the_shim_counts_python_and_sqlite(campaign):
    steps = campaign.known("records").steps
    for step in [
        ("write", "shards/*.vec"), ("fdatasync", "shards/*.vec"), ("fsync", "shards/"), ("write", "catalog.sqlite-wal"),
        ("fdatasync", "catalog.sqlite-wal"), ("rename", "catalog.sqlite"), ("write", "catalog.sqlite"),
    ]:  # fmt: skip
        assert steps[step] > 0, step
    assert {*SCENARIOS_UNDER_KILLS, *UPKEEP} <= set(SCENARIOS)


def test_the_shim_counts_structures_and_copies(campaign):
    for scenario, step in [
        ("optimize", ("write", "shards/*.ann.new")), ("optimize", ("open", "shards/*.ann.new")),
        ("optimize", ("fsync", "shards/*.ann.new")), ("optimize", ("rename", "shards/*.ann")),
        ("compact", ("unlink", "shards/*.vec")), ("snapshot", ("link", "shards/*.vec")),
        ("snapshot", ("rename", "plain")), ("snapshot", ("write", "shards/*.ann")),
    ]:  # fmt: skip
        assert campaign.known(scenario).steps[step] > 0, (scenario, step)
    assert campaign.known("compact").steps["unlink", "shards/*.ann"] == 0, "structures follow the rows"


@pytest.mark.parametrize("scenario", ["records", "folder", "writer", "repair shards", "repair catalog", *ORDERED])
def test_what_the_catalog_names_is_on_the_disk_before_it(campaign, scenario):
    """A kill loses nothing that was written; a power cut loses what was not synced. So it is the order that counts."""
    order = campaign.known(scenario).order
    waiting, commits = set(), 0
    for number, (op, kind) in enumerate(order):
        waiting = (waiting | BEGUN.get((op, kind), set())) - SYNCED.get((op, kind), set())
        if (op, kind) == ("rename", "shards/*.ann"):
            assert "structure" not in waiting
        elif (op, kind) == ("fdatasync", "catalog.sqlite-wal"):
            assert not waiting, order[max(0, number - 20) : number + 1]
            commits += 1
        elif (op, kind) == ("rename", "catalog.sqlite"):
            draft = [step for step in order[:number] if step[1] in ("catalog.sqlite.new", "catalog.sqlite.repair")]
            assert draft[-1][0] == "fdatasync"
            assert ("fsync", ".") in order[number : number + 4]
    assert commits > 0


def test_a_copy_is_on_the_disk_before_it_has_its_name(campaign):
    order = campaign.known("snapshot").order
    for name in ("plain", "linked"):
        part, waiting = f".{name}.part", set()
        for op, kind in order[: order.index(("rename", name))]:
            if op in ("write", "open", "link") and kind.startswith(("shards/", f"{part}/catalog.sqlite")):
                waiting |= {kind, "folder"}
            elif op == "rename":
                waiting.add("folder")
            elif op in ("fsync", "fdatasync"):
                waiting -= {kind, "folder" if kind == part else kind}
        assert not {one for one in waiting if not one.endswith(("-journal", "-wal", "-shm"))}
        assert order[order.index(("rename", name)) + 1] == ("fsync", ".")
