"""Kills a process that indexes at every step it takes, and makes its disk fail; counts what is lost. Linux with cc.

The harness is that of `tests/faults`, with more faults.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from reference import RESULTS, machine

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "faults"), str(HERE.parent / "tests")]

KILLED = ["create", "records", "folder", "recovery", "writer", "repair shards", "repair catalog"]
KILLED += ["compact", "optimize", "snapshot", "load", "migrate"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-step", type=int, default=1, help="occurrences of each named step (default 1)")
    parser.add_argument("--moments", type=int, default=20, help="kills at random moments, for each scenario")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()

    from crash_campaign import Campaign, errors, kills, moments, summary

    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mmsearch-crashes-") as folder, Campaign(Path(folder)) as campaign:
        deaths, failures = [], []
        for name in KILLED:
            known = campaign.known(name)
            steps = known.steps
            deaths += [
                *kills(steps, name, chosen.per_step, chosen.seed),
                *moments(name, chosen.moments, max(0.2, known.seconds), chosen.seed),
            ]
            failures += errors(steps, name, 1, chosen.seed)
        died, failed = campaign.run(deaths), campaign.run(failures)
    minutes = (time.perf_counter() - start) / 60

    killed = sum(one.status == -9 for one in died)
    parts = [
        "# Crashes",
        f"{killed} kills (SIGKILL, of the whole process group) and {len(failed)} injected errors in {minutes:.0f} "
        f"minutes: {wrong(died)} and {wrong(failed)} of them left something wrong.",
        "Kills come before, after and in the middle (half of a write) of named steps, drawn from all occurrences, and "
        "at random moments. *opened*, *clean*: the index opens and `verify` finds nothing, before any writer has run "
        "and after one has. *lost*: something acknowledged is not there. *half*: something is there by half. "
        "*finished*: all that, and the next run ends as an undisturbed one does. A child whose step did not come this "
        "time is tried but not killed. In the two repairs the index is damaged until the repair is done: there it is "
        "the next repair that must leave it clean, with all that an undisturbed one keeps. Of the copies that a killed "
        "snapshot leaves, each is no index or a whole one; a structure is not there, or loads and proposes its rows.",
        table(summary(died), ["tried", "killed", "opened", "clean", "lost", "half", "finished"], "kills at"),
        "Errors: `full from` (ENOSPC, EDQUOT) fails every call that takes room from that step on, `fail once` and "
        "`fail from` (EIO) that step once and always, `short` makes every write come out short. The call must raise "
        "`StoreError`, lose nothing, and work when it is called again on the same `Index` after the disk is released. "
        "Where nothing was raised, SQLite or the writer could do without what failed, and all is there.",
        table(by_action(failed), ["tried", "raised", "clean", "finished"], "errors"),
        by_scenario(died, failed),
        machine(["sqlalchemy", "filelock"]),
    ]
    text = "\n\n".join(parts) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "crashes.md").write_text(text, encoding="utf-8")
    print(text)
    for one in (*died, *failed):
        if one.problems:
            print(one.fault, one.status, *one.problems, sep="\n    ")
    sys.exit(bool(wrong(died) + wrong(failed)))


def wrong(outcomes):
    return sum(bool(one.problems) for one in outcomes)


def by_action(outcomes):
    rows = {}
    for one in outcomes:
        row = rows.setdefault(f"{one.fault.action} {one.fault.step}", Counter())
        row["tried"] += 1
        row["raised"] += any("error" in line for line in one.lines)
        row["clean"] += not one.has("not clean")
        row["finished"] += not one.problems
    return dict(sorted(rows.items()))


def by_scenario(died, failed):
    kills, errors = (Counter(one.fault.scenario for one in some) for some in (died, failed))
    return "Scenarios: " + ", ".join(f"{name} ({kills[name]} kills, {errors[name]} errors)" for name in kills) + "."


def table(rows, columns, title):
    lines = [f"| {title} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(str(row[column]) for column in columns)} |" for name, row in rows.items()]
    total = [sum(row[column] for row in rows.values()) for column in columns]
    return "\n".join([*lines, f"| **all** | {' | '.join(map(str, total))} |"])


if __name__ == "__main__":
    main()
