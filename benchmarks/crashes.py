"""Kills a process that indexes at every step it takes, and makes its disk fail; counts what is lost. Linux with cc.

The harness is that of `tests/faults`, with more faults.
"""

import argparse
import errno
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from reference import RESULTS, machine

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "faults"), str(HERE.parent / "tests")]

SCENARIOS = ["create", "records", "folder", "recovery", "writer", "repair shards", "repair catalog"]
SCENARIOS += ["compact", "optimize", "snapshot", "load", "migrate", "fit", "half a fit"]
KILLS = ("tried", "killed", "opened", "clean", "lost", "half", "finished")
ERRORS = ("errors", "raised", "clean", "finished")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-step", type=int, default=2, help="kills at occurrences of each named step (default 2)")
    parser.add_argument("--errors", type=int, default=50, help="errors drawn for each scenario (default 50)")
    parser.add_argument("--moments", type=int, default=20, help="kills at random moments, for each scenario")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()

    from crash_campaign import Campaign, errors, kills, moments

    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mmsearch-crashes-") as folder, Campaign(Path(folder)) as campaign:
        deaths, failures = [], []
        for name in SCENARIOS:
            known = campaign.known(name)
            steps = known.steps
            deaths += [
                *kills(steps, name, chosen.per_step, chosen.seed),
                *moments(name, chosen.moments, max(0.2, known.seconds), chosen.seed),
            ]
            failures += drawn(list(errors(steps, name, 1, chosen.seed)), chosen.errors, chosen.seed)
        died, failed = campaign.run(deaths), campaign.run(failures)
    write(died, failed, (time.perf_counter() - start) / 60)
    sys.exit(bool(wrong(died) + wrong(failed)))


def write(died, failed, minutes):
    """The report, and whatever was wrong on the screen."""
    killed = sum(one.status == -9 for one in died)
    parts = [
        "# Crashes",
        f"**{killed:,} kills** (SIGKILL, of the whole process group) and **{len(failed):,} injected errors** in "
        f"{minutes:.0f} minutes: {wrong(died)} and {wrong(failed)} of them left something wrong.",
        "Kills come before, after and in the middle (half of a write) of named steps, a call and a kind of file "
        f"(`write shards/*.vec`), {len(named(died))} in all, each in every scenario that takes it; and at random "
        "moments. *opened*, *clean*: the index opens and `verify` finds nothing, before any writer has run and after "
        "one has. *lost*: something acknowledged is not there, or not found by its own vector. *half*: something is "
        "there by half. *finished*: all that, and the next run ends as an undisturbed one does. A child whose step did "
        "not come this time, or that was faster than a random moment, is tried but not killed. In the two repairs the "
        "index is damaged until the repair is done: there it is the next repair that must leave it clean, with all "
        "that an undisturbed one keeps. Of the copies that a killed snapshot leaves, each is no index or a whole one; "
        "a structure is not there, or loads and proposes its rows.",
        "Errors: a disk that is full or over quota from a call on (ENOSPC, EDQUOT: every call that takes room fails), "
        "EIO once or from a call on, and writes that all come out short. The call must raise `StoreError` (*raised*), "
        "lose nothing, and work when it is called again on the same `Index` after the disk is released (*finished*). "
        "Where nothing was raised, SQLite or the writer could do without what failed, and all is there.",
        table("scenario", SCENARIOS, died, failed, lambda fault: fault.scenario),
        table("step", kinds((*died, *failed)), died, failed, kind_of_step),
        f"Errors by kind: {', '.join(f'{name} {count}' for name, count in by_error(failed).items())}.",
        machine(["sqlalchemy", "filelock"]),
    ]
    text = "\n\n".join(parts) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "crashes.md").write_text(text, encoding="utf-8")
    print(text)
    for one in (*died, *failed):
        if one.problems:
            print(one.fault, one.status, *one.problems, sep="\n    ")


def drawn(faults, number, seed):
    return random.Random(seed).sample(faults, min(number, len(faults)))


def wrong(outcomes):
    return sum(bool(one.problems) for one in outcomes)


def named(outcomes):
    return {one.fault.step for one in outcomes if one.fault.seconds is None}


def kind_of_step(fault):
    """The call, whatever file it is about."""
    return fault.step if fault.seconds is not None else fault.op


def kinds(outcomes):
    return sorted({kind_of_step(one.fault) for one in outcomes})


def by_error(outcomes):
    return dict(sorted(Counter(said(one.fault) for one in outcomes).items()))


def said(fault):
    name = errno.errorcode[fault.error] if fault.error else ""
    return " ".join(filter(None, (name, fault.action.removeprefix("fail ").replace("full from", "from then on"))))


def table(title, rows, died, failed, row_of):
    """What came of kills and of errors, a row for each name that `row_of` gives to a fault."""
    lines = [f"| {title} | {' | '.join((*KILLS, *ERRORS))} |", "|---" * (1 + len(KILLS) + len(ERRORS)) + "|"]
    for row in rows:
        some = [[one for one in outcomes if row_of(one.fault) == row] for outcomes in (died, failed)]
        lines.append(f"| {row} | {' | '.join(map(str, figures(*some)))} |")
    return "\n".join([*lines, f"| **all** | {' | '.join(map(str, figures(died, failed)))} |"])


def figures(died, failed):
    """In the order of `KILLS` and `ERRORS`."""
    of_kills = Counter()
    from crash_campaign import summary

    for row in summary(died).values():
        of_kills.update(row)
    raised = sum(any("error" in line for line in one.lines) for one in failed)
    clean = sum(not one.has("not clean") for one in failed)
    return (*(of_kills[name] for name in KILLS), len(failed), raised, clean, len(failed) - wrong(failed))


if __name__ == "__main__":
    main()
