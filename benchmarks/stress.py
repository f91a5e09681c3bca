"""Writers, readers, compaction, structures and snapshots on one index at once, killed; counts what is missed. POSIX.

The processes are those of `tests/faults/stress_run.py`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from reference import RESULTS, machine

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "faults"), str(HERE.parent / "tests")]

SAID = {
    "added": "items added and acknowledged",
    "removed": "items removed and acknowledged",
    "kills": "kills",
    "locked": "writers that were told at once that another was writing",
    "searches": "searches",
    "approximate": "of them, through structures",
    "holds": "versions held",
    "compactions": "compactions",
    "dropped": "dead rows that they gave back",
    "structures": "structures built or tuned",
    "snapshots": "snapshots, each verified",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--readers", type=int, default=2, help="processes that search (default 2)")
    chosen = parser.parse_args()

    from stress_run import SHARD_ROWS, THREADS, WRITERS, stress

    with tempfile.TemporaryDirectory(prefix="mmsearch-stress-") as folder:
        counts, problems = stress(Path(folder), chosen.seconds, readers=chosen.readers)
    parts = [
        "# Everything at once",
        f"{len(WRITERS)} writers, {chosen.readers} readers of {THREADS} threads each, a process that compacts, one "
        f"that builds structures and one that takes snapshots, for {chosen.seconds:.0f} seconds on one index with "
        f"shards of {SHARD_ROWS} rows. About every four seconds one of them, but for the readers, is killed (SIGKILL) "
        f"and begun anew. **{len(problems)} things were wrong.**",
        "A reader asks for items that writers had been told were in, by their own vectors: each must be the first hit, "
        "and none that was removed before may be among the hits; what is listed must agree. Under `hold`, two searches "
        "and a list must be of one version. A snapshot must be sound, hold all that was in when it was begun, and find "
        "it. At the end the index must be sound, hold all that was acknowledged, and be writable at once.",
        "\n".join(
            ["| what | how many |", "|---|---|", *(f"| {SAID[name]} | {count:,} |" for name, count in counts.items())]
        ),
        machine(["sqlalchemy", "filelock"]),
    ]
    text = "\n\n".join(parts) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "stress.md").write_text(text, encoding="utf-8")
    print(text, *problems, sep="\n")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
